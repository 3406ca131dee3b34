"""What LangGraph itself says in an error, told from what a proxy or a gateway before it says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    import httpx

_MAX_WORDS = 500
_ROUTE_UNKNOWN = "Not Found"  # what its framework says, and many another's, of a path that it has not
# The JavaScript server answers in text; such a text names what it is about.
_JS = re.compile(r"(?:(?:Thread|Run|Assistant|Graph|Checkpoint)\b.* not found|Thread is )", re.DOTALL)


def own_words(response: httpx.Response) -> str | None:
    """Return the reason in an error response that was read; None where it is not LangGraph's."""
    try:
        body = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        text = response.content.decode(errors="replace").strip()
        return text[:_MAX_WORDS] if _JS.match(text) else None
    words = body.get("detail") if isinstance(body, dict) else None
    return words[:_MAX_WORDS] if isinstance(words, str) and words != _ROUTE_UNKNOWN else None
