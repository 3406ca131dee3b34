"""What LangGraph's errors mean to the caller of a launch."""

from __future__ import annotations

from runledger.core.problems import FieldError, Problem

_RETRY_AFTER = "5"
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


def refusal(status: int, message: str, retry_after: str | None, *, own_thread: bool) -> Problem:
    """Turn an HTTP error of LangGraph into the problem that keeps its meaning.

    A 404 names no culprit (unknown assistant and unknown thread read the same), so both fields are named where the
    caller brought the thread. `message` is LangGraph's own text, free of tokens.
    """
    if status not in _MEANINGS:
        return fault(f"LangGraph answered {status}.")
    ours, slug, title, advice = _MEANINGS[status]
    detail = f"LangGraph answered {status}: {message.rstrip('.')}. {advice}".rstrip()
    problem = Problem(ours, slug, title, detail)
    if status == 404:  # noqa: PLR2004
        fields = ["/assistant_id"] if own_thread else ["/assistant_id", "/thread_id"]
        problem.errors = tuple(FieldError(pointer, "not known to LangGraph") for pointer in fields)
    if ours in (429, 502):
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
