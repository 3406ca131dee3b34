"""JSON that survives the way to LangGraph unchanged.

Python's parser is more lenient than LangGraph's: it takes NaN, turns 1e400 into infinity, keeps integers of any size
and lone surrogates. The SDK would fail on those or send something else, so they are refused here, each by its place.
"""

from __future__ import annotations

import json
import math

from runledger.domain.problems import FieldError, shortened

MAX_DEPTH = 200  # orjson, which the SDK sends with, stops at 254
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1  # what orjson can write

_BYTE_ORDER_MARK = "\ufeff"
_MAX_NAME = 100  # characters of a name in an error

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None


class InvalidJsonError(Exception):
    """The text is not JSON, or holds a value that can't be passed on; `error` says where."""

    def __init__(self, pointer: str, detail: str) -> None:
        """Keep the place and the way out."""
        super().__init__(detail)
        self.error = FieldError(pointer, detail)


def parse(text: str) -> Json:
    """Parse `text`, or raise InvalidJsonError with an RFC 6901 pointer to the first value that can't be passed on."""
    if text.startswith(_BYTE_ORDER_MARK):
        raise InvalidJsonError("", "begins with a byte order mark; send the JSON text without it")
    try:
        value: Json = json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise InvalidJsonError("", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidJsonError("", f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError:  # Python reads integers of up to 4,300 digits
        raise InvalidJsonError("", "holds an integer of more than 4,300 digits; send it as a string") from None
    _check(value, [])
    return value


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Make an object of its members; which of two with one name counts, parsers do not agree on (RFC 8259, 4)."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise InvalidJsonError(
            "", f"has the member {shortened(_twice(pairs), _MAX_NAME)} twice in one object; send it once"
        )
    return members


def _twice(pairs: list[tuple[str, Json]]) -> str:
    """Return the first name that was there before; one is."""
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return name
        seen.add(name)
    raise AssertionError


def _check(value: Json, path: list[str]) -> None:
    """Look at `value`, which stands at `path`. A pointer can be long, so it is made for a complaint alone."""
    if len(path) > MAX_DEPTH:
        raise _complaint(path, f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, path)
            _check_member(key, item, path)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_member(str(index), item, path)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _complaint(path, "not a finite 64-bit floating-point number")
    elif isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        raise _complaint(path, "an integer of more than 64 bits; send it as a string")


def _check_member(name: str, value: Json, path: list[str]) -> None:
    path.append(name)
    _check(value, path)
    path.pop()


def _check_text(text: str, path: list[str]) -> None:
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise _complaint(path, "holds half of a surrogate pair, which is not valid Unicode")


def _complaint(path: list[str], detail: str) -> InvalidJsonError:
    return InvalidJsonError("".join(f"/{escape(name)}" for name in path), detail)


def escape(key: str) -> str:
    """Escape `key` for use in an RFC 6901 pointer."""
    return key.replace("~", "~0").replace("/", "~1")
