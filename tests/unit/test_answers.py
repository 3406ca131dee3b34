"""What a person may answer, and the complaint for everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runledger.domain.answers import Answer, answer_in_progress, not_waiting
from runledger.domain.answers import parse_answer as parse
from runledger.domain.problems import Problem

FIRST, SECOND = "0099f6cf9a2de1817322d5c959ce5320", "34c35112dab8926dd2e2393cba37e3bf"
NONE, ONE = "[]", json.dumps([{"id": FIRST, "value": {"question": "Shall I go on?"}}])
TWO = json.dumps([{"id": FIRST}, {"id": SECOND, "value": 1}])


def answer(body: Any, questions: str = ONE) -> Answer:
    return parse(json.dumps(body).encode(), questions)


def refused(body: Any, questions: str = ONE) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as raised:
        answer(body, questions)
    assert (raised.value.status, raised.value.slug) == (400, "invalid-request")
    return [(error.pointer, error.detail) for error in raised.value.errors]


@pytest.mark.parametrize("value", ["yes", "", 0, False, None, [], {}, {"a": 1}, {FIRST: 1, "more": 2}, 0.1])
def test_a_single_question_takes_any_value_and_gets_it_under_its_own_id(value: Any) -> None:
    assert answer({"resume": value}).options == {"command": {"resume": {FIRST: value}}}


def test_a_single_question_may_be_answered_by_its_id() -> None:
    assert answer({"resume": {FIRST: "yes"}}) == answer({"resume": "yes"})


def test_several_questions_take_an_answer_for_each_id() -> None:
    assert answer({"resume": {SECOND: None, FIRST: 1}}, TWO).options == {
        "command": {"resume": {FIRST: 1, SECOND: None}}
    }


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("yes", [("/resume", f"must be an object with an answer for each interrupt id: {FIRST}, {SECOND}")]),
        ({FIRST: 1}, [(f"/resume/{SECOND}", "missing; all are answered at once")]),
        (
            {FIRST: 1, "a/b": 2},
            [
                (f"/resume/{SECOND}", "missing; all are answered at once"),
                ("/resume/a~1b", f"no question of this run; those are {FIRST}, {SECOND}"),
            ],
        ),
    ],
)
def test_several_questions_are_answered_at_once_or_not_at_all(value: Any, wrong: list[tuple[str, str]]) -> None:
    assert refused({"resume": value}, TWO) == wrong


def test_a_breakpoint_is_gone_on_from_with_nothing() -> None:
    assert answer({}, NONE).options == {"input": None}
    assert refused({"resume": None}, NONE) == [
        ("/resume", "given, but the run stopped at a breakpoint, which asks nothing; send {}")
    ]


def test_a_question_needs_an_answer() -> None:
    assert refused({}) == [("/resume", "missing; the run asks 1 question")]
    assert refused({}, TWO) == [("/resume", "missing; the run asks 2 questions")]
    assert refused({"answer": 1, "resume": 1}) == [("/answer", "unknown field; known is resume")]


@pytest.mark.parametrize("body", [b"", None, b"[]", b"{", b"\xff", b'{"resume": NaN}'])
def test_a_body_that_is_no_json_object_is_refused(body: bytes | None) -> None:
    with pytest.raises(Problem) as raised:
        parse(body, ONE)
    assert raised.value.slug == "invalid-request"


def test_g2_the_same_answer_has_the_same_digest() -> None:
    same = parse(b'{"resume": {"a": 1, "b": 2}}', ONE), parse(b' {"resume":{"b":2,"a":1}}', ONE)
    assert same[0].digest == same[1].digest
    others = [{"resume": {"a": 1}}, {"resume": "1"}, {"resume": 1}, {"resume": None}]
    assert len({answer(other).digest for other in others} | {answer({}, NONE).digest, same[0].digest}) == 6


@pytest.mark.parametrize(("seconds", "after"), [(60, "5"), (3, "3"), (0, "1")])
def test_who_comes_while_another_answers_is_told_when_to_come_again(seconds: int, after: str) -> None:
    assert answer_in_progress(seconds).headers == {"Retry-After": after}


@pytest.mark.parametrize(("outcome", "is_soon"), [("pending", True), ("settling", True), ("succeeded", False)])
def test_a_run_that_may_yet_ask_something_is_to_be_tried_again(outcome: str, is_soon: bool) -> None:  # noqa: FBT001
    problem = not_waiting(outcome)
    assert (problem.status, bool(problem.headers)) == (409, is_soon)
    assert outcome in problem.detail
