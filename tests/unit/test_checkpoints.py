"""A run's history is split without its values being parsed, whatever stands in them."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger_langgraph.checkpoints import Checkpoint, _split

MEMBERS = {
    "next": ["ask"],
    "tasks": [{"id": "t", "interrupts": [{"value": {"next": []}}]}],
    "metadata": {"run_id": "r"},
}
RAW = b'{"f":0.30000000000000004,"n":9223372036854775808,"minus":-0.0,"half":"\\ud83d","next":[],"x":{"next":["no"]}}'
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text() | st.sampled_from(['"next":', '{"next":[]}]']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["next", "values", "a"]), inner),
    max_leaves=8,
)


def body(values: bytes, members: dict[str, Any], separator: bytes = b",") -> bytes:
    return b'[{"values":' + values + separator + orjson.dumps(members)[1:] + b"]"


@pytest.mark.parametrize("separator", [b",", b" , ", b"\n,\n"])
@pytest.mark.parametrize("end", [b"", b"\n", b"  "])
def test_g3_values_are_the_bytes_that_were_received(separator: bytes, end: bytes) -> None:
    found = _split(body(RAW, MEMBERS, separator) + end, is_whole=True)
    assert found == Checkpoint(MEMBERS, RAW)


@given(_JSON, _JSON, _JSON)
def test_g3_a_next_anywhere_else_leads_nobody_astray(values: Any, tasks: Any, metadata: Any) -> None:
    members = {"next": [], "tasks": tasks, "metadata": metadata}
    raw = orjson.dumps(values)
    assert _split(body(raw, members), is_whole=True) == Checkpoint(members, raw)
    end = _split(body(raw, members)[-len(orjson.dumps(members)) - 3 :], is_whole=False)
    assert end == Checkpoint(members, None)


@given(_JSON, st.permutations(["values", "next", "tasks", "created_at"]).filter(lambda it: it[0] != "values"))
def test_g3_members_in_another_order_are_read_all_the_same(values: Any, order: list[str]) -> None:
    whole = {"values": values, "next": ["a"], "tasks": [], "created_at": "now"}
    found = _split(orjson.dumps([{name: whole[name] for name in order}]), is_whole=True)
    assert found.members == {name: whole[name] for name in whole if name != "values"}
    assert found.values is not None
    assert json.loads(found.values) == values


def test_members_that_stand_between_values_and_next_are_not_lost() -> None:
    found = _split(orjson.dumps([{"values": {"a": 1}, "tasks": [{"id": "t"}], "next": ["a"]}]), is_whole=True)
    assert found == Checkpoint({"tasks": [{"id": "t"}], "next": ["a"]}, b'{"a":1}')


@pytest.mark.parametrize("length", [1, 50, 300])
def test_of_a_body_that_was_cut_anywhere_in_its_values_the_members_are_read(length: int) -> None:
    tail = body(b'{"x":"' + b"x" * 400 + b'"}', MEMBERS)[400 - length :]
    assert _split(tail, is_whole=False) == Checkpoint(MEMBERS, None)


@pytest.mark.parametrize("tail", [b"", b"x" * 100, b'"next":', b'"next":[]', orjson.dumps(MEMBERS)[12:] + b"]"])
def test_a_body_whose_end_is_none_of_a_checkpoints_is_not_langgraphs(tail: bytes) -> None:
    with pytest.raises(TypeError):
        _split(tail, is_whole=False)


@pytest.mark.parametrize("text", ["{}", "[]", "[{}]", "[{},{}]", "null", "<html></html>", '[{"values":{}'])
def test_what_is_no_checkpoint_is_an_error(text: str) -> None:
    with pytest.raises((TypeError, KeyError, ValueError)):
        _split(text.encode(), is_whole=True)


def test_values_are_not_shown_where_a_checkpoint_is() -> None:
    assert "secret" not in repr(Checkpoint({}, b"secret"))
