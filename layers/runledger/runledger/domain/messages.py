"""A launch that comes as a message of the launch queue: the body of `POST /runs`, with its idempotency key in it.

Rules and schedules set a message's body and nothing else, so that is where the key stands; a message without one is
known by SQS's own id. A message ends as a launch in the ledger or as a dead letter, never as nothing.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runledger.domain.launch_fields import FIELDS
from runledger.domain.launches import IDEMPOTENCY_KEY, MEMBERS, request_of
from runledger.domain.problems import FieldError, invalid_request
from runledger.domain.requests import MAX_MESSAGE_BYTES, json_object
from runledger.domain.retry import LEASE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.launches import LaunchRequest

TRY_SECONDS = 6 * 3600  # how long a message is tried, from when it first came: it may have waited for its turn
_KEY = "idempotency_key"
_decoder = json.JSONDecoder()
_MOST_SECONDS = 900
_SPREAD = 0.25  # of a wait: what was refused at once does not come back at once


@dataclass(frozen=True, slots=True)
class Message:
    """One message: when it was sent and first received, in epoch seconds; how often, this time counted."""

    message_id: str
    receipt: str = field(repr=False)
    text: str = field(repr=False)
    receives: int
    sent_at: float
    first_at: float


def parse_message(text: str, message_id: str) -> tuple[str, LaunchRequest]:
    """Check a message's body; return its idempotency key and what it asks for, or raise a Problem."""
    fields = json_object(text.encode(errors="surrogatepass"), MEMBERS)
    key = fields.pop(_KEY, message_id)
    if complaint := IDEMPOTENCY_KEY.check(key):
        raise invalid_request(FieldError(f"/{_KEY}", complaint))
    return str(key), request_of(fields)


def wait_seconds(message_id: str, receives: int) -> int:
    """Return how long a message waits that was received so many times: each time double, up to a quarter of an hour.

    Never less than a lease, so that nobody is at work on its launch any more when it comes back.
    """
    seconds = min(LEASE_SECONDS << min(receives - 1, 10), _MOST_SECONDS)
    return seconds + int(seconds * _SPREAD * (zlib.crc32(message_id.encode()) % 1000) / 1000) + 1


def dead_letter_of(text: str, message_id: str) -> tuple[str, str | None]:
    """Return what is kept of a message that became no launch, and the token of the task that waits for it.

    It names its key, because SQS gives a message that is moved back another id, and no longer has the token (G5); its
    other members stand as they were sent. What is no JSON object is kept as it is.
    """
    members = _members(text)
    if members is None:
        return text, None
    _, callback = members.pop("callback", ("", "null"))
    called = json.loads(callback)
    token = called["task_token"] if FIELDS["callback"].check(called) is None else None
    named = {_KEY: (json.dumps(_KEY), json.dumps(message_id)), **members}
    letter = _object(named.values())
    return letter if len(letter.encode(errors="replace")) <= MAX_MESSAGE_BYTES else _object(members.values()), token


def _members(text: str) -> dict[str, tuple[str, str]] | None:
    """Return the members of a JSON object, each with its name and value as they are written; None for anything else."""
    try:
        if not isinstance(json.loads(text), dict):
            return None
    except (ValueError, RecursionError):
        return None
    members: dict[str, tuple[str, str]] = {}
    at = _next(text, text.index("{") + 1)
    while text[at] != "}":
        name, end = _decoder.raw_decode(text, at)
        start = _next(text, end)
        _, stop = _decoder.raw_decode(text, start)
        members[name] = (text[at:end], text[start:stop])
        at = _next(text, stop)
    return members


def _next(text: str, at: int) -> int:
    """Return where the next part of an object begins that is known to be one."""
    while text[at] in " \t\n\r,:":
        at += 1
    return at


def _object(members: Iterable[tuple[str, str]]) -> str:
    return f"{{{','.join(f'{name}:{value}' for name, value in members)}}}"
