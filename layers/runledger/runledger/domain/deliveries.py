"""A delivery: one webhook POST about a run, as LangGraph sent it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field

from runledger.domain.body_text import body_text
from runledger.domain.json_text import Number, clean, metadata_of, text_within
from runledger.domain.outcomes import Outcome, outcome_of
from runledger.domain.run_errors import webhook_error
from runledger.domain.times import normalised

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_SPACE = " \t\n\r"  # JSON's
_MAX_NAME = 256
_MAX_CUTS = 5  # more pieces in pieces are nobody's result: LangGraph is asked


_MAX_EVENT_BYTES = 6_291_556 - 4_096  # what Lambda takes, less what stands around a body


UNREADABLE = "It can't be read: its Content-Encoding is not known here, or it is cut off or too large."
_NO_JSON = "It holds NaN or Infinity, which JSON does not have."


class NotADeliveryError(Exception):
    """The body is not a JSON object, which LangGraph never sends."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The received text with the token cut out, and what identifies it."""

    text: str = field(repr=False)
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the ledger keeps of one delivery.

    Times are in the ledger's format, None where LangGraph gave none. `metadata` is JSON text, None where too long.
    `temporary` is a run without a thread of its own: stateless, or of a default cron.
    """

    run_id: str
    status: str
    outcome: Outcome
    launch_id: str | None
    thread_id: str | None
    assistant_id: str | None
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    error: dict[str, str] | None
    metadata: str | None
    payload: Payload = field(repr=False)
    ledger_id: str | None = None
    temporary: bool = False


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A genuine delivery that doesn't say which run it is about, or how it ended.

    `webhooks.allowed_fields` can trim bodies so, or the run isn't readable here, `why` says which; LangGraph must be
    asked instead.
    """

    launch_id: str | None
    run_id: str | None
    why: str = field(default="", compare=False)


def parse_delivery(body: bytes, *spellings: str, coding: str = "") -> Delivery | Trimmed:
    """Read one webhook body; raise NotADeliveryError where it is no JSON object.

    `coding` is its Content-Encoding. What can't be read here, but may be a delivery all the same, is Trimmed: an
    unknown coding; NaN and Infinity, which JSON doesn't have and Python writes all the same; thousands of levels.

    The text is kept as received (G3): only the token, which LangGraph echoes in `kwargs.webhook`, is cut out (G5), in
    each of `spellings`, because a URL may percent-encode it. Numbers are never converted, so no digit is lost and none
    can be too long.
    """
    try:
        received = body_text(body, coding)
    except ValueError:
        raise NotADeliveryError from None
    text = None if received is None else _without(received, spellings)
    if text is None:
        return Trimmed(None, None, UNREADABLE)
    number = _Numbers().__getitem__
    constants: list[str] = []
    try:
        members = json.loads(text, parse_int=number, parse_float=number, parse_constant=constants.append)
    except RecursionError:
        if not (text.lstrip(_SPACE).startswith("{") and text.rstrip(_SPACE).endswith("}")):
            raise NotADeliveryError from None
        return Trimmed(None, None, "It is nested too deep.")  # thousands of levels: nothing that Python reads
    except ValueError:
        raise NotADeliveryError from None
    if not isinstance(members, dict):
        raise NotADeliveryError
    metadata, kwargs = _map(members.get("metadata")), _map(members.get("kwargs"))
    launch_id = _named(metadata.get("launch_id"))
    run_id, status = members.get("run_id"), _name(members.get("status"))
    if not isinstance(run_id, str) or not _UUID.fullmatch(run_id):
        return Trimmed(launch_id, None, "It has no run_id, or none that is a UUID.")
    if status is None or constants:
        return Trimmed(launch_id, run_id.lower(), _NO_JSON if constants else "It has no status.")
    thread_id = members.get("thread_id")
    is_rolled_back = (status, members.get("error")) == ("error", "rollback")  # in the JavaScript server's words
    return Delivery(
        run_id=run_id.lower(),
        status=status,
        outcome="rolled_back" if is_rolled_back else outcome_of(status, temporary=kwargs.get("temporary") is True),
        launch_id=launch_id,
        ledger_id=None if metadata.get("ledger_id") is None else str(metadata["ledger_id"]),
        temporary=kwargs.get("temporary") is True,
        thread_id=thread_id.lower() if isinstance(thread_id, str) and _UUID.fullmatch(thread_id) else None,
        assistant_id=_name(members.get("assistant_id")),
        created_at=normalised(members.get("created_at")),
        started_at=normalised(members.get("run_started_at")),
        ended_at=normalised(members.get("run_ended_at")),
        error=webhook_error(members.get("error")),
        metadata=metadata_of(metadata),
        payload=payload_of(text),
    )


class _Numbers(dict[str, Number]):
    """The numbers of one body, each kept once: a result can have millions, and most of these again and again."""

    def __missing__(self, text: str) -> Number:
        number = self[text] = Number(text)
        return number


def _without(text: str, spellings: tuple[str, ...]) -> str | None:
    """Cut the token out, also where that joins two pieces to another; None where there is no end of it.

    So many pieces in pieces are nobody's result, and to cut out thousands, one after the other, takes minutes.
    """
    for _ in range(_MAX_CUTS):
        for spelling in spellings:
            text = text.replace(spelling, "")
        if not any(spelling in text for spelling in spellings):
            return text
    return None


def is_deliverable(payload: Payload) -> bool:
    """Whether Lambda takes an event with this body, which stands in it as a JSON string: each quote is escaped."""
    return payload.size + payload.text.count('"') + payload.text.count("\\") <= _MAX_EVENT_BYTES


def payload_of(text: str) -> Payload:
    """Measure a text that has no token in it."""
    stored = text.encode()
    return Payload(text, len(stored), hashlib.sha256(stored).hexdigest())


def _map(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _named(value: object) -> str | None:
    """Return the launch that a body names, whatever it is; None where it names none."""
    return value if value is None or isinstance(value, str) else text_within(_MAX_NAME, value) or "…"


def _name(value: object) -> str | None:
    """A value short enough to be an index key: DynamoDB takes up to 2,048 bytes, and no empty text."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not _is_text(value):
        return None
    return value


def _is_text(value: str) -> bool:
    return clean(value) == value
