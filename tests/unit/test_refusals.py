"""LangGraph's errors keep their meaning on the way to the caller."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from runledger_langgraph.client import LangGraph
from runledger_langgraph.origin import NotFromLangGraphError, check_origin
from runledger_langgraph.origin import words as said
from runledger_langgraph.refusals import explain, fault, may_have_been_done, refusal, timed_out

if TYPE_CHECKING:
    from runledger.domain.problems import Problem

LANGGRAPH = LangGraph("https://x.org")

MEANINGS = {
    400: (422, "langgraph-refused"),
    401: (502, "api-key-refused"),
    403: (502, "api-key-refused"),
    404: (422, "langgraph-unknown"),
    409: (409, "thread-busy"),
    413: (413, "body-too-large"),
    422: (422, "langgraph-refused"),
    429: (429, "langgraph-throttles"),
}

OTHERS = [302, 402, 405, 408, 410, 418, 423, 451, 500, 501, 502, 503, 504, 529, 599]


@pytest.mark.parametrize("own_thread", [False, True])
@pytest.mark.parametrize("status", [*MEANINGS, *OTHERS])
def test_each_status_keeps_its_meaning_and_any_other_is_a_fault(status: int, *, own_thread: bool) -> None:
    problem = refusal(status, "because", None, own_thread=own_thread)
    assert (problem.status, problem.slug) == MEANINGS.get(status, (502, "langgraph-fault"))
    assert f"LangGraph answered {status}" in problem.detail
    assert ("Retry-After" in problem.headers) == (problem.status in (409, 429, 502))


def test_a_busy_thread_is_409_where_langgraph_calls_it_422() -> None:
    """As the JavaScript server does, in these words."""
    words = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."
    problem = refusal(422, words, None, own_thread=False)
    assert (problem.status, problem.slug, problem.headers) == (409, "thread-busy", {"Retry-After": "5"})
    assert problem.detail == f"LangGraph answered 422: {words}"


@pytest.mark.parametrize(
    ("status", "content", "words"),
    [
        (404, '{"detail": "Graph \'a\' not found"}', "Graph 'a' not found"),
        (404, "Thread with ID x not found", "Thread with ID x not found"),
        (422, "Thread is already running a task.", "Thread is already running a task."),
        (404, '{"detail": "Not Found"}', None),
        (404, '{"message": "Thread not found"}', None),
        (422, '{"detail": [{"msg": "no"}]}', None),
        (404, "default backend - 404", None),
        (404, "<html>Thread not found</html>", None),
        (404, "", None),
        (404, "[]", None),
    ],
)
def test_langgraphs_own_words_are_told_from_anybody_elses(status: int, content: str, words: str | None) -> None:
    response = httpx.Response(status, text=content, request=httpx.Request("GET", "http://x.example"))
    assert said(response) == words


@pytest.mark.parametrize(
    ("content", "told"), [("Thread is busy: away", "Thread is busy: away"), ("<html></html>", "Unprocessable Entity")]
)
def test_the_reason_of_an_error_that_the_sdk_did_not_read_is_told(content: str, told: str) -> None:
    response = httpx.Response(422, text=content, request=httpx.Request("GET", "http://x.example"))
    error = httpx.HTTPStatusError("?", request=response.request, response=response)
    problem = explain(error, LangGraph("http://x.example"), secrets=("away",))
    assert problem.detail == f"LangGraph answered 422: {told.replace('away', '…')}."


@pytest.mark.parametrize("status", MEANINGS)
def test_langgraphs_own_words_are_told_as_one_sentence(status: int) -> None:
    told = refusal(status, "Graph 'x' not found.", None, own_thread=True).detail
    assert told.startswith(f"LangGraph answered {status}: Graph 'x' not found.")
    assert ".." not in told
    assert told == told.strip()


def test_g6_langgraphs_own_words_are_told_in_bounds() -> None:
    """It quotes what it refuses."""
    told = refusal(422, "x" * 1_000_000, None, own_thread=True).detail
    assert told.startswith("LangGraph answered 422: xxx")
    assert len(told) <= 2_000


def test_a_fault_tells_its_status_and_nothing_of_its_body() -> None:
    assert refusal(500, "Traceback …", None, own_thread=True).detail == "LangGraph answered 500."


def explained(
    status: int,
    body: object = None,
    *,
    key: str | None = None,
    headers: dict[str, str] | None = None,
    secrets: tuple[str, ...] = (),
) -> Problem:
    """Explain an answer as the SDK's client comes by it; `body` is JSON, or text as it is."""
    sent = httpx.Request("POST", "https://x.org/threads", headers={"x-api-key": key} if key else {})
    content = body if isinstance(body, str) else json.dumps(body)
    response = httpx.Response(status, content=content.encode(), request=sent, headers=headers)
    try:
        asyncio.run(check_origin(response))
    except NotFromLangGraphError as error:
        return explain(error, LANGGRAPH, secrets=secrets)
    return explain(httpx.HTTPStatusError("", request=sent, response=response), LANGGRAPH, secrets=secrets)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("key", "words", "headers", "told"),
    [
        ("lsv2_wrong", "Invalid token", {}, "is wrong or lacks rights"),
        ("lsv2_wrong", "Authorization failed", {}, "is wrong or lacks rights"),
        (None, "Missing authentication headers", {}, "is blank"),
        ("lsv2_ok", "Missing Authorization header", {}, "asks for the header Authorization"),
        ("lsv2_ok", "Bearer token required", {}, "asks for the header Authorization"),
        ("lsv2_ok", "no", {"WWW-Authenticate": "Bearer"}, "asks for the header Authorization"),
        ('{"api_key": "lsv2_ok"}', "Invalid token", {}, "holds a JSON object"),
    ],
)
def test_a_refused_api_key_is_told_with_where_it_is_and_what_is_wrong_with_it(
    status: int, key: str | None, words: str, headers: dict[str, str], told: str
) -> None:
    problem = explained(status, {"detail": words}, key=key, headers=headers)
    assert (problem.status, problem.slug, problem.about) == (502, "api-key-refused", "us")
    assert words in problem.detail
    assert told in problem.detail
    assert "LangGraphApiKeySecret" in problem.detail
    assert "lsv2" not in problem.detail


