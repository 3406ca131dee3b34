"""LangGraph's errors keep their meaning on the way to the caller."""

from __future__ import annotations

import httpx
import pytest

from runledger_langgraph.client import LangGraph
from runledger_langgraph.refusals import explain, fault, refusal, timed_out
from runledger_langgraph.words import own_words

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
    response = httpx.Response(status, content=content, request=httpx.Request("GET", "http://x.example"))
    assert own_words(response) == words


@pytest.mark.parametrize(("content", "told"), [("Thread is away", "Thread is away"), ("<html></html>", "refused")])
def test_the_reason_of_an_error_that_the_sdk_did_not_read_is_told(content: str, told: str) -> None:
    response = httpx.Response(422, content=content, request=httpx.Request("GET", "http://x.example"))
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


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_api_key_is_told_with_where_it_is(status: int) -> None:
    assert "LangGraphApiKeySecret" in refusal(status, "", None, own_thread=True).detail


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
