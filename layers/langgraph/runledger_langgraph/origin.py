"""Whether an HTTP error is LangGraph's own, or that of something in front of it: a proxy, an ingress, another service.

LangGraph's Python server answers `{"detail": "…"}` (langgraph_api/errors.py), its JS server plain sentences (Hono's
HTTPException), and `{"success": false, "error": …}` for what its schemas refuse. Where a path is no route, the first
answers `{"detail": "Not Found"}` and the second `404 Not Found`. The first says the same of a run that it does not
know, so who says so has to show that it is LangGraph (`LangGraph._check`).
"""

from __future__ import annotations

import re
from typing import Any

import httpx
import orjson

_DEPENDS = (400, 404, 409, 422)  # statuses that mean one thing from LangGraph, and nothing about it from anybody else
_NO_ROUTE = ("Not Found", "Method Not Allowed")  # Starlette's own words
_JS = re.compile(  # sentences of @langchain/langgraph-api 1.5
    r"(?:Thread|Run|Assistant|Graph|Spec|Checkpoint)\b.{0,300}\bnot found"
    r"|No assistant found for |Thread already exists|Thread is (?:already running|busy)",
    re.DOTALL,
)


class NotFromLangGraphError(httpx.HTTPStatusError):
    """An error that something else than LangGraph has answered; no NotFoundError, ConflictError or the like."""


async def check_origin(response: httpx.Response) -> None:
    """Read an error to its end, so that its words are there; raise NotFromLangGraphError where it is not LangGraph's.

    To be a response hook of the HTTP client, so that the SDK's typed errors are LangGraph's own everywhere.
    """
    if response.is_success:
        return
    await response.aread()
    if response.status_code in _DEPENDS and words(response) is None:
        message = f"{response.status_code} from something else than LangGraph"
        raise NotFromLangGraphError(message, request=response.request, response=response)


def has_no_words(response: httpx.Response) -> bool:
    """Whether a 404 that was read says just that: LangGraph's own for a run, or anybody's for a path."""
    if response.status_code != 404:  # noqa: PLR2004 - HTTP's own
        return False
    try:
        return bool(orjson.loads(response.content) == {"detail": _NO_ROUTE[0]})
    except orjson.JSONDecodeError:
        return False


def words(response: httpx.Response) -> str | None:
    """Return LangGraph's own words in an error that was read; None where it is not LangGraph's, or has none."""
    try:
        body: object = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        text = response.text.strip()
        return text if _is_plain(response) and _JS.match(text) else None
    if not isinstance(body, dict):
        return None
    if body.get("success") is False:
        return _complaints(body.get("error"))
    detail = body.get("detail")
    if isinstance(detail, str) and detail and detail not in _NO_ROUTE:
        return detail
    return None


def _is_plain(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type")).startswith("text/plain")


def _complaints(error: Any) -> str:  # noqa: ANN401 - JSON of the validator of LangGraph's JS server
    """Return what a schema complains of: `{"issues": [{"path": ["assistant_id"], "message": "Required"}]}`."""
    issues = error.get("issues") if isinstance(error, dict) else None
    found = [
        f"{'.'.join(map(str, issue.get('path') or ()))}: {issue.get('message')}"
        for issue in (issues if isinstance(issues, list) else ())
        if isinstance(issue, dict)
    ]
    return "; ".join(found) or "the request does not fit its schema"
