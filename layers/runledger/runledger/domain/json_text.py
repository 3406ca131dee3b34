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
    return text_within(MAX_METADATA_BYTES, value) if isinstance(value, dict) and value else None


def text_within(most: int, value: object) -> str | None:
    """Write a value as JSON text in ASCII; None where that has more than `most` bytes, or is too deep for Python.

    Writing ends at the limit, so that what it costs depends on the limit and not on what was sent.
    """
    writer = _Writer(most)
    try:
        writer.write(value)
    except (_TooLongError, RecursionError):
        return None
    return "".join(writer.pieces)


class _TooLongError(Exception):
    """The text reaches beyond its limit."""


class _Writer:
    """JSON text in pieces, with so many bytes `left` for more."""

    __slots__ = ("left", "pieces")

    def __init__(self, left: int) -> None:
        self.left = left
        self.pieces: list[str] = []

    def write(self, value: object) -> None:
        match value:
            case Number():
                self._add(value)
            case str():
                self._add(json.dumps(clean(value)) if len(value) <= self.left else value)
            case dict():
                self._add("{")
                for index, (name, member) in enumerate(value.items()):
                    self._add(", " * (index > 0))
                    self.write(name)
                    self._add(": ")
                    self.write(member)
                self._add("}")
            case list():
                self._add("[")
                for index, member in enumerate(value):
                    self._add(", " * (index > 0))
                    self.write(member)
                self._add("]")
            case _:
                self._add(json.dumps(value))

    def _add(self, piece: str) -> None:
        self.left -= len(piece)
        if self.left < 0:
            raise _TooLongError
        self.pieces.append(piece)


def members_of(item: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the attributes of an item that it has, each as JSON text. DynamoDB's numbers are whole ones here."""
    return {
        name: item[name] if name in _TEXTS else json.dumps(item[name], default=int) for name in names if name in item
    }


def object_of(members: Mapping[str, str]) -> str:
    """Write an object whose values are JSON text."""
    return f"{{{', '.join(f'"{name}": {text}' for name, text in members.items())}}}"