# As langgraph_api/webhook.py 0.16.7 says it, and its schema.
WEBHOOK_WORDS = (
    "Webhook URL too long",
    "Loopback webhooks (relative URLs and localhost) are disabled by default.",
    "Webhook must use https",
    "Webhook port 443 not allowed",
    "Invalid webhook hostname ''",
    "Invalid webhook URL 'https://x.org'",
    "Webhook domain not allowed",
    "Webhook host blocked: DNS resolution failed",
    "Failed to resolve webhook host",
    "Webhook host resolves to a disallowed IP",
    '"x" is not a "uri"\n\nFailed validating "format"\n\nOn instance["webhook"]:\n    "x"',
)


@pytest.mark.parametrize("words", WEBHOOK_WORDS)
def test_g6_what_langgraph_says_of_the_webhooks_url_is_no_fault_of_the_request(words: str) -> None:
    problem = explained(422, {"detail": words})
    assert (problem.status, problem.slug, problem.about) == (502, "webhook-url-refused", "us")
    assert words.splitlines()[0].rstrip(".") in problem.detail
    assert "WebhookUrl" in problem.detail
    assert problem.headers["Retry-After"]


@pytest.mark.parametrize(
    "words", ["Invalid assistant: 'webhook'. Must be either:", '"webhook" is not of type "object"', "Graph 'webhook'"]
)
def test_a_request_that_names_a_webhook_is_refused_for_itself(words: str) -> None:
    assert explained(422, {"detail": words}).slug == "langgraph-refused"


PAGE = "<html><head><title>404 Not Found</title></head></html>"


@pytest.mark.parametrize("status", [400, 404, 409, 422])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PAGE, "text/html"),
        ("default backend - 404", "text/plain; charset=utf-8"),
        ("404 Not Found", "text/plain;charset=UTF-8"),
        ("", "text/plain"),
        ({"detail": "Not Found"}, "application/json"),
        ({"message": "no Route matched with those values"}, "application/json"),
        ({"message": "Not Found"}, "application/json"),
        ({"error": "not found", "detail": None}, "application/json"),
        ([], "application/json"),
        ("Thread 1 not found", "text/html"),
    ],
)
def test_g1_what_a_proxy_answers_is_not_langgraphs_word(status: int, body: object, kind: str) -> None:
    problem = explained(status, body, headers={"Content-Type": kind})
    assert (problem.status, problem.slug, problem.about) == (502, "langgraph-fault", "us")
    assert "LangGraphUrl" in problem.detail
    assert not problem.errors


