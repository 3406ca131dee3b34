"""Which questions are open, and what a run's item shows of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain.questions import MAX_BYTES, open_questions, shown

ONCE = {"id": "t1", "interrupts": [{"id": "once", "value": "Once?"}], "result": {"said": ["yes"]}}
TWICE = {"id": "t2", "interrupts": [{"id": "second", "value": "And then?"}], "result": None}
SECOND = {"id": "second", "value": "And then?"}


def ids(questions: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in questions]


def test_a_task_that_is_done_asks_no_more_though_its_interrupts_are_still_shown() -> None:
    assert open_questions({"tasks": [ONCE, TWICE]}, None) == [SECOND]


def test_a_result_of_nothing_is_one() -> None:
    assert open_questions({"tasks": [{**ONCE, "result": {}}, TWICE]}, None) == [SECOND]


def test_a_thread_that_shows_a_task_that_is_done_again_does_not_bring_its_question_back() -> None:
    thread = {"interrupts": {"t1": ONCE["interrupts"], "t2": TWICE["interrupts"]}}
    assert open_questions({"tasks": [ONCE, TWICE]}, thread) == [SECOND]


def test_a_task_that_a_command_has_sent_stands_on_the_thread_alone() -> None:
    thread = {"interrupts": {"t2": TWICE["interrupts"], "t3": [{"id": "other", "value": 1}], "t4": []}}
    assert ids(open_questions({"tasks": [TWICE]}, thread)) == ["second", "other"]
    assert ids(open_questions(None, thread)) == ["second", "other"]


@pytest.mark.parametrize("nothing", [None, {}, {"tasks": None}, {"tasks": [{"id": "t", "interrupts": None}]}])
def test_what_asks_nothing_has_no_questions(nothing: dict[str, Any] | None) -> None:
    assert open_questions(nothing, None) == open_questions(nothing, {"interrupts": None}) == []


@pytest.mark.parametrize(("over", "is_kept"), [(0, True), (1, False)])
def test_questions_that_fit_are_shown_whole_and_a_large_one_by_its_id(over: int, *, is_kept: bool) -> None:
    bare = len(json.dumps([{"id": "i", "value": ""}]))
    questions = [{"id": "i", "value": "x" * (MAX_BYTES - bare + over)}]
    text, has_more = shown(questions)
    assert json.loads(text) == (questions if is_kept else [{"id": "i"}])
    assert has_more is not is_kept


def test_a_large_question_leaves_the_small_ones_their_values() -> None:
    small, large = {"id": "s", "value": "Well?"}, {"id": "l", "value": "x" * MAX_BYTES}
    assert json.loads(shown([large, small])[0]) == [{"id": "l"}, small]


@pytest.mark.parametrize(("number", "kept"), [(150, 150), (300, 300), (5_000, 372)])
def test_of_many_questions_the_ids_are_shown_as_far_as_they_fit(number: int, kept: int) -> None:
    questions = [{"id": f"{at:032x}", "value": "x" * 200} for at in range(number)]
    text, has_more = shown(questions)
    assert json.loads(text) == [{"id": one["id"]} for one in questions[:kept]]
    assert has_more


@given(
    st.lists(
        st.fixed_dictionaries({"id": st.none() | st.text(max_size=300), "value": st.text(max_size=3000)}), max_size=300
    )
)
def test_questions_never_outgrow_their_place_in_the_item(questions: list[dict[str, Any]]) -> None:
    text, _ = shown(questions)
    assert len(text.encode()) <= MAX_BYTES
    assert text.isascii()
