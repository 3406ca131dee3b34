"""The same failure has the same error, whether a webhook tells it or LangGraph is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.template import ROOT
from runledger.domain.run_errors import task_error, webhook_error

if TYPE_CHECKING:
    from collections.abc import Mapping


class TooDeepError(RecursionError):
    """As LangGraph's own exceptions are: of a type that Python does not have."""


def in_webhook(error: Exception) -> Mapping[str, str]:
    """Return what LangGraph's Python server writes into a webhook."""
    return {"error": type(error).__name__, "message": str(error)}


@pytest.mark.parametrize(
    "error",
    [
        ValueError("boom: deliberate failure"),
        ValueError("it's"),
        ValueError('it\'s "quoted" and \\d'),
        ValueError("two\nlines, 😀, \x00 and \ud83d"),
        ValueError("x" * 3000),
        ValueError("x) and Y(z"),
        ValueError(""),
        ValueError(),
        ValueError("two", 3),
        ValueError(("two", 3)),
        ValueError(["a", {"field": None}], -1.5, None, b"x"),
        ValueError({"loc": ["a"]}),
        ValueError(404),
        ValueError(None),
        KeyError("order id"),
        KeyError("it's"),
        KeyError(3, 4),
        TimeoutError(),
        TimeoutError(110, "Connection timed out"),
        TooDeepError("Recursion limit of 25 reached.\nSee https://docs.example"),
    ],
    ids=repr,
)
def test_an_exception_that_the_checkpoint_shows_is_told_as_its_webhook_tells_it(error: Exception) -> None:
    assert task_error(repr(error)) == webhook_error(in_webhook(error))


@given(st.text(), st.lists(st.none() | st.booleans() | st.integers() | st.text()))
def test_whatever_its_words_are(text: str, more: list[object]) -> None:
    for error in (RuntimeError(text), RuntimeError(text, *more), KeyError(text)):
        assert task_error(repr(error)) == webhook_error(in_webhook(error))


def test_a_real_webhook_has_the_error_that_asking_about_the_same_run_gives() -> None:
    told = json.loads((ROOT / "tests" / "payloads" / "error.json").read_text())["error"]
    assert task_error("ValueError('boom: deliberate failure')") == webhook_error(told)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("ValueError(Decimal('1'))", {"type": "ValueError", "message": "ValueError(Decimal('1'))"}),
        ("ValueError(<object object at 0x7f>)", {"type": "ValueError"}),
        ("HTTPException(status_code=404, detail='no')", {"type": "HTTPException"}),
        ("UnicodeDecodeError('utf-8')", {"type": "UnicodeDecodeError"}),
        ("E('cut off", {"type": "E"}),
        ("E(x) and F(y)", {"type": "E"}),
        (f"E({'[' * 300}{']' * 300})", {"type": "E"}),
        (f"E({'-' * 50_000}1)", {"type": "E"}),
        (f"E({'1+' * 9_000}1)", {"type": "E"}),
        ("E({{}: 1})", {"type": "E"}),
        (f"E({'9' * 5_000})", {"type": "E"}),
        (f"E({'0, ' * 100_000})", {"type": "E"}),
        ("1 validation error for Order\nprice\n  missing", {}),
        ({"error": "ValueError"}, {}),
        ("", None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_does_not_show_an_exceptions_words_alone_is_told_as_langgraph_shows_it(
    error: object, told: dict[str, str] | None
) -> None:
    assert task_error(error) == (None if told is None else {"message": str(error)[:2000], **told})


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"name": "TypeError", "message": "no"}, {"type": "TypeError", "message": "no"}),
        ({"name": "E" * 3000, "message": ""}, {"type": "E" * 2000}),
        ({"name": None, "message": 5}, {"type": "None", "message": "5"}),
    ],
)
def test_the_javascript_server_shows_an_object(members: dict[str, object], told: dict[str, str]) -> None:
    assert task_error(json.dumps(members)) == told
