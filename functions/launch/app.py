"""POST /runs, /runs/{run_id}/resume, /runs/{run_id}/cancel, and the launch queue: what is asked of LangGraph.

A launch is put down first, so that a run can't start unseen; then LangGraph is asked; then the run is recorded, whose
result will come to the webhook. What fails before LangGraph is asked has started nothing. What fails after it leaves
the launch `starting`, that is unknown, and due to be looked at: by the caller's next request with the same
Idempotency-Key, or by reconcile. An answer to a run that waits is held on that run in the same way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from launch.messages import Messages
from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.callbacks import Callbacks
from runledger.adapters.gateway import Answer, Request, serve
from runledger.adapters.queue import Queue
from runledger.adapters.recorder import Recorder
from runledger.adapters.secrets import Secret, api_keys, key_ring
from runledger.adapters.step_functions import Tasks
from runledger.adapters.tables import Table
from runledger.domain.answers import not_waiting, parse_answer
from runledger.domain.launches import launch_id_of, parse_launch
from runledger.domain.problems import Problem, unknown
from runledger_langgraph import cancelling
from runledger_langgraph.answering import Answering
from runledger_langgraph.deployments import Deployments
from runledger_langgraph.launcher import Launcher
from runledger_langgraph.launching import Launching
from runledger_langgraph.waiting import launch_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

_RECORD_SECONDS = aws.CALL_SECONDS + 0.5  # kept of the function's time to record a run that was started

_MAY_BE_INSECURE = settings.flag("ALLOW_INSECURE_URLS")

_dynamodb, _secretsmanager = aws.client("dynamodb"), aws.client("secretsmanager")
_runs = Table(_dynamodb, settings.text("RUNS_TABLE"))
_launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
_bucket = Bucket(settings.text("PAYLOAD_BUCKET"))
_deployments = Deployments(
    settings.url("LANGGRAPH_URL", may_be_insecure=_MAY_BE_INSECURE),
    settings.urls("LANGGRAPH_FORMER_URLS"),
    Secret(_secretsmanager, settings.text("LANGGRAPH_API_KEY_SECRET"), api_keys),
    may_be_insecure=_MAY_BE_INSECURE,
)
launcher = Launcher(
    ledger_id=settings.text("LEDGER_ID"),
    recorder=Recorder(_runs, _bucket),
    langgraph=_deployments.configured.langgraph,
    api_key=_deployments.configured.api_key,
    deployments=_deployments,
    runs=_runs,
    launches=_launches,
    bucket=_bucket,
    callbacks=Callbacks(Tasks(), _runs, _launches, _bucket),
    ring=Secret(_secretsmanager, settings.text("KEY_RING_SECRET"), key_ring),
    webhook_url=settings.url("WEBHOOK_URL", may_be_insecure=_MAY_BE_INSECURE),
    max_run_seconds=settings.whole_number("MAX_RUN_SECONDS"),
)
messages = Messages(launcher, Queue(settings.text("LAUNCH_QUEUE")), Queue(settings.text("DEAD_LETTER_QUEUE")))


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event, or work on messages of the launch queue."""
    if "Records" not in event:
        return serve(event, context, lambda http: _ROUTES[http.route](http))
    telemetry.begin(context)
    try:
        return messages.work(event["Records"], lambda: _until(context.get_remaining_time_in_millis() / 1000))
    finally:
        telemetry.end()


def launch(http: Request) -> Answer:
    """Start what the request asks for, or find what it has started: 202 with the ids, or a Problem."""
    request = parse_launch(http.content())
    launch_id = launch_id_of(http.headers.get("idempotency-key"), launcher.ledger_id)
    telemetry.about(launch_id=launch_id)
    launching = Launching(launcher, launch_id, request, time.time(), _until(http.seconds_left()))
    claim, run_id, is_new = launching.launch()
    outcome = "pending" if is_new else _outcome_of(run_id, launch_id, is_recorded=claim.state == "started")
    url = launcher.deployments.current(claim.langgraph_url)
    stream = f"{url}/threads/{claim.thread_id}/runs/{run_id}/stream"
    links = {"stream": stream} if request.stream else {}
    return _asked(http.prefix, run_id, launch_id, claim.thread_id, outcome, links)


def resume(http: Request) -> Answer:
    """Answer the question of a run: 202 with the run that goes on from there, or a Problem."""
    run = _run(http)
    if run["outcome"] not in ("awaiting_input", "answered"):
        raise not_waiting(run["outcome"])
    given = parse_answer(http.content(), _questions(run))
    run_id = Answering(launcher, given, _until(http.seconds_left())).answer(run)
    is_repeated = run["outcome"] == "answered"
    outcome = _outcome_of(run_id, launch_of(launcher, run), is_recorded=True) if is_repeated else "pending"
    return _asked(http.prefix, run_id, launch_of(launcher, run), run["thread_id"], outcome)


def cancel(http: Request) -> Answer:
    """Ask for the end of a run: 202 with what the ledger says of it, or a Problem."""
    run = _run(http)
    outcome = cancelling.cancel(launcher, run, _until(http.seconds_left()))
    return _asked(http.prefix, run["run_id"], run.get("launch_id"), run.get("thread_id"), outcome)


def _run(http: Request) -> dict[str, Any]:
    run = launcher.runs.item("run_id", http.identifier("run_id"))
    if run is None:
        raise unknown("run with this id")
    telemetry.about(launch_id=run.get("launch_id"))
    return run


def _outcome_of(run_id: str, launch_id: str, *, is_recorded: bool) -> str:
    """Return what the run of a repeated request has come to; a 410 Problem where it was in the ledger, and is not."""
    if run := launcher.runs.item("run_id", run_id):
        return str(run["outcome"])
    if not is_recorded:
        return "pending"
    raise Problem(
        410,
        "run-removed",
        "The run was removed",
        f"The run {run_id}, which the same request started before, was removed from the ledger. "
        "For another run use another Idempotency-Key.",
        extra={"launch_id": launch_id},
        about="request",
    )


def _questions(run: dict[str, Any]) -> str:
    """Return all that a run asks, as JSON text."""
    return launcher.bucket.fetch(run["questions_key"]) if "questions_key" in run else run.get("questions", "[]")


def _until(seconds_left: float) -> float:
    return launcher.langgraph.until(seconds_left - _RECORD_SECONDS)


def _asked(  # noqa: PLR0913, PLR0917 - what an answer tells
    prefix: str,
    run_id: str,
    launch_id: str | None,
    thread_id: str | None,
    outcome: str,
    links: Mapping[str, str] | None = None,
) -> Answer:
    run = f"{prefix}/runs/{run_id}"
    launched = {"launch": f"{prefix}/launches/{launch_id}"} if launch_id else {}
    body = {
        **({"launch_id": launch_id} if launch_id else {}),
        "run_id": run_id,
        **({"thread_id": thread_id} if thread_id else {}),
        "outcome": outcome,
        "links": {"run": run, **launched, **(links or {})},
    }
    return Answer(202, body, {"Location": run})


_ROUTES = {"POST /runs": launch, "POST /runs/{run_id}/resume": resume, "POST /runs/{run_id}/cancel": cancel}
