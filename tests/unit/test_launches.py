"""What a caller may ask for, and the complaint for everything else."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from runledger.domain.launch_fields import MAX_AFTER_SECONDS, STREAM_MODES
from runledger.domain.launches import RESERVED, LaunchRequest, launch_id_after, launch_id_of
from runledger.domain.launches import parse_launch as parse
from runledger.domain.problems import MAX_ERRORS, MAX_POINTER, Problem
from runledger.domain.requests import MAX_BODY_BYTES, unknown_members

ID = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10"
LEAST = {"assistant_id": "agent", "input": {}}
RESUME = {"assistant_id": "agent", "thread_id": ID, "command": {"resume": "yes"}}
STREAM = {**LEAST, "stream": True}
NAMED_NODES = [0, "", [], [""], ["a", 1], {"a": 1}, None, "node"]
NO_UUIDS = ["", "x", ID[:-1], f"{ID}\n", ID.replace("-", ""), f"{{{ID}}}", ID.replace("1", "٣"), 1, None, [ID]]


def launch(**members: Any) -> LaunchRequest:
    return parse(json.dumps({**LEAST, **members}).encode())


def refusal(body: bytes | None) -> Problem:
    with pytest.raises(Problem) as caught:
        parse(body)
    return caught.value


def pointers(members: dict[str, Any]) -> list[str]:
    problem = refusal(json.dumps(members).encode())
    assert problem.status == 400
    assert all(error.detail for error in problem.errors)
    return [error.pointer for error in problem.errors]


def test_the_least_that_can_be_asked() -> None:
    asked = launch()
    assert asked == LaunchRequest(
        "agent", None, {}, stream=False, after_seconds=0, digest=asked.digest, options={"input": {}}
    )


def test_all_that_can_be_asked_goes_on_as_it_is() -> None:
    options: dict[str, Any] = {
        "input": {"n": [0.1, None]},
        "config": {"recursion_limit": 5},
        "context": {},
        "checkpoint_id": ID,
        "interrupt_before": "*",
        "interrupt_after": ["a", "b"],
        "multitask_strategy": "enqueue",
        "after_seconds": 60,
        "durability": "exit",
        "stream_mode": ["values", "custom"],
        "stream_subgraphs": False,
    }
    ours = {"assistant_id": ID, "thread_id": ID.upper(), "metadata": {"tenant": "a"}, "stream": True}
    asked = parse(json.dumps({**options, **ours}).encode())
    assert asked == LaunchRequest(
        ID, ID, {"tenant": "a"}, stream=True, after_seconds=60, digest=asked.digest, options=options
    )


def test_g2_a_digest_tells_requests_apart_but_not_how_they_are_written() -> None:
    text = '{"assistant_id": "a", "input": {"x": 1, "y": [1.0, null]}}'
    same = '{"input":{"y":[1.0,null],"x":1},"assistant_id":"a"}'
    assert parse(text.encode()).digest == parse(same.encode()).digest
    for other in (text.replace("1.0", "1"), text.replace("null", "0"), text.replace('"a"', '"b"')):
        assert parse(other.encode()).digest != parse(text.encode()).digest


def test_a_delay_is_the_same_however_its_number_is_written() -> None:
    """LangGraph takes an integer, and the same launch sent again by another client is the same."""
    asked = launch(after_seconds=60.0)
    assert asked == launch(after_seconds=60)
    assert type(asked.options["after_seconds"]) is int


@pytest.mark.parametrize("key", ["a", "x" * 255, "with space", "!~"])
def test_g2_a_key_names_one_launch_always_and_no_key_a_new_one(key: str) -> None:
    assert launch_id_of(key, "one") == launch_id_of(key, "one") != launch_id_of(key[1:] + "z", "one")
    assert launch_id_of(None, "one") != launch_id_of(None, "one")


def test_g12_two_ledgers_never_name_the_same_launch() -> None:
    assert launch_id_of("order 4711", "one") != launch_id_of("order 4711", "other")
    assert launch_id_after(ID, "one") == launch_id_after(ID, "one") != launch_id_after(ID, "other")


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "é", "\x7f"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(Problem) as caught:
        launch_id_of(key, "one")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("assistant_id", ["a", "x" * 256, "é", ID]),
        ("thread_id", [ID, ID.upper()]),
        ("input", [None, False, 0, "", [], {"a": None}]),
        ("config", [{}, {"configurable": {}}]),
        ("context", [{}, {"a": 1}]),
        ("metadata", [{}, {"launch": "x", "nested": {"launch_id": "mine"}}]),
        ("stream", [True, False]),
        ("interrupt_before", ["*", ["*"], ["node"]]),
        ("interrupt_after", ["*", ["a", "b"]]),
        ("multitask_strategy", ["reject", "interrupt", "rollback", "enqueue"]),
        ("after_seconds", [0, 1, MAX_AFTER_SECONDS]),
        ("durability", ["sync", "async", "exit"]),
    ],
)
def test_each_good_value_is_taken(field: str, values: list[Any]) -> None:
    for value in values:
        asked = launch(**{field: value})
        taken = asked.options[field] if field in asked.options else getattr(asked, field)
        assert taken == (value.lower() if field == "thread_id" else value)


@pytest.mark.parametrize(
    "command", [{"resume": False}, {"resume": {}}, {"update": []}, {"goto": "a"}, {"goto": "a", "update": {}}]
)
def test_each_good_command_is_taken_on_its_thread(command: dict[str, Any]) -> None:
    assert parse(json.dumps({**RESUME, "command": command}).encode()).options == {"command": command}


@pytest.mark.parametrize("mode", [*STREAM_MODES, ["updates"], list(STREAM_MODES)])
def test_each_stream_mode_is_taken(mode: object) -> None:
    assert launch(stream=True, stream_mode=mode, stream_subgraphs=True).options["stream_mode"] == mode


@pytest.mark.parametrize(
    ("base", "field", "values"),
    [
        (LEAST, "assistant_id", ["", "x" * 257, 1, None, ["agent"], {}]),
        (LEAST, "thread_id", NO_UUIDS),
        (LEAST, "config", [None, [], "", 1, True]),
        (LEAST, "context", [None, [], "", 1, True]),
        (LEAST, "metadata", [None, [], "", 1, True]),
        (LEAST, "stream", [None, 0, 1, "true", []]),
        (STREAM, "stream_mode", [None, "", "value", [], ["values", "nope"], [["values"]], 1, {}]),
        (STREAM, "stream_subgraphs", [None, 0, 1, "true", []]),
        (RESUME, "checkpoint_id", NO_UUIDS),
        (LEAST, "interrupt_before", NAMED_NODES),
        (LEAST, "interrupt_after", NAMED_NODES),
        (LEAST, "multitask_strategy", ["", "Reject", None, 1, ["reject"], {}]),
        (LEAST, "after_seconds", [-1, MAX_AFTER_SECONDS + 1, 2**63, 1.5, 0.5, True, False, "1", None, []]),
        (LEAST, "durability", ["", "Sync", None, 1, ["sync"], {}]),
        (RESUME, "command", [None, {}, [], "resume", {"resume": 1, "send": 2}, {"resume": None}, {"goto": None}]),
    ],
)
def test_each_bad_value_is_refused_by_its_pointer(base: dict[str, Any], field: str, values: list[Any]) -> None:
    for value in values:
        assert pointers({**base, field: value}) == [f"/{field}"], value


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({}, ["/assistant_id", "/input"]),
        ({"assistant_id": "a"}, ["/input"]),
        ({"input": {}}, ["/assistant_id"]),
        ({**RESUME, "input": {}}, ["/command"]),
        ({**RESUME, "input": None}, ["/command"]),
        ({"assistant_id": "a", "command": {"resume": 1}}, ["/thread_id"]),
        ({**LEAST, "checkpoint_id": ID}, ["/thread_id"]),
        ({**LEAST, "metadata": {"launch_id": ID}}, ["/metadata/launch_id"]),
        ({**LEAST, "metadata": {"launch_id": None}}, ["/metadata/launch_id"]),
        ({**LEAST, "stream_mode": "values"}, ["/stream_mode"]),
        ({**LEAST, "stream": False, "stream_mode": "values"}, ["/stream_mode"]),
        ({**LEAST, "stream_subgraphs": True}, ["/stream_subgraphs"]),
        ({**LEAST, "webhook": "https://example.org"}, ["/webhook"]),
        ({**LEAST, "": 1, "a/b~c": 2}, ["/", "/a~1b~0c"]),
        ({**LEAST, "Input": {}}, ["/Input"]),
        (
            {"thread_id": "x", "after_seconds": -1, "more": 1, "metadata": {"launch_id": "L"}, "stream_mode": "?"},
            [
                "/more",
                "/thread_id",
                "/stream_mode",
                "/after_seconds",
                "/assistant_id",
                "/input",
                "/metadata/launch_id",
                "/stream_mode",
            ],
        ),
    ],
)
def test_every_bad_field_is_named_at_once(members: dict[str, Any], expected: list[str]) -> None:
    assert pointers(members) == expected


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        (None, "", "empty"),
        (b"", "", "empty"),
        (b" ", "", "empty; send a JSON object with assistant_id and input"),
        (b"{", "", "not JSON"),
        (b"assistant_id=agent", "", "not JSON"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        (b'{"a": "\xff"}', "", "not UTF-8"),
        (b"[]", "", "not a JSON object"),
        (b"null", "", "not a JSON object"),
        (b'"agent"', "", "not a JSON object"),
        (b'{"input": {"a": NaN}}', "/input/a", "not a finite"),
        (b'{"input": ["\\ud800"]}', "/input/0", "surrogate"),
        (b'{"input": ' + b"[" * 300 + b"]" * 300 + b"}", "/input" + "/0" * 46 + "/…" + "/0" * 50, "nested deeper"),
        (b'{"input": ' + b"[" * 99_999, "", "nested deeper"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes | None, pointer: str, detail: str) -> None:
    problem = refusal(body)
    assert (problem.status, problem.slug) == (400, "invalid-request")
    assert [error.pointer for error in problem.errors] == [pointer]
    assert detail in problem.errors[0].detail


def test_g6_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    start, end = b'{"assistant_id": "a", "input": "', b'"}'
    longest = start + b"x" * (MAX_BODY_BYTES - len(start) - len(end)) + end
    assert parse(longest).assistant_id == "a"
    problem = refusal(longest + b" ")
    assert (problem.status, problem.slug) == (413, "body-too-large")
    assert str(MAX_BODY_BYTES) in problem.detail


def test_g5_a_webhook_of_the_callers_own_is_refused() -> None:
    assert pointers({**LEAST, "webhook": "https://elsewhere.example"}) == ["/webhook"]


@pytest.mark.parametrize("name", RESERVED)
def test_g5_metadata_by_which_a_run_is_known_are_not_the_callers(name: str) -> None:
    assert pointers({**LEAST, "metadata": {name: ID}}) == [f"/metadata/{name}"]
    assert pointers({**LEAST, "config": {"metadata": {name: None}}}) == [f"/config/metadata/{name}"]


@pytest.mark.parametrize(
    "body",
    [
        {"assistant_id": "a", "input": None, **{f"unknown{number}": 1 for number in range(10_000)}},
        {"assistant_id": "a", "input": None, "x" * 1_000_000: 1},
        {"assistant_id": "a", "input": {"x" * 1_000_000: float("nan")}},
        {"assistant_id": "a", "command": {"x" * 1_000_000: 1}, "thread_id": str(uuid.uuid4())},
    ],
    ids=["many fields", "a long name", "a long name inside", "a long member of a command"],
)
def test_g6_whatever_is_wrong_is_told_in_bounds_and_by_where_it_begins(body: dict[str, Any]) -> None:
    problem = refusal(json.dumps(body).encode())
    assert 0 < len(problem.errors) <= MAX_ERRORS
    assert all(len(error.pointer) <= MAX_POINTER for error in problem.errors)
    assert problem.errors[0].pointer.startswith(("/unknown0", "/xx", "/input/xx", "/command"))
    assert len(json.dumps(problem.body())) < 20_000
    assert len(problem.detail) <= 2_000


def test_g6_no_more_complaints_are_made_than_can_be_told() -> None:
    """Each of the 400,000 members that 4 MiB have room for would be 300 bytes in a small function's memory."""
    assert len(unknown_members(map(str, range(1_000)), (), "unknown")) == MAX_ERRORS


def test_g6_a_deep_body_is_told_by_where_it_begins_and_where_it_is_too_deep() -> None:
    body = '{"assistant_id":"a","input":' + '{"abcdef":' * 300 + "1" + "}" * 301
    (error,) = refusal(body.encode()).errors
    assert error.pointer.startswith("/input/abcdef/abcdef")
    assert error.pointer.endswith("/abcdef/abcdef")
    assert "…" in error.pointer
    assert len(error.pointer) <= MAX_POINTER
