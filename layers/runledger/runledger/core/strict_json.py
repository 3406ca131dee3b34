"""JSON that survives the way to LangGraph unchanged.

Python's parser is more lenient than LangGraph's: it takes NaN, turns 1e400 into infinity, keeps integers of any size
and lone surrogates. The SDK would fail on those or send something else, so they are refused here, each by its place.
"""

from __future__ import annotations

import json
import math

from runledger.core.problems import FieldError

MAX_DEPTH = 200  # orjson, which the SDK sends with, stops at 254
_INT_MIN, _INT_MAX = -(2**63), 2**64 - 1  # what orjson can write

type Json = bool | int | float | str | list[Json] | dict[str, Json] | None


class InvalidJsonError(Exception):
    """The text is not JSON, or holds a value that can't be passed on; `error` says where."""

    def __init__(self, pointer: str, detail: str) -> None:
        """Keep the place and the way out."""
        super().__init__(detail)
        self.error = FieldError(pointer, detail)


def parse(text: str) -> Json:
    """Parse `text`, or raise InvalidJsonError with an RFC 6901 pointer to the first value that can't be passed on."""
    try:
        value: Json = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise InvalidJsonError("", f"not JSON: {error}") from None
    except RecursionError:
        raise InvalidJsonError("", f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:  # an integer of more than 4,300 digits
        raise InvalidJsonError("", f"a number can't be read: {error}") from None
    _check(value)
    return value


def _refuse_constant(name: str) -> None:
    raise InvalidJsonError("", f"{name} is not JSON")


def _check(root: Json) -> None:
    stack: list[tuple[str, int, Json]] = [("", 0, root)]
    while stack:
        pointer, depth, value = stack.pop()
        if depth > MAX_DEPTH:
            raise InvalidJsonError(pointer, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict):
            for key in value:
                _check_text(pointer, key)
            stack.extend((f"{pointer}/{escape(key)}", depth + 1, item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{pointer}/{index}", depth + 1, item) for index, item in enumerate(value))
        elif isinstance(value, str):
            _check_text(pointer, value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidJsonError(pointer, "too large for a 64-bit floating-point number")
        elif isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
            raise InvalidJsonError(pointer, "an integer of more than 64 bits; send it as a string")


def _check_text(pointer: str, text: str) -> None:
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise InvalidJsonError(pointer, "holds half of a surrogate pair, which is not valid Unicode")


def escape(key: str) -> str:
    """Escape `key` for use in an RFC 6901 pointer."""
    return key.replace("~", "~0").replace("/", "~1")
