"""What becomes of a delivery: its token, then its body, then the ledger in one conditional write.

A delivery about a run that only the token vouches for is kept apart, see `keep_delivery`. A 4xx is only for what is
proven bad, because LangGraph never repeats it; everything else that fails is a 5xx, which it does repeat (G6).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states, tokens
from runledger.domain.deliveries import Delivery, NotADeliveryError, Trimmed, parse_delivery
from runledger.domain.outcomes import is_known
from runledger.domain.problems import FieldError, Problem, invalid_request, shortened, unavailable
from runledger.domain.tokens import TokenRefusedError, UnknownKeyError
from runledger.use_cases.keep_delivery import Keeping
from runledger.use_cases.record_delivery import Recorded, Recorder, other_launch

if TYPE_CHECKING:
    from runledger.domain.tokens import Grant, KeyRing
    from runledger.use_cases.ports import RereadableSecret, Store


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a delivery: `recorded`, None where it is kept until LangGraph is asked; `detail` says why."""

    run_id: str | None
    recorded: Recorded | None
    detail: str = ""


@dataclass(frozen=True)
class Receiver:
    """What it takes to receive deliveries."""

    ledger_id: str
    ring: RereadableSecret[KeyRing]
    launches: Store[dict[str, Any]]
    recorder: Recorder
    langgraph_url: str
    inline_payload_bytes: int
    accepts_shared_tokens: bool

    def receive(self, query: str, body: bytes, coding: str) -> Received:
        """Record one delivery, or keep it until LangGraph is asked, or raise a Problem.

        `query` is the raw query string with the token, `coding` the body's Content-Encoding.
        """
        token, encoded = _token(query)
        grant = self._verify(token)
        telemetry.about(launch_id=grant.launch_id)
        try:
            delivery = parse_delivery(body, token, encoded, coding=coding)
        except NotADeliveryError:
            raise invalid_request(FieldError("", "not a JSON object")) from None
        telemetry.about(run_id=delivery.run_id)
        _check_launch(delivery.launch_id, grant)
        if isinstance(delivery, Trimmed):
            return self._ask_instead(delivery, grant)
        if delivery.ledger_id not in (None, self.ledger_id):
            raise _other_ledger()
        if delivery.temporary and grant.launch_id:
            raise _temporary()
        return self._record(delivery, grant)

    def _verify(self, token: str) -> Grant:
        shared = self.accepts_shared_tokens
        try:
            try:
                return tokens.verify(token, self.ring.value(), time.time(), accept_shared=shared)
            except UnknownKeyError:
                newer = self.ring.fresh()
                if newer is None:
                    raise _key_not_known_yet(self.ring.reread_seconds) from None
                return tokens.verify(token, newer, time.time(), accept_shared=shared)
        except UnknownKeyError:
            raise _refused("unknown-key") from None
        except TokenRefusedError as refusal:
            if refusal.launch_id:  # genuine once: something ended that this delivery may no longer tell
                telemetry.about(launch_id=refusal.launch_id)
                self.launches.apply(launch_states.heard(refusal.launch_id, time.time()))
            raise _refused(refusal.reason) from None

    def _ask_instead(self, delivery: Trimmed, grant: Grant) -> Received:
        telemetry.count("trimmed")
        telemetry.logger.warning(
            "a body says too little; see webhooks.allowed_fields in langgraph.json", why=delivery.why
        )
        if grant.launch_id and self.launches.apply(launch_states.heard(grant.launch_id, time.time())) is None:
            return Received(None, None, f"{delivery.why} LangGraph is asked about the runs of the launch.")
        telemetry.count("dropped")
        launch = "the token's launch is not in the ledger" if grant.launch_id else "the token is a shared one"
        telemetry.logger.error("nobody can be asked about this delivery", detail=launch)
        return Received(None, None, f"{delivery.why} Nobody can be asked: {launch}.")

    def _record(self, delivery: Delivery, grant: Grant) -> Received:
        bucket = self.recorder.bucket
        placed = bucket.place(grant.launch_id, delivery.run_id, delivery.payload, self.inline_payload_bytes)
        recorded = self.recorder.record(delivery, placed, grant.launch_id)
        if not is_known(delivery.status):
            telemetry.count("unknown_status")
            telemetry.logger.warning("an unknown status is kept as settling", status=delivery.status)
        if isinstance(recorded, Recorded):
            return Received(delivery.run_id, recorded)
        kept = Keeping(self.recorder, self.launches, self.langgraph_url).keep(delivery, placed, grant, recorded)
        detail = "The run is not confirmed yet: the delivery is kept until LangGraph or the launcher confirms it."
        return Received(delivery.run_id, kept, "" if kept else detail)


_TOKEN_ADVICE = {
    "missing": "there is none: use the webhook URL as it was given out, with its ?token=.",
    "several": "there are several: use the webhook URL as it was given out.",
    "malformed": "it has not the form of one.",
    "forged": "its signature does not fit.",
    "expired": "it has expired; the run has outlasted MaxRunSeconds.",
    "unknown-key": "the key that signed it is not in the ring, or no longer.",
}


def _token(query: str) -> tuple[str, str]:
    try:
        return tokens.in_query(query)
    except TokenRefusedError as refusal:
        raise _refused(refusal.reason) from None


def _refused(reason: str) -> Problem:
    return Problem(401, f"token-{reason}", "The token is not accepted", f"The token: {_TOKEN_ADVICE[reason]}")


def _key_not_known_yet(seconds: int) -> Problem:
    """503, so that a genuine sender repeats: the key may be newer than this copy of the ring, read moments ago."""
    problem = unavailable("The token's key is not known here yet.", seconds)
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
