"""JSON text with a limit: what is written is JSON's own, and what is too long costs no more than the limit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.json_text import MAX_METADATA_BYTES, Number, clean, metadata_of, text_within
from runledger.domain.launches import parse_launch

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Counted(list[Any]):
    """A list that knows how many of its members were looked at."""

    seen = 0

    def __iter__(self) -> Iterator[Any]:
        for member in super().__iter__():
            self.seen += 1
            yield member


@given(VALUES)
def test_what_is_written_is_what_json_writes(value: Any) -> None:
    text = json.dumps(value)
    assert text_within(len(text), value) == text
    assert text_within(len(text) - 1, value) is None


@pytest.mark.parametrize(
    "member", [0, "", None, Number("1.0"), [], {}, {"a": []}, "x" * 100_000, Number("1" * 100_000)]
)
def test_g6_writing_ends_at_the_limit_whatever_comes_after_it(member: Any) -> None:
    members = Counted([member] * 100_000)
    for value in ({"a": members}, {"a": [[[{"b": members}]]]}):
        members.seen = 0
        assert metadata_of(value) is None
        assert members.seen <= MAX_METADATA_BYTES


def test_g6_names_count_as_values_do() -> None:
    assert metadata_of({"n" * MAX_METADATA_BYTES: 1}) is None
    assert metadata_of({str(number): 1 for number in range(MAX_METADATA_BYTES)}) is None


def test_g6_a_launch_that_a_body_names_by_a_list_is_read_no_further_than_a_name_is_long() -> None:
    body = {"run_id": RUN, "status": "success", "metadata": {"launch_id": ["x" * 1_000] * 1_000}}
    delivery = parse_delivery(json.dumps(body).encode(), "t" * 40)
    assert isinstance(delivery, Delivery)
    assert len(delivery.launch_id or "") == 1, "seen, so that it does not pass for none"


@given(st.dictionaries(st.text().map(clean), VALUES, max_size=4))
def test_what_a_launch_keeps_of_its_metadata_is_ready_before_langgraph_is_asked(metadata: dict[str, Any]) -> None:
    body = {"assistant_id": "a", "input": {}, "metadata": {"more": json.dumps(metadata)}}
    assert parse_launch(json.dumps(body).encode()).metadata_text == json.dumps(body["metadata"])


def test_a_launch_without_metadata_or_with_too_much_of_it_keeps_none() -> None:
    for metadata in ({}, {"pad": "x" * MAX_METADATA_BYTES}):
        body = json.dumps({"assistant_id": "a", "input": {}, "metadata": metadata}).encode()
        assert parse_launch(body).metadata_text is None
