"""A launch that comes as a message of the launch queue: the body of `POST /runs`, with its idempotency key in it.

Rules and schedules set a message's body and nothing else, so that is where the key stands; a message without one is
known by SQS's own id. A message ends as a launch in the ledger or as a dead letter, never as nothing.
"""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from runledger.core.json_text import Number, text_of
from runledger.core.launches import IDEMPOTENCY_KEY, MEMBERS, request_of
from runledger.core.ledger import LEASE_SECONDS
from runledger.core.problems import FieldError, invalid_request
from runledger.core.requests import json_object

if TYPE_CHECKING:
    from runledger.core.launches import LaunchRequest

TRY_SECONDS = 6 * 3600  # how long a message is tried again from the queue
LASTING = frozenset(  # problems that the same message would have again, whenever it is tried
    {
        "invalid-request",
        "body-too-large",
        "idempotency-key-reused",
        "langgraph-refused",
        "langgraph-unknown",
        "launch-elsewhere",
    }
)
_KEY = "idempotency_key"
_MOST_SECONDS = 900
_SPREAD = 0.25  # of a wait: what was refused at once does not come back at once


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


def letter_of(text: str, message_id: str) -> tuple[str, str | None]:
    """Return what is kept of a message that became no launch, and the token of the task that waits for it.

    It names its key, because SQS gives a message that is moved back another id, and no longer has the token (G5). A
    body that is no JSON object is kept as it is.
    """
    try:
        fields = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)
    except (ValueError, RecursionError):
        return text, None
    if not isinstance(fields, dict):
        return text, None
    callback = fields.pop("callback", None)
    token = callback.get("task_token") if isinstance(callback, dict) else None
    is_token = isinstance(token, str) and not isinstance(token, Number)
    return text_of({_KEY: message_id, **fields}), token if is_token else None
