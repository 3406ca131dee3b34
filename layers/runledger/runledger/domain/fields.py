"""Fields of requests: the check that decides, and beside it the JSON Schema (draft 2020-12) that says the same.

The checks run here, the schemas are for `events/schemas/openapi.json`; a test holds that both give the same verdict.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from runledger.domain.strict_json import Json

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)

type Schema = dict[str, Any]
type Check = Callable[[Json], str | None]  # returns what is wrong, with the way out, or None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a request: its check, and the same as a schema."""

    check: Check
    schema: Schema


def string(longest: int) -> Field:
    """Take a string of 1 to `longest` characters."""

    def check(value: Json) -> str | None:
        ok = isinstance(value, str) and 0 < len(value) <= longest
        return None if ok else f"must be a string of 1 to {longest} characters"

    return Field(check, {"type": "string", "minLength": 1, "maxLength": longest})


def one_of(*words: str) -> Field:
    """Take one of the words."""

    def check(value: Json) -> str | None:
        return None if value in words else f"must be one of {', '.join(words)}"

    return Field(check, {"enum": list(words)})


def whole_number(most: int, note: str) -> Field:
    """Take an integer from 0 to `most`; `note` says what that is."""

    def check(value: Json) -> str | None:
        number = whole(value)
        ok = number is not None and 0 <= number <= most
        return None if ok else f"must be a whole number from 0 to {most} ({note})"

    return Field(check, {"type": "integer", "minimum": 0, "maximum": most})


def whole(value: Json) -> int | None:
    """Return the integer that a value is: JSON has one kind of numbers, in which 60.0 is 60. None for any other."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value.is_integer():
        return None
    return int(value)


def _any(_: Json) -> None:
    return None


def _uuid(value: Json) -> str | None:
    ok = isinstance(value, str) and _UUID.fullmatch(value)
    return None if ok else "must be a UUID such as 6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"


def _map(value: Json) -> str | None:
    return None if isinstance(value, dict) else "must be an object"


def _bool(value: Json) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


ANYTHING = Field(_any, {})
MAP = Field(_map, {"type": "object"})
BOOL = Field(_bool, {"type": "boolean"})
UUID = Field(_uuid, {"type": "string", "format": "uuid", "pattern": f"^{_UUID.pattern}$", "maxLength": 36})
