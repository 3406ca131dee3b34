"""The error of a run that failed, as `{"type": …, "message": …}`: the same, whoever told of it.

A webhook of the Python server has the exception's type and words, `{"error": "ValueError", "message": "no"}`, and a
checkpoint has what Python shows of it, `ValueError('no')`. A webhook of the JavaScript server has the words alone, as
text, and a checkpoint has an object as text, `{"message": …, "name": …}`.
"""

from __future__ import annotations

import ast
import builtins
import json
import re

from runledger.domain.json_text import clean

_MAX_ERROR = 2_000  # characters of a type and of a message; of a webhook the payload has all
_MAX_SHOWN = 100_000  # characters of what Python shows of an exception that are read: an item of a list takes memory
_EXCEPTION = re.compile(r"([A-Za-z_]\w*)\((.*)", re.DOTALL)


def webhook_error(value: object) -> dict[str, str] | None:
    """Return the error that a webhook tells; None where it tells none."""
    if isinstance(value, str):
        return _error(None, value)
    return _error(value.get("error"), value.get("message")) if isinstance(value, dict) else None


def task_error(value: object) -> dict[str, str] | None:
    """Return the error that a checkpoint's task shows.

    Where the words of an exception can't be told from what Python shows of it, as of an object that it was raised with,
    that is shown whole.
    """
    text = str(value)
    try:
        members = json.loads(text)
        return _error(str(members["name"]), str(members["message"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        shown = _EXCEPTION.match(text)
    if not shown:
        return _error(None, text)
    kind, arguments = shown.groups()
    words = _words(kind, arguments)
    return _error(kind, text if words is None else words)


def _words(kind: str, shown: str) -> str | None:
    """Return what `str` gives of an exception of this type, by the arguments that are `shown` up to a bracket.

    Python's own exceptions know how they write theirs, a KeyError in quotes say; others do as most do.
    """
    if not shown.endswith(")") or len(shown) > _MAX_SHOWN:
        return None
    try:
        arguments = ast.literal_eval(f"({shown[:-1]},)") if shown != ")" else ()
        known = getattr(builtins, kind, None)
        exception = known if isinstance(known, type) and issubclass(known, Exception) else Exception
        return str(exception(*arguments))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _error(kind: object, message: object) -> dict[str, str] | None:
    told = {
        name: clean(text[:_MAX_ERROR])
        for name, text in (("type", kind), ("message", message))
        if isinstance(text, str) and text
    }
    return told or None
