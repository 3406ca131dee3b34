"""POST /runs: start a run on LangGraph whose result will come to the webhook.

The launch is put down first, so that a run can't start unseen; then LangGraph is asked; then the run is recorded. What
fails before LangGraph is asked has started nothing. What fails after it leaves the launch `starting`, that is unknown,
and due to be looked at: by the caller's next request with the same Idempotency-Key, or by reconcile.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.gateway import Answer, Request, serve
from runledger.adapters.secrets import Secret, api_key, key_ring
from runledger.adapters.tables import Table
from runledger.core import launch_states
from runledger.core.launch_states import Launch
from runledger.core.launches import LaunchRequest, launch_id_of, own_thread_id, parse_launch
from runledger.core.problems import Problem
from runledger_langgraph.client import LangGraph
from runledger_langgraph.launcher import Launcher, TakenError

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_RECORD_SECONDS = aws.CALL_SECONDS + 0.5  # kept of the function's time to record a run that was started
_INLINE_REQUEST_BYTES = 8_192  # larger requests go to the bucket: a launch is written twice, and billed by its size
_RETRY_SECONDS = 5

_dynamodb, _secretsmanager = aws.client("dynamodb"), aws.client("secretsmanager")
launcher = Launcher(
    langgraph=LangGraph(settings.text("LANGGRAPH_URL")),
    runs=Table(_dynamodb, settings.text("RUNS_TABLE")),
    launches=Table(_dynamodb, settings.text("LAUNCHES_TABLE")),
    bucket=Bucket(aws.client("s3"), settings.text("PAYLOAD_BUCKET")),
    ring=Secret(_secretsmanager, settings.text("KEY_RING_SECRET"), key_ring),
    api_key=Secret(_secretsmanager, settings.text("LANGGRAPH_API_KEY_SECRET"), api_key),
    webhook_url=settings.text("WEBHOOK_URL"),
    max_run_seconds=settings.whole_number("MAX_RUN_SECONDS"),
)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, launch)


def launch(http: Request) -> Answer:
    """Start what the request asks for, or find what it has started: 202 with the ids, or a Problem."""
    body = http.content()
    request = parse_launch(body)
    launch_id = launch_id_of(http.headers.get("idempotency-key"))
    telemetry.about(launch_id=launch_id)
    for secret in (launcher.ring, launcher.api_key):
        secret.value()  # what can't be read is found out before anything is claimed
    claim, is_new = _claim(launch_id, request, body.decode())
    until = launcher.langgraph.until(http.seconds_left() - _RECORD_SECONDS)
    if is_new:
        run_id = launcher.start(claim, request, until)
    else:
        claim, run_id = _again(claim, request, until)
    return _accepted(http.path, claim, run_id, request)


def _claim(launch_id: str, request: LaunchRequest, text: str) -> tuple[Launch, bool]:
    """Put the launch down; return it, or the one that is there already, and whether it is new."""
    key = None
    if len(text.encode()) > _INLINE_REQUEST_BYTES:
        key = launcher.bucket.put_request(launch_id, request.digest, text)
    holder = str(uuid.uuid4())
    claim = launch_states.claimed(
        launch_id=launch_id,
        digest=request.digest,
        request=None if key else text,
        request_key=key,
        assistant_id=request.assistant_id,
        thread_id=request.thread_id or own_thread_id(launch_id, attempt=1),
        own_thread=request.thread_id is None,
        stream=request.stream,
        langgraph_url=launcher.langgraph.url,
        holder=holder,
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


def _in_progress(claim: Launch, now: float) -> Problem:
    return Problem(
        409,
        "launch-in-progress",
        "The launch is in progress",
        "Another request with this Idempotency-Key is at work. Send the same request again later.",
        headers={"Retry-After": str(max(1, min(_RETRY_SECONDS, claim.lease_until - int(now))))},
        extra={"launch_id": claim.launch_id},
    )


def _accepted(path: str, claim: Launch, run_id: str, request: LaunchRequest) -> Answer:
    prefix = path.removesuffix("/runs")
    links = {"run": f"{prefix}/runs/{run_id}", "launch": f"{prefix}/launches/{claim.launch_id}"}
    if request.stream:
        links["stream"] = f"{claim.langgraph_url}/threads/{claim.thread_id}/runs/{run_id}/stream"
    body = {
        "launch_id": claim.launch_id,
        "run_id": run_id,
        "thread_id": claim.thread_id,
        "outcome": "pending",
        "links": links,
    }
    return Answer(202, body, {"Location": links["run"]})
