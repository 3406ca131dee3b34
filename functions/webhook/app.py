"""POST /webhook?token=…: LangGraph tells how a run ended.

Who sends it first, for a stack may be told whom to hear; then the token, then the body, then the ledger in one
conditional write. A delivery about a run that only the token vouches for is kept apart, see `keeping`. A 4xx is only
for what is proven bad, because LangGraph never repeats it; everything else that fails is a 5xx, which it does repeat
(G6).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.gateway import Answer, Request, serve
from runledger.adapters.recorder import Recorded, Recorder, other_launch
from runledger.adapters.secrets import REREAD_SECONDS, Secret, key_ring
from runledger.adapters.tables import Table
from runledger.domain import launch_states, tokens
from runledger.domain.allowed_networks import is_within
from runledger.domain.deliveries import Delivery, NotADeliveryError, Trimmed, parse_delivery
from runledger.domain.deployments import normalised
from runledger.domain.outcomes import is_known
from runledger.domain.problems import FieldError, Problem, invalid_request, shortened, unavailable
from runledger.domain.tokens import Grant, TokenRefusedError, UnknownKeyError
from webhook.keeping import Keeping, recorded_as

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

LEDGER_ID = settings.text("LEDGER_ID")
SOURCES = settings.networks("WEBHOOK_SOURCE_CIDRS")
LANGGRAPH_URL = normalised(settings.text("LANGGRAPH_URL"))
ACCEPT_SHARED_TOKENS = settings.flag("ACCEPT_SHARED_TOKENS")
INLINE_PAYLOAD_BYTES = settings.whole_number("INLINE_PAYLOAD_BYTES")

_dynamodb = aws.client("dynamodb")
launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
recorder = Recorder(Table(_dynamodb, settings.text("RUNS_TABLE")), Bucket(settings.text("PAYLOAD_BUCKET")))
ring = Secret(aws.client("secretsmanager"), settings.text("KEY_RING_SECRET"), key_ring)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway event."""
    return serve(event, context, receive)


def receive(http: Request) -> Answer:
    """Record one delivery: 200 when it is in the ledger, 202 when LangGraph must be asked instead, or a Problem."""
    if not is_within(http.source, SOURCES):
        raise _elsewhere()
    token, spelt = _token(http.query)
    grant = _verify(token)
    telemetry.about(launch_id=grant.launch_id)
    try:
        delivery = parse_delivery(http.content(), token, spelt, coding=http.headers.get("content-encoding", ""))
    except NotADeliveryError:
        raise invalid_request(FieldError("", "not a JSON object")) from None
    telemetry.about(run_id=delivery.run_id)
    _check_launch(delivery.launch_id, grant)
    if isinstance(delivery, Trimmed):
        return _ask_instead(grant)
    if delivery.ledger_id not in (None, LEDGER_ID):
        raise _other_ledger()
    if delivery.temporary and grant.launch_id:
        raise _temporary()
    return _record(delivery, grant)


def _elsewhere() -> Problem:
    return Problem(
        403,
        "source-refused",
        "The source is not accepted",
        "The sender is in none of the networks of WebhookSourceCidrs.",
    )


def _token(query: str) -> tuple[str, str]:
    try:
        return tokens.in_query(query)
    except TokenRefusedError as refusal:
        raise _refused(refusal.reason) from None


def _verify(token: str) -> Grant:
    try:
        try:
            return tokens.verify(token, ring.value(), time.time(), accept_shared=ACCEPT_SHARED_TOKENS)
        except UnknownKeyError:
            newer = ring.fresh()
            if newer is None:
                raise _key_not_known_yet() from None
            return tokens.verify(token, newer, time.time(), accept_shared=ACCEPT_SHARED_TOKENS)
    except UnknownKeyError:
        raise _refused("unknown-key") from None
    except TokenRefusedError as refusal:
        if refusal.launch_id:  # genuine once: something ended that this delivery may no longer tell
            telemetry.about(launch_id=refusal.launch_id)
            launches.apply(launch_states.heard(refusal.launch_id, time.time()))
        raise _refused(refusal.reason) from None


_TOKEN_ADVICE = {
    "missing": "there is none: use the webhook URL as it was given out, with its ?token=.",
    "several": "there are several: use the webhook URL as it was given out.",
    "malformed": "it has not the form of one.",
    "forged": "its signature does not fit.",
    "expired": "it has expired; the run has outlasted MaxRunSeconds.",
    "unknown-key": "the key that signed it is not in the ring, or no longer.",
}


def _refused(reason: str) -> Problem:
    return Problem(401, f"token-{reason}", "The token is not accepted", f"The token: {_TOKEN_ADVICE[reason]}")


def _key_not_known_yet() -> Problem:
    """503, so that a genuine sender repeats: the key may be newer than this copy of the ring, read moments ago."""
    problem = unavailable("The token's key is not known here yet.", REREAD_SECONDS)
    problem.slug, problem.refusal = "token-unknown-key", True
    return problem


def _check_launch(named: str | None, grant: Grant) -> None:
    """Refuse a body that names another launch than the token; a body that names none is a trimmed one."""
    if named is not None and named != grant.launch_id:
        telemetry.logger.warning("the body names another launch", named_launch=shortened(named, 100))
        raise other_launch()


def _other_ledger() -> Problem:
    return Problem(
        400, "other-ledger", "The run belongs to another ledger", "Another stack launched this run and has its webhook."
    )


def _temporary() -> Problem:
    return Problem(
        400,
        "temporary-run",
        "The run has no thread",
        "A token of a launch speaks for runs on threads; Runledger launches no other.",
    )


def _ask_instead(grant: Grant) -> Answer:
    telemetry.count("trimmed")
    telemetry.logger.warning("no run_id or status can be read; see webhooks.allowed_fields in langgraph.json")
    if grant.launch_id and launches.apply(launch_states.heard(grant.launch_id, time.time())) is None:
        return Answer(
            202,
            {"recorded": False, "detail": "No run_id or no status: the launch is marked to be looked at."},
        )
    telemetry.count("dropped")
    launch = "the token's launch is not in the ledger" if grant.launch_id else "the token is a shared one"
    telemetry.logger.error("nobody can be asked about this delivery", detail=launch)
    return Answer(202, {"recorded": False, "detail": f"No run_id or no status, and {launch}: nobody can be asked."})


def _record(delivery: Delivery, grant: Grant) -> Answer:
    if not is_known(delivery.status):
        telemetry.count("unknown_status")
        telemetry.logger.warning("an unknown status is kept as settling", status=delivery.status)

    placed = recorder.bucket.place(grant.launch_id, delivery.run_id, delivery.payload, INLINE_PAYLOAD_BYTES)
    recorded = recorder.record(delivery, placed, grant.launch_id)
    if not isinstance(recorded, Recorded):
        return Keeping(recorder, launches, LANGGRAPH_URL).keep(delivery, placed, grant, recorded)
    return recorded_as(delivery, recorded.outcome, is_repeat=recorded.is_repeat)
