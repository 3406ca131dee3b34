"""What a schema says of a request and what its check says of it are the same, whatever is sent."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runledger.domain import answers, launches, listings
from runledger.domain.answers import parse_answer
from runledger.domain.launch_fields import FIELDS, MAX_AFTER_SECONDS, STREAM_MODES
from runledger.domain.launches import parse_launch
from runledger.domain.listings import OUTCOMES, parse_listing
from runledger.domain.problems import Problem
from tests.contract.beyond import BEYOND, LEAST
from tests.contract.surface import body_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from runledger.domain.fields import Field

ID = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"
GOOD: dict[str, list[Any]] = {  # values of each field that are taken
    "assistant_id": ["agent", ID, "x" * 256],
    "thread_id": [ID, ID.upper()],
    "input": [None, {"task": "answer"}, [1.0], 2**63, "x"],
    "command": [{"resume": "yes"}, {"goto": "a", "update": []}],
    "config": [{}, {"recursion_limit": 5}],
    "context": [{}, {"a": 1}],
    "metadata": [{}, {"tenant": "a"}],
    "stream": [True, False],
    "stream_mode": ["values", ["updates", "messages-tuple"]],
    "stream_subgraphs": [True, False],
    "checkpoint_id": [ID],
    "interrupt_before": ["*", ["a"]],
    "interrupt_after": ["*", ["a", "b"]],
    "multitask_strategy": ["reject", "enqueue"],
    "after_seconds": [0, 60, MAX_AFTER_SECONDS],
    "durability": ["sync", "exit"],
    "callback": [{"task_token": "t"}, {"task_token": "t" * 2048}],
}
NEAR: list[Any] = [  # values that are taken by some field, or not quite
    *(value for values in GOOD.values() for value in values),
    *("", "x" * 257, ID[:-1], f"{ID}\n", f"\n{ID}", ID.replace("1", "\u0663"), f"{{{ID}}}", ID.replace("-", "")),
    *(*STREAM_MODES, "Values", ["values", "x"], [["values"]], [], [""], ["a", 1], ["*"], "**"),
    *("interrupt", "rollback", "async", "Sync", " sync", ["sync"], True, False, 0, 1, -1, 0.5, 1.0, -0.0),
    *(MAX_AFTER_SECONDS + 1, 2**64, {"resume": None}, {"resume": 0, "send": 1}, {"goto": ""}, {"update": False}),
    *({"task_token": ""}, {"task_token": "t" * 2049}, {"task_token": 1}, {"task_token": "t", "x": 1}, {"x": "t"}),
    *({"launch_id": ID}, {"answers_run_id": None}, {"answer_digest": 1}, {"a": {"launch_id": ID}}),
]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
BODY = body_of("POST /runs")
values = st.sampled_from(NEAR) | anything
fields = st.fixed_dictionaries({}, optional={name: st.sampled_from(good) for name, good in GOOD.items()})


@st.composite
def launch_bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a body in which one thing is wrong, or several, or none."""
    body = draw(fields)
    body |= draw(st.sampled_from([{}, {"assistant_id": "agent"}, {"assistant_id": "agent", "thread_id": ID}]))
    for name in draw(st.lists(st.sampled_from(sorted(GOOD)), max_size=8)):
        body.pop(name, None)
    wrong = st.dictionaries(st.sampled_from([*GOOD, "webhook", "Input", ""]), values, max_size=1)
    return body | draw(wrong)


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    return Draft202012Validator(schema).is_valid(value)


def is_taken(parse: Callable[..., object], *arguments: object) -> bool:
    try:
        parse(*arguments)
    except Problem as problem:
        if problem.slug != "invalid-request":
            raise
        return False
    return True


@pytest.mark.parametrize("name", GOOD)
def test_what_each_field_takes_its_schema_takes(name: str) -> None:
    assert set(GOOD) == set(FIELDS)
    for value in GOOD[name]:
        assert FIELDS[name].check(value) is None
        assert is_valid(FIELDS[name].schema, value)