# As @langchain/langgraph-api 1.5.1 says it, in text.
JS_WORDS = (
    (404, 'No assistant found for "x". Make sure the assistant ID is for a valid assistant.', "langgraph-unknown"),
    (404, "Thread with ID 1 not found", "langgraph-unknown"),
    (404, "Run not found", "langgraph-unknown"),
    (404, 'Graph "x" not found', "langgraph-unknown"),
    (409, "Thread already exists", "thread-busy"),
    (409, "Thread is busy", "thread-busy"),
    (422, "Thread is already running a task. Wait for it to finish.", "thread-busy"),
)


@pytest.mark.parametrize(("status", "text", "slug"), JS_WORDS)
def test_what_the_js_server_says_is_langgraphs_word(status: int, text: str, slug: str) -> None:
    problem = explained(status, text, headers={"Content-Type": "text/plain;charset=UTF-8"})
    assert problem.slug == slug
    assert text.rstrip(".") in problem.detail


def test_what_the_js_servers_schema_refuses_is_told_by_its_issues() -> None:
    issues = [{"path": ["config", "tags"], "message": "Expected array"}, {"message": "Required"}, 1]
    problem = explained(400, {"success": False, "error": {"issues": issues, "name": "ZodError"}})
    assert problem.slug == "langgraph-refused"
    assert "config.tags: Expected array; : Required" in problem.detail
    assert explained(400, {"success": False, "error": "?"}).slug == "langgraph-refused"


@pytest.mark.parametrize(("status", "slug"), [(413, "body-too-large"), (429, "langgraph-throttles")])
def test_what_a_proxy_says_of_size_and_rate_means_the_same(status: int, slug: str) -> None:
    assert explained(status, PAGE, headers={"Content-Type": "text/html"}).slug == slug


def test_g5_what_was_sent_is_cut_out_of_a_proxys_words_and_langgraphs() -> None:
    for body in ({"detail": "key lsv2_k of t.o.k"}, {"success": False, "error": {"issues": [{"message": "lsv2_k"}]}}):
        assert "lsv2_k" not in explained(400, body, secrets=("lsv2_k", "t.o.k")).detail


@pytest.mark.parametrize(
    ("status", "done"), [(400, False), (404, False), (408, True), (422, False), (499, True), (500, True), (504, True)]
)
def test_g2_a_proxy_that_did_not_wait_says_nothing_of_what_was_done(status: int, *, done: bool) -> None:
    response = httpx.Response(status, request=httpx.Request("POST", "https://x.org"))
    assert may_have_been_done(httpx.HTTPStatusError("", request=response.request, response=response)) is done


@pytest.mark.parametrize(
    ("own_thread", "pointers"), [(True, ["/assistant_id"]), (False, ["/assistant_id", "/thread_id"])]
)
def test_a_404_names_what_may_be_unknown(pointers: list[str], *, own_thread: bool) -> None:
    assert [error.pointer for error in refusal(404, "not found", None, own_thread=own_thread).errors] == pointers


@pytest.mark.parametrize("status", sorted(set(MEANINGS) - {404}))
def test_nothing_else_names_a_field(status: int) -> None:
    assert not refusal(status, "", None, own_thread=False).errors


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("17", "17"),
        ("0", "0"),
        (None, "5"),
        ("", "5"),
        ("-1", "5"),
        ("1.5", "5"),
        ("²", "5"),
        ("Sun, 22 Nov 2026", "5"),
    ],
)
@pytest.mark.parametrize("status", [401, 429])
def test_langgraphs_retry_after_is_passed_on_where_it_is_seconds(status: int, given: str | None, told: str) -> None:
    assert refusal(status, "", given, own_thread=True).headers == {"Retry-After": told}


def test_what_cant_be_reached_is_a_502_and_what_is_slow_a_504() -> None:
    assert (fault("why").status, fault("why").slug, fault("why").detail) == (502, "langgraph-fault", "why")
    assert (timed_out(20.0).status, timed_out(20.0).slug) == (504, "langgraph-timeout")
    assert timed_out(20.0).detail == "LangGraph did not answer within 20 s."
    assert "0.5 s" in timed_out(0.5).detail
    assert fault("").headers == timed_out(1).headers == {"Retry-After": "5"}
