"""What the code refuses in a body and no JSON Schema can say: each rule with the reason, and a body that breaks it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def is_more_than_64_bits(body: Any) -> bool:
    """JSON Schema can't say of a value at any depth how large its integers may be; LangGraph's SDK would fail on it."""
    if isinstance(body, dict | list):
        return any(map(is_more_than_64_bits, body.values() if isinstance(body, dict) else body))
    return type(body) is int and not -(2**63) <= body < 2**64


def is_deeper_than_200(body: Any, depth: int = 0) -> bool:
    """JSON Schema can't say how deep any value may be; LangGraph's SDK would fail on it."""
    if isinstance(body, dict | list) and depth <= 200:
        return any(is_deeper_than_200(item, depth + 1) for item in (body.values() if isinstance(body, dict) else body))
    return depth > 200


def has_half_a_pair(body: Any) -> bool:
    """JSON Schema speaks of characters, and half a surrogate pair is none; JSON can write it all the same."""
    return any("\ud800" <= char <= "\udfff" for char in json.dumps(body, ensure_ascii=False))


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


LEAST = {"assistant_id": "agent", "input": {}}
BEYOND: dict[
    Callable[[Any], bool], dict[str, Any]
] = {  # what no schema says, each with a body that only the code refuses
    is_more_than_64_bits: {**LEAST, "input": [2**64]},
    is_deeper_than_200: {**LEAST, "input": deep(200)},
    has_half_a_pair: {**LEAST, "input": "\ud83c"},
}
