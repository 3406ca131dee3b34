"""What LangGraph's errors mean: to the caller of a launch, and to who must know whether something was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import orjson
from langgraph_sdk.errors import APIStatusError

from runledger.core.problems import FieldError, Problem
from runledger_langgraph.words import own_words

if TYPE_CHECKING:
    from runledger_langgraph.client import LangGraph

# What a call can raise: a refusal, no connection, no answer in time, an answer that is not LangGraph's.
ERRORS = (httpx.HTTPError, TimeoutError, orjson.JSONDecodeError, KeyError, TypeError, StopAsyncIteration)
TIMEOUTS = (TimeoutError, httpx.TimeoutException)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nothing was sent

_RETRY_AFTER = "5"
_BUSY = "Thread is already running a task"
_KEY_IS_WRONG = "The key in the secret LangGraphApiKeySecret is wrong or lacks rights."

# LangGraph's status: ours, slug, title, what to do about it
_MEANINGS = {
    400: (422, "langgraph-refused", "LangGraph refuses the run", ""),
    401: (502, "api-key-refused", "LangGraph refuses the API key", _KEY_IS_WRONG),
    403: (502, "api-key-refused", "LangGraph refuses the API key", _KEY_IS_WRONG),
    404: (422, "langgraph-unknown", "LangGraph does not know it", ""),
    409: (409, "thread-busy", "The thread is busy", ""),
    413: (413, "body-too-large", "The body is too large for LangGraph", ""),
    422: (422, "langgraph-refused", "LangGraph refuses the run", ""),
    429: (429, "langgraph-throttles", "LangGraph throttles", ""),
}


def explain(
    error: Exception, langgraph: LangGraph, *, secrets: tuple[str | None, ...], own_thread: bool = True
) -> Problem:
    """Turn one of ERRORS into a problem; `secrets`, all that were sent, are kept out of LangGraph's own words (G5)."""
    if isinstance(error, httpx.HTTPStatusError):
        words = own_words(error.response) if error.response.is_closed else None
        message = words or (error.message if isinstance(error, APIStatusError) else "refused")
        for secret in filter(None, secrets):
            message = message.replace(secret, "…")
        retry_after = error.response.headers.get("retry-after")
        return refusal(error.response.status_code, message, retry_after, own_thread=own_thread)
    if isinstance(error, _UNREACHABLE):
        return fault(f"LangGraph can't be reached at {langgraph.url} ({type(error).__name__}).")
    if isinstance(error, TIMEOUTS):
        return timed_out(langgraph.deadline)
    if isinstance(error, httpx.TransportError):
        return fault(f"The connection to LangGraph broke ({type(error).__name__}).")
    return fault(f"The answer is not LangGraph's ({type(error).__name__}); is LangGraphUrl right?")


def may_have_been_done(error: Exception) -> bool:
    """Whether a request that failed so may have taken effect. A proxy's 5xx says nothing about the server behind it."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code >= 500  # noqa: PLR2004
    return not isinstance(error, _UNREACHABLE)


def refuses_the_key(error: BaseException) -> bool:
    """Whether LangGraph does not let this API key in, or not to this."""
    return isinstance(error, httpx.HTTPStatusError) and error.response.status_code in (401, 403)


def refusal(status: int, message: str, retry_after: str | None, *, own_thread: bool) -> Problem:
    """Turn an HTTP error of LangGraph into the problem that keeps its meaning.

    A 404 names no culprit (unknown assistant and unknown thread read the same), so both fields are named where the
    caller brought the thread. `message` is LangGraph's own text, free of tokens.
    """
    if status not in _MEANINGS:
        return fault(f"LangGraph answered {status}.")
    is_busy = status == 422 and message.startswith(_BUSY)  # noqa: PLR2004 - so says the JavaScript server
    ours, slug, title, advice = _MEANINGS[409 if is_busy else status]
    detail = f"LangGraph answered {status}: {message.rstrip('.')}. {advice}".rstrip()
    problem = Problem(ours, slug, title, detail)
    if status == 404:  # noqa: PLR2004
        fields = ["/assistant_id"] if own_thread else ["/assistant_id", "/thread_id"]
        problem.errors = tuple(FieldError(pointer, "not known to LangGraph") for pointer in fields)
    if ours in (409, 429, 502):
        seconds = retry_after if retry_after and retry_after.isdecimal() else _RETRY_AFTER
        problem.headers = {"Retry-After": seconds}
    return problem


def fault(detail: str) -> Problem:
    """LangGraph can't be reached, or its answer is none."""
    return Problem(
        502,
        "langgraph-fault",
        "LangGraph does not answer as it should",
        detail,
        headers={"Retry-After": _RETRY_AFTER},
    )


def timed_out(deadline: float) -> Problem:
    """LangGraph has not answered within the deadline (seconds)."""
    return Problem(
        504,
        "langgraph-timeout",
        "LangGraph is too slow",
        f"LangGraph did not answer within {deadline:g} s.",
        headers={"Retry-After": _RETRY_AFTER},
    )