@pytest.mark.parametrize(("name", "field"), [*FIELDS.items(), *answers.FIELDS.items()])
@given(value=values)
@settings(max_examples=100, deadline=None)
def test_a_fields_check_and_schema_give_the_same_verdict(name: str, field: Field, value: Any) -> None:
    assert (field.check(value) is None) == is_valid(field.schema, value), name


@pytest.mark.parametrize(("name", "field"), [*FIELDS.items(), *answers.FIELDS.items()])
def test_near_misses_are_judged_alike_all_of_them(name: str, field: Field) -> None:
    for value in NEAR:
        test_a_fields_check_and_schema_give_the_same_verdict.hypothesis.inner_test(name, field, value)


def judge_launch(body: Any) -> None:
    described = BODY.is_valid(body)
    taken = is_taken(parse_launch, json.dumps(body).encode())
    assert taken == (described and not any(rule(body) for rule in BEYOND)), body


@given(body=launch_bodies() | values)
@settings(max_examples=300, deadline=None)
def test_a_launch_is_taken_if_and_only_if_its_schema_takes_it(body: Any) -> None:
    judge_launch(body)


@pytest.mark.parametrize(
    "good",
    [
        LEAST,
        {**LEAST, "stream": True, "stream_subgraphs": True},
        {"assistant_id": "agent", "thread_id": ID, "command": {"resume": "yes"}, "checkpoint_id": ID},
    ],
)
def test_a_good_launch_with_one_thing_changed_is_judged_alike(good: dict[str, Any]) -> None:
    judge_launch(good)
    for name in (*FIELDS, "webhook"):
        judge_launch({other: value for other, value in good.items() if other != name})
        for value in NEAR:
            judge_launch({**good, name: value})


@pytest.mark.parametrize("rule", BEYOND, ids=lambda rule: rule.__name__)
def test_what_no_schema_says_is_there(rule: Callable[[Any], bool]) -> None:
    """Else the rule is left out of the comparison for nothing."""
    body = BEYOND[rule]
    assert rule.__doc__
    assert rule(body)
    assert BODY.is_valid(body)
    assert not is_taken(parse_launch, json.dumps(body).encode())


@given(body=st.fixed_dictionaries({}, optional={"resume": values, "more": values}) | values)
@settings(max_examples=300, deadline=None)
def test_an_answer_is_taken_by_some_run_if_and_only_if_its_schema_takes_it(body: Any) -> None:
    described = body_of("POST /runs/{run_id}/resume").is_valid(body)
    sent = json.dumps(body).encode()
    taken = any(is_taken(parse_answer, sent, questions) for questions in ("[]", '[{"id": "i"}]'))
    assert taken == (described and not any(rule(body) for rule in BEYOND))


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.sampled_from(
    ["", "a" * 256, "a" * 257, *OUTCOMES, "Failed", "success", "\u0663", "~", " ", "a b", "\x7f", "\t", "a\n"]
)


@given(text=texts)
def test_a_parameters_check_and_schema_give_the_same_verdict(text: str) -> None:
    for name in ("thread_id", "outcome", "cursor"):
        field = listings.PARAMETERS[name]
        assert (field.check(text) is None) == is_valid(field.schema, text)


@given(number=st.integers(-3, 103) | st.integers())
def test_a_limit_is_judged_alike(number: int) -> None:
    field = listings.PARAMETERS["limit"]
    assert (field.check(str(number)) is None) == is_valid(field.schema, number)
    assert is_taken(parse_listing, f"outcome=failed&limit={number}") == is_valid(field.schema, number)


@given(text=texts | st.text(st.characters(max_codepoint=127), max_size=300) | st.sampled_from(["x" * 255, "x" * 256]))
def test_a_key_is_judged_alike(text: str) -> None:
    field = launches.IDEMPOTENCY_KEY
    # Python's `$` also fits before a last line break, that of JSON Schema does not; and no header can hold one.
    assert (field.check(text) is None) == (is_valid(field.schema, text) and not text.endswith("\n"))


def test_an_id_of_the_ledger_is_one_for_the_schema() -> None:
    assert BODY.is_valid({**LEAST, "thread_id": str(uuid.uuid4())})
