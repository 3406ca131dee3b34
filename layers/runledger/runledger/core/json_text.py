"""JSON written from parts that are JSON text already, so that what was received is passed on as it is (G3)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TEXTS = ("questions", "payload")  # attributes of a run that hold JSON text


def members_of(item: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """Return the attributes of an item that it has, each as JSON text. DynamoDB's numbers are whole ones here."""
    return {
        name: item[name] if name in _TEXTS else json.dumps(item[name], default=int) for name in names if name in item
    }


def object_of(members: Mapping[str, str]) -> str:
    """Write an object whose values are JSON text."""
    return f"{{{', '.join(f'"{name}": {text}' for name, text in members.items())}}}"
