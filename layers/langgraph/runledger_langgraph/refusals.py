"""What LangGraph's errors mean: whose fault each is, what its caller is answered, and whether anything was done.

| about     | who can do something   | answer             | message of the queue    | alarm           |
|-----------|------------------------|--------------------|-------------------------|-----------------|
| `request` | who sent it: change it | 409, 413, 422      | a dead letter at once   | of dead letters |
| `us`      | who runs the stack     | 502                | comes again for 6 hours | `misconfigured` |
| `moment`  | nobody: send it again  | 409, 429, 502, 504 | comes again for 6 hours | `failed` if 5xx |

A refused launch can be tried again with the same key. The worker gives a launch up at once where it is about the
request, else when MaxRunSeconds are over. Where the run may have been started all the same the launch stays `starting`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from runledger.domain.inspection import AgentServerError, TimedOutError
from runledger.domain.problems import FieldError
from runledger_langgraph.origin import NotFromLangGraphError, words

if TYPE_CHECKING:
    from runledger.domain.problems import About
    from runledger_langgraph.client import LangGraph

# What a call and the reading of its answer can raise: a refusal, no connection, no answer in time, an answer of another
# shape (not JSON, a member that is missing or of another type).
ERRORS = (httpx.HTTPError, TimeoutError, ValueError, LookupError, TypeError, AttributeError, StopAsyncIteration)
TIMEOUTS = (TimeoutError, httpx.TimeoutException)
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)  # nothing was sent
_LATE = (408, 499)  # of a proxy that did not wait for LangGraph's answer

_RETRY_AFTER = "5"
_WEBHOOK = re.compile(  # langgraph_api/webhook.py, and the schema's own complaint
    r'\s*(?:Invalid |Loopback |Failed to resolve )?webhooks?\b|.*instance\["webhook"\]', re.IGNORECASE | re.DOTALL
)
_BUSY = re.compile(r"\s*Thread is (?:already running|busy)")  # 422 on the JS server
_WANTS_AUTHORIZATION = re.compile(r"\bauthori[sz]ation\b(?! failed)|\bbearer\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an error means: the answer's status, its problem's name and title, and what to do about it."""

    status: int
    slug: str
    title: str
    about: About
    advice: str = ""


_REFUSED = Meaning(422, "langgraph-refused", "LangGraph refuses the run", "request")
_THREAD_BUSY = Meaning(409, "thread-busy", "The thread is busy", "moment")
_URL_REFUSED = Meaning(
    502,
    "webhook-url-refused",
    "LangGraph refuses the webhook's URL",
    "us",
    "That is the stack's own URL, not part of the request: see WebhookUrl, and webhooks.url in langgraph.json.",
)
KEY_REFUSED = "api-key-refused"
_KEY_REFUSED = Meaning(502, KEY_REFUSED, "LangGraph refuses the API key", "us")
# LangGraph's status, what its words begin with, what that means. The first that fits counts.
TABLE: tuple[tuple[int, re.Pattern[str] | None, Meaning], ...] = (
    (400, _WEBHOOK, _URL_REFUSED),
    (400, None, _REFUSED),
    (401, None, _KEY_REFUSED),
    (403, None, _KEY_REFUSED),
    (404, None, Meaning(422, "langgraph-unknown", "LangGraph does not know it", "request")),
    (409, None, _THREAD_BUSY),
    (413, None, Meaning(413, "body-too-large", "The body is too large for LangGraph", "request")),
    (422, _WEBHOOK, _URL_REFUSED),
    (422, _BUSY, _THREAD_BUSY),
    (422, None, _REFUSED),
    (429, None, Meaning(429, "langgraph-throttles", "LangGraph throttles", "moment")),
)


def explain(
    error: Exception, langgraph: LangGraph, *, secrets: tuple[str | None, ...], own_thread: bool = True
) -> AgentServerError:
    """Turn one of ERRORS into a problem; `secrets`, all that were sent, are kept out of LangGraph's own words (G5)."""
    if isinstance(error, NotFromLangGraphError):
        detail = f"{error.response.status_code} came from {langgraph.url}, and not as LangGraph says it"
        return fault(f"{detail}: does LangGraphUrl lead to LangGraph, and a proxy in front of it on to it?", "us")
    if isinstance(error, httpx.HTTPStatusError):
        message = words(error.response) or error.response.reason_phrase or "refused"
        for secret in filter(None, secrets):
            message = message.replace(secret, "…")
        problem = refusal(
            error.response.status_code, message, error.response.headers.get("retry-after"), own_thread=own_thread
        )
        if problem.slug == KEY_REFUSED:
            problem.detail += f" {_about_key(error, message)}"
        return problem
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
        return error.response.status_code >= 500 or error.response.status_code in _LATE  # noqa: PLR2004 - as HTTP says
    return not isinstance(error, _UNREACHABLE)


def refusal(status: int, message: str, retry_after: str | None, *, own_thread: bool) -> AgentServerError:
    """Turn an HTTP error of LangGraph into the problem that keeps its meaning.

    A 404 names no culprit (unknown assistant and unknown thread read the same), so both fields are named where the
    caller brought the thread. `message` is LangGraph's own text, free of tokens.
    """
    meaning = next((m for s, says, m in TABLE if s == status and (says is None or says.match(message))), None)
    if meaning is None:
        return fault(f"LangGraph answered {status}.")
    detail = f"LangGraph answered {status}: {message.rstrip('.')}. {meaning.advice}".rstrip()
    problem = AgentServerError(meaning.status, meaning.slug, meaning.title, detail, about=meaning.about)
    if status == 404:  # noqa: PLR2004 - HTTP's own
        fields = ["/assistant_id"] if own_thread else ["/assistant_id", "/thread_id"]
        problem.errors = tuple(FieldError(pointer, "not known to LangGraph") for pointer in fields)
    if problem.status in (409, 429, 502):
        seconds = retry_after if retry_after and retry_after.isdecimal() else _RETRY_AFTER
        problem.headers = {"Retry-After": seconds}
    return problem


def _about_key(error: httpx.HTTPStatusError, message: str) -> str:
    """Say what is wrong with the key that was sent, as far as the answer to it tells."""
    key = error.request.headers.get("x-api-key", "")
    if not key:
        return "No key was sent: the secret LangGraphApiKeySecret is blank. Put the deployment's API key into it."
    if key.startswith("{"):
        return (
            "The secret LangGraphApiKeySecret holds a JSON object, which was sent as it is: "
            "put the API key alone into it, as plain text."
        )
    if "www-authenticate" in error.response.headers or _WANTS_AUTHORIZATION.search(message):
        return (
            "The server asks for the header Authorization. Runledger sends the key of the secret "
            "LangGraphApiKeySecret as x-api-key, and nothing else: have the server's authentication take that."
        )
    return "The key in the secret LangGraphApiKeySecret is wrong or lacks rights."


def fault(detail: str, about: About = "moment") -> AgentServerError:
    """LangGraph can't be reached, or its answer is none."""
    return AgentServerError(
        502,
        "langgraph-fault",
        "LangGraph does not answer as it should",
        detail,
        headers={"Retry-After": _RETRY_AFTER},
        about=about,
    )


def timed_out(deadline: float) -> TimedOutError:
    """LangGraph has not answered within the deadline (seconds)."""
    return TimedOutError(
        504,
        "langgraph-timeout",
        "LangGraph is too slow",
        f"LangGraph did not answer within {deadline:g} s.",
        headers={"Retry-After": _RETRY_AFTER},
    )
