"""POST /runs: start a run on LangGraph whose result will come to the webhook.

The launch is put down first, so that a run can't start unseen; then LangGraph is asked; then the run is recorded. What
fails before LangGraph is asked has started nothing. What fails after it leaves the launch `starting`, that is unknown,
and due to be looked at.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from runledger.adapters import aws, settings, telemetry
from runledger.adapters.gateway import Answer, Request, serve
from runledger.adapters.secrets import Secret, api_key, key_ring
from runledger.adapters.tables import Table
from runledger.core import ledger, tokens
from runledger.core.launches import LaunchRequest, own_thread_id, parse_launch
from runledger.core.problems import FieldError, Problem, invalid_request
from runledger_langgraph.runs import LangGraph, NotStartedError, Start, Started, UnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_lambda_powertools.utilities.typing import LambdaContext

LANGGRAPH_URL = settings.text("LANGGRAPH_URL")
WEBHOOK_URL = settings.text("WEBHOOK_URL")
MAX_RUN_SECONDS = settings.whole_number("MAX_RUN_SECONDS")

_RECORD_SECONDS = aws.CALL_SECONDS + 0.5  # kept of the function's time to record a run that was started

_dynamodb, _secretsmanager = aws.client("dynamodb"), aws.client("secretsmanager")
runs = Table(_dynamodb, settings.text("RUNS_TABLE"))
launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
ring = Secret(_secretsmanager, settings.text("KEY_RING_SECRET"), key_ring)
langgraph_key = Secret(_secretsmanager, settings.text("LANGGRAPH_API_KEY_SECRET"), api_key)
langgraph = LangGraph(LANGGRAPH_URL)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, launch)


def launch(http: Request) -> Answer:
    """Start what the request asks for: 202 with the ids, or a Problem."""
    if "idempotency-key" in http.headers:
        raise invalid_request(
            FieldError("", "the header Idempotency-Key is not supported yet; leave it out, and each call is a launch")
        )
    request, now = parse_launch(http.content()), time.time()
    start = _prepare(request, now)
    telemetry.about(launch_id=start.launch_id)
    key = langgraph_key.value()
    launches.apply(
        ledger.claim(
            launch_id=start.launch_id,
            assistant_id=request.assistant_id,
            thread_id=start.thread_id,
            own_thread=start.own_thread,
            stream=request.stream,
            langgraph_url=LANGGRAPH_URL,
            now=now,
        )
    )
    started = _ask(start, key, http.seconds_left() - _RECORD_SECONDS)
    telemetry.about(run_id=started.run_id)
    _record(start, started, http.seconds_left)
    telemetry.count("launched")
    telemetry.logger.info("launched", thread_id=start.thread_id, stream=request.stream)
    return _accepted(http.path, start, started)


def _prepare(request: LaunchRequest, now: float) -> Start:
    launch_id = str(uuid.uuid4())
    token = tokens.sign(ring.value(), launch_id, int(now) + request.after_seconds + MAX_RUN_SECONDS)
    return Start(
        request=request,
        launch_id=launch_id,
        thread_id=request.thread_id or own_thread_id(launch_id, attempt=1),
        own_thread=request.thread_id is None,
        webhook=f"{WEBHOOK_URL}?token={token}",
        token=token,
    )


def _ask(start: Start, key: str | None, seconds: float) -> Started:
    try:
        return langgraph.start(start, key, seconds)
    except UnknownError as unknown:
        problem = unknown.problem
        problem.detail += " The run may have been started all the same; its result will then be found under the launch."
        problem.extra = {"launch_id": start.launch_id}
        raise problem from None
    except NotStartedError as refused:
        if refused.problem.slug == "api-key-refused":
            langgraph_key.forget()
        _close(start.launch_id, refused.problem)
        raise refused.problem from None


def _close(launch_id: str, refused: Problem) -> None:
    """Mark the launch as refused; where that fails it stays due, and its refusal is what the caller hears."""
    try:
        launches.apply(ledger.launch_refused(launch_id, refused.slug, time.time()))
    except Problem as problem:
        telemetry.logger.error("a refused launch stays due", detail=problem.detail)


def _record(start: Start, started: Started, seconds_left: Callable[[], float]) -> None:
    """Record the run, then its launch.

    Where that fails, or there is no time for it, the run goes on all the same: the caller gets its ids, and the launch
    stays due.
    """
    pending = ledger.run_pending(
        run_id=started.run_id,
        launch_id=start.launch_id,
        thread_id=start.thread_id,
        assistant_id=started.assistant_id,
        after_seconds=start.request.after_seconds,
        now=time.time(),
    )
    try:
        if runs.apply(pending) is not None:
            runs.apply(ledger.run_launched(pending))
        if seconds_left() >= aws.CALL_SECONDS:
            if launches.apply(ledger.launch_started(start.launch_id, started.run_id, time.time())) is not None:
                launches.apply(ledger.launch_started(start.launch_id, started.run_id, time.time(), heard=True))
            return
        detail = "no time is left"
    except Problem as problem:
        detail = problem.detail
    telemetry.count("unrecorded")
    telemetry.logger.error("a started run stays to be recorded", detail=detail)


def _accepted(path: str, start: Start, started: Started) -> Answer:
    prefix = path.removesuffix("/runs")
    links = {"run": f"{prefix}/runs/{started.run_id}", "launch": f"{prefix}/launches/{start.launch_id}"}
    if start.request.stream:
        links["stream"] = f"{LANGGRAPH_URL}/threads/{start.thread_id}/runs/{started.run_id}/stream"
    body = {
        "launch_id": start.launch_id,
        "run_id": started.run_id,
        "thread_id": start.thread_id,
        "outcome": "pending",
        "links": links,
    }
    return Answer(202, body, {"Location": links["run"]})
