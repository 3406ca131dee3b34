"""JSON written from parts that are JSON text already, so that what was received is passed on as it is (G3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_METADATA_BYTES = 8_192  # of a run's metadata kept for events; the payload has all of it
_TEXTS = ("metadata", "questions", "payload")  # attributes of a run that hold JSON text


class Number(str):
    """A number as it was received, each digit in its place."""

    __slots__ = ()


def clean(text: str) -> str:
    """Replace lone surrogates, which JSON can escape and UTF-8 can't hold."""
    return text.encode(errors="replace").decode()


def metadata_of(value: object) -> str | None:
    """Write a run's metadata as JSON text; None where there is none, or too much of it."""
    if not isinstance(value, dict) or not value:
        return None
    try:
        text = _text_of(value)
    except RecursionError:
        return None
    return text if len(text) <= MAX_METADATA_BYTES else None


def _text_of(value: object) -> str:
    match value:
        case Number():
            return str(value)
        case str():
            return json.dumps(clean(value))
        case dict():
            return f"{{{', '.join(f'{_text_of(name)}: {_text_of(member)}' for name, member in value.items())}}}"
        case list():
            return f"[{', '.join(map(_text_of, value))}]"
    return json.dumps(value)


def members_of(item: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the attributes of an item that it has, each as JSON text. DynamoDB's numbers are whole ones here."""
    return {
        name: item[name] if name in _TEXTS else json.dumps(item[name], default=int) for name in names if name in item
    }


def object_of(members: Mapping[str, str]) -> str:
    """Write an object whose values are JSON text."""
    return f"{{{', '.join(f'"{name}": {text}' for name, text in members.items())}}}"
