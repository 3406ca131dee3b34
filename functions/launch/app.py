"""POST /runs, /runs/{run_id}/resume, /runs/{run_id}/cancel, and the launch queue: what is asked of LangGraph.

A launch is recorded first, so that a run can't start unseen; then LangGraph is asked; then the run is recorded, whose
result will come to the webhook. What fails before LangGraph is asked has started nothing. What fails after it leaves
the launch `starting`, that is unknown, and due to be looked at: by the caller's next request with the same
Idempotency-Key, or by the worker. An answer to a run that waits is held on that run in the same way.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.adapters import sqs
from runledger.adapters.gateway import Answer, Request, serve
from runledger.bootstrap import Once
from runledger.bootstrap.launch import build
from runledger.deadline import CALL_SECONDS
from runledger.domain.answers import not_waiting, parse_answer
from runledger.domain.launches import launch_id_of, parse_launch
from runledger.domain.problems import Problem, unknown
from runledger.domain.requests import no_body
from runledger.use_cases import cancel_run
from runledger.use_cases.answer_question import Answering
from runledger.use_cases.human_input import launch_of
from runledger.use_cases.launch_run import Launching

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from runledger.domain.run import Run

_RECORD_SECONDS = CALL_SECONDS + 0.5  # kept of the function's time to record a run that was started

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event, or work on messages of the launch queue."""
    if "Records" not in event:
        return serve(event, context, lambda http: _ROUTES[http.route](http))
    telemetry.start(context)
    try:
        messages = map(sqs.read, event["Records"])
        return sqs.to_repeat(
            parts().messages.work(messages, lambda: _until(context.get_remaining_time_in_millis() / 1000))
        )
    finally:
        telemetry.flush()


def launch(http: Request) -> Answer:
    """Start what the request asks for, or find what it has started: 202 with the ids, or a Problem."""
    launcher, request = parts().launcher, parse_launch(http.content())
    launch_id = launch_id_of(http.headers.get("idempotency-key"), launcher.ledger_id)
    telemetry.about(launch_id=launch_id)
    launching = Launching(launcher, launch_id, request, time.time(), _until(http.seconds_left()))
    claim, run_id, is_new = launching.launch()
    outcome = "pending" if is_new else _outcome_of(run_id, launch_id, is_recorded=claim.state == "started")
    url = launcher.servers.current(claim.langgraph_url)
    stream = f"{url}/threads/{claim.thread_id}/runs/{run_id}/stream"
    links = {"stream": stream} if request.stream else {}
    return _asked(http.prefix, run_id, launch_id, claim.thread_id, outcome, links)


def resume(http: Request) -> Answer:
    """Answer the question of a run: 202 with the run that goes on from there, or a Problem."""
    launcher, run = parts().launcher, _run(http)
    if run["outcome"] not in ("awaiting_input", "answered"):
        raise not_waiting(run["outcome"])
    given = parse_answer(http.content(), _questions(run))
    run_id = Answering(launcher, given, _until(http.seconds_left())).answer(run)
    is_repeated = run["outcome"] == "answered"
    outcome = _outcome_of(run_id, launch_of(launcher, run), is_recorded=True) if is_repeated else "pending"
    return _asked(http.prefix, run_id, launch_of(launcher, run), run["thread_id"], outcome)


def cancel(http: Request) -> Answer:
    """Ask for the end of a run: 202 with what the ledger says of it, or a Problem."""
    no_body(http.content())
    run = _run(http)
    outcome = cancel_run.cancel(parts().launcher, run, _until(http.seconds_left()))
    return _asked(http.prefix, run["run_id"], run.get("launch_id"), run.get("thread_id"), outcome)


def _run(http: Request) -> Run:
    run = parts().launcher.runs.item(http.identifier("run_id"))
    if run is None:
        raise unknown("run with this id")
    telemetry.about(launch_id=run.get("launch_id"))
    return run


def _outcome_of(run_id: str, launch_id: str, *, is_recorded: bool) -> str:
    """Return what the run of a repeated request has come to; a 410 Problem where it was in the ledger, and is not."""
    if run := parts().launcher.runs.item(run_id):
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


def _questions(run: Run) -> str:
    """Return all that a run asks, as JSON text."""
    return parts().launcher.bucket.fetch(run["questions_key"]) if "questions_key" in run else run.get("questions", "[]")


def _until(seconds_left: float) -> float:
    return parts().launcher.server.until(seconds_left - _RECORD_SECONDS)


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
