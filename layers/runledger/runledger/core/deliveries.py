"""A delivery: one webhook POST about a run, as LangGraph sent it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field

from runledger.core.json_text import Number, clean, metadata_of
from runledger.core.outcomes import Outcome, outcome_of
from runledger.core.times import normalised

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_SPACE = " \t\n\r"  # JSON's
_MAX_NAME = 256
_MAX_CUTS = 5  # more pieces in pieces are nobody's result: LangGraph is asked
_MAX_ERROR = 2_000  # characters of an error kept for lists; the payload has all of it


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


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A genuine delivery that doesn't say which run it is about, or how it ended.

    `webhooks.allowed_fields` can trim bodies so, or the run isn't readable here; LangGraph must be asked instead.
    """

    launch_id: str | None
    run_id: str | None


def parse_delivery(body: bytes, *spellings: str) -> Delivery | Trimmed:
    """Read one webhook body; raise NotADeliveryError where it is no JSON object.

    The text is kept as received (G3): only the token, which LangGraph echoes in `kwargs.webhook`, is cut out (G5), in
    each of `spellings`, because a URL may percent-encode it. Numbers are never converted, so no digit is lost and none
    can be too long.
    """
    try:
        text = _without(body.decode(), spellings)
    except ValueError:
        raise NotADeliveryError from None
    if text is None:
        return Trimmed(None, None)
    number = _Numbers().__getitem__
    try:
        members = json.loads(text, parse_int=number, parse_float=number, parse_constant=_refuse)
    except RecursionError:
        if not (text.lstrip(_SPACE).startswith("{") and text.rstrip(_SPACE).endswith("}")):
            raise NotADeliveryError from None
        return Trimmed(None, None)  # thousands of levels: real perhaps, but nothing that Python reads
    except ValueError:
        raise NotADeliveryError from None
    if not isinstance(members, dict):
        raise NotADeliveryError
    metadata, kwargs = _map(members.get("metadata")), _map(members.get("kwargs"))
    launch_id = None if metadata.get("launch_id") is None else str(metadata["launch_id"])
    run_id, status = members.get("run_id"), _name(members.get("status"))
    if not isinstance(run_id, str) or not _UUID.fullmatch(run_id):
        return Trimmed(launch_id, None)
    if status is None:
        return Trimmed(launch_id, run_id.lower())
    thread_id = members.get("thread_id")
    is_rolled_back = (status, members.get("error")) == ("error", "rollback")  # in the JavaScript server's words
    return Delivery(
        run_id=run_id.lower(),
        status=status,
        outcome="rolled_back" if is_rolled_back else outcome_of(status, temporary=kwargs.get("temporary") is True),
        launch_id=launch_id,
        thread_id=thread_id.lower() if isinstance(thread_id, str) and _UUID.fullmatch(thread_id) else None,
        assistant_id=_name(members.get("assistant_id")),
        created_at=normalised(members.get("created_at")),
        started_at=normalised(members.get("run_started_at")),
        ended_at=normalised(members.get("run_ended_at")),
        error=_error(members.get("error")),
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


def payload_of(text: str) -> Payload:
    """Measure a text that has no token in it."""
    stored = text.encode()
    return Payload(text, len(stored), hashlib.sha256(stored).hexdigest())


def _refuse(name: str) -> None:
    raise ValueError(name)


def _map(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _name(value: object) -> str | None:
    """A value short enough to be an index key: DynamoDB takes up to 2,048 bytes, and no empty text."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME or not _is_text(value):
        return None
    return value


def _error(value: object) -> dict[str, str] | None:
    """Return an error's type and message; the JavaScript server sends the message alone, as text."""
    members = {"message": value} if isinstance(value, str) else _map(value)
    kept = {
        name: clean(text[:_MAX_ERROR])
        for name, text in (("type", members.get("error")), ("message", members.get("message")))
        if isinstance(text, str) and text
    }
    return kept or None


def _is_text(value: str) -> bool:
    return clean(value) == value
