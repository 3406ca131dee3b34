"""POST /runs, /runs/{run_id}/resume, /runs/{run_id}/cancel: what is asked of LangGraph for a caller.

A launch is put down first, so that a run can't start unseen; then LangGraph is asked; then the run is recorded, whose
result will come to the webhook. What fails before LangGraph is asked has started nothing. What fails after it leaves
the launch `starting`, that is unknown, and due to be looked at: by the caller's next request with the same
Idempotency-Key, or by reconcile. An answer to a run that waits is held on that run in the same way.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.callbacks import Callbacks
from runledger.adapters.gateway import Answer, Request, serve
from runledger.adapters.secrets import Secret, api_key, key_ring
from runledger.adapters.step_functions import Tasks
from runledger.adapters.tables import Table
from runledger.core import launch_states
from runledger.core.answers import not_waiting, parse_answer
from runledger.core.launch_states import Launch
from runledger.core.launches import LaunchRequest, launch_id_of, own_thread_id, parse_launch
from runledger.core.problems import Problem, unknown
from runledger_langgraph import cancelling
from runledger_langgraph.answering import Answering
from runledger_langgraph.client import LangGraph
from runledger_langgraph.launcher import Launcher, TakenError
from runledger_langgraph.waiting import launch_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

_RECORD_SECONDS = aws.CALL_SECONDS + 0.5  # kept of the function's time to record a run that was started
_INLINE_REQUEST_BYTES = 8_192  # larger requests go to the bucket: a launch is written twice, and billed by its size
_RETRY_SECONDS = 5

_dynamodb, _secretsmanager = aws.client("dynamodb"), aws.client("secretsmanager")
_runs = Table(_dynamodb, settings.text("RUNS_TABLE"))
_launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
_bucket = Bucket(aws.client("s3"), settings.text("PAYLOAD_BUCKET"))
launcher = Launcher(
    langgraph=LangGraph(settings.text("LANGGRAPH_URL")),
    runs=_runs,
    launches=_launches,
    bucket=_bucket,
    callbacks=Callbacks(Tasks(), _runs, _launches, _bucket),
    ring=Secret(_secretsmanager, settings.text("KEY_RING_SECRET"), key_ring),
    api_key=Secret(_secretsmanager, settings.text("LANGGRAPH_API_KEY_SECRET"), api_key),
    webhook_url=settings.text("WEBHOOK_URL"),
    max_run_seconds=settings.whole_number("MAX_RUN_SECONDS"),
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, lambda http: _ROUTES[http.route](http))


def launch(http: Request) -> Answer:
    """Start what the request asks for, or find what it has started: 202 with the ids, or a Problem."""
    request = parse_launch(http.content())
    launch_id = launch_id_of(http.headers.get("idempotency-key"))
    telemetry.about(launch_id=launch_id)
    for secret in (launcher.ring, launcher.api_key):
        secret.value()  # what can't be read is found out before anything is claimed
    claim, is_new = _claim(launch_id, request)
    until = _until(http)
    if is_new:
        run_id = launcher.start(claim, request, until)
    else:
        claim, run_id = _again(claim, request, until)
    return _accepted(http, claim, run_id, request)


def resume(http: Request) -> Answer:
    """Answer the question of a run: 202 with the run that goes on from there, or a Problem."""
    run = _run(http)
    if run["outcome"] not in ("awaiting_input", "answered"):
        raise not_waiting(run["outcome"])
    given = parse_answer(http.content(), run.get("questions", "[]"))
    run_id = Answering(launcher, given, _until(http)).answer(run)
    return _asked(_prefix(http), run_id, launch_of(run), run["thread_id"])


def cancel(http: Request) -> Answer:
    """Ask for the end of a run: 202 with what the ledger says of it, or a Problem."""
    run = _run(http)
    outcome = cancelling.cancel(launcher, run, _until(http))
    return _asked(_prefix(http), run["run_id"], run.get("launch_id"), run.get("thread_id"), outcome)


def _run(http: Request) -> dict[str, Any]:
    run = launcher.runs.item("run_id", http.identifier("run_id"))
    if run is None:
        raise unknown("run with this id")
    telemetry.about(launch_id=run.get("launch_id"))
    return run


def _prefix(http: Request) -> str:
    """Return what stands before `/runs` in the paths of this API."""
    return http.path.partition("/runs")[0]


def _until(http: Request) -> float:
    return launcher.langgraph.until(http.seconds_left() - _RECORD_SECONDS)


def _claim(launch_id: str, request: LaunchRequest) -> tuple[Launch, bool]:
    """Put the launch down; return it, or the one that is there already, and whether it is new."""
    key = None
    if len(request.text.encode()) > _INLINE_REQUEST_BYTES:
        key = launcher.bucket.put_request(launch_id, request.digest, request.text)
    holder = str(uuid.uuid4())
    claim = launch_states.claimed(
        launch_id=launch_id,
        digest=request.digest,
        request=None if key else request.text,
        request_key=key,
        assistant_id=request.assistant_id,
        thread_id=request.thread_id or own_thread_id(launch_id, attempt=1),
        own_thread=request.thread_id is None,
        stream=request.stream,
        langgraph_url=launcher.langgraph.url,
        holder=holder,
        task_token=request.task_token,
        now=time.time(),
    )
    there = Launch.read(launcher.launches.apply(claim) or {**claim.key, **claim.set})
    return there, there.holder == holder  # also where the answer to a first try was lost


def _again(claim: Launch, request: LaunchRequest, until: float) -> tuple[Launch, str]:
    """Answer a repeated request as the first was answered, or go on where it was left."""
    if claim.digest != request.digest:
        raise Problem(
            409,
            "idempotency-key-reused",
            "The Idempotency-Key was used for another request",
            "A launch with this Idempotency-Key has another body. Use a new key for a new launch.",
            extra={"launch_id": claim.launch_id},
        )
    if request.task_token:
        claim = _called_for(claim, request)
    if claim.state == "started":
        telemetry.count("repeated")
        telemetry.logger.info("repeated")
        return claim, str(claim.run_id)
    now = time.time()
    if claim.is_held(now):
        raise _in_progress(claim, now)
    try:
        return launcher.go_on(claim, until, request)
    except TakenError:
        raise _in_progress(claim, now) from None


def _called_for(claim: Launch, request: LaunchRequest) -> Launch:
    """Note the newest token of the task that waits, which the launch's end may have come before."""
    called_for = launch_states.called_for(claim.launch_id, claim.digest, str(request.task_token), time.time())
    launcher.launches.apply(called_for)
    if claim.state == "started":
        launcher.callbacks.settle(claim.launch_id)
    return replace(claim, calls_back=True)


def _in_progress(claim: Launch, now: float) -> Problem:
    return Problem(
        409,
        "launch-in-progress",
        "The launch is in progress",
        "Another request with this Idempotency-Key is at work. Send the same request again later.",
        headers={"Retry-After": str(max(1, min(_RETRY_SECONDS, claim.lease_until - int(now))))},
        extra={"launch_id": claim.launch_id},
    )


def _accepted(http: Request, claim: Launch, run_id: str, request: LaunchRequest) -> Answer:
    stream = f"{claim.langgraph_url}/threads/{claim.thread_id}/runs/{run_id}/stream"
    links = {"stream": stream} if request.stream else {}
    return _asked(_prefix(http), run_id, claim.launch_id, claim.thread_id, links=links)


def _asked(  # noqa: PLR0913, PLR0917 - what an answer tells
    prefix: str,
    run_id: str,
    launch_id: str | None,
    thread_id: str | None,
    outcome: str = "pending",
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
