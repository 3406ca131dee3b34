"""The bodies that callers send."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from runledger.domain import strict_json
from runledger.domain.problems import MAX_ERRORS, FieldError, Problem, invalid_request

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from runledger.domain.strict_json import Json

MAX_MESSAGE_BYTES = 1_048_576  # SQS's own limit, attributes included
MAX_BODY_BYTES = 4 * 1024 * 1024  # Lambda takes 6 MB of event, in which every quote of the body is escaped


def json_object(body: bytes | None, members: str) -> dict[str, Json]:
    """Parse the body of a POST; raise a Problem where it is no JSON object. `members` says what one is to have."""
    if not body or not body.strip():
        raise invalid_request(FieldError("", f"empty; send a JSON object with {members}"))
    if len(body) > MAX_BODY_BYTES:
        raise Problem(
            413,
            "body-too-large",
            "The body is too large",
            f"{len(body)} bytes; at most {MAX_BODY_BYTES} are taken. Put large input into a bucket and send a link.",
            about="request",
        )
    try:
        value = strict_json.parse(body.decode())
    except UnicodeDecodeError:
        advice = "not UTF-8; send JSON text as UTF-8, without Content-Encoding"
        raise invalid_request(FieldError("", advice)) from None
    except strict_json.InvalidJsonError as error:
        raise invalid_request(error.error) from None
    if not isinstance(value, dict):
        raise invalid_request(FieldError("", f"not a JSON object; send one with {members}"))
    return value


def no_body(body: bytes) -> None:
    """Raise a 400 Problem for a body that says anything: nobody is to think that it was read."""
    if body.strip() not in (b"", b"{}"):
        raise invalid_request(FieldError("", "not empty; this route takes no options, send {} or nothing"))


def unknown_members(value: Iterable[str], known: Collection[str], complaint: str, at: str = "") -> list[FieldError]:
    """Complain of each member of the object at the pointer `at` that is not known; of no more than can be told."""
    strange = (name for name in value if name not in known)
    return [FieldError(f"{at}/{strict_json.escape(name)}", complaint) for name in islice(strange, MAX_ERRORS)]
