"""JSON that reaches LangGraph unchanged, and each value that could not."""

from __future__ import annotations

import json
import tracemalloc

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain.strict_json import MAX_DEPTH, InvalidJsonError, Json, escape, parse
from tests.unit.json_text import VALUES

_PASSED_ON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.sampled_from([0.1 + 0.2, 1.0, -0.0, 5e-324, 2**63 - 1, "\0", "😀", ""]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


def complaint(text: str) -> tuple[str, str]:
    with pytest.raises(InvalidJsonError) as caught:
        parse(text)
    return caught.value.error.pointer, caught.value.error.detail


def same(one: object, other: object) -> bool:
    """Equal with types and signs: 1 is not 1.0 here, and 0.0 is not -0.0."""
    return repr(one) == repr(other)


@given(_PASSED_ON, st.booleans())
def test_what_can_be_passed_on_is_neither_refused_nor_changed(value: Json, ascii_only: bool) -> None:  # noqa: FBT001
    parsed = parse(json.dumps(value, ensure_ascii=ascii_only))
    assert same(parsed, value)
    assert same(orjson.loads(orjson.dumps(parsed)), value)


@given(VALUES)
def test_whatever_passes_survives_the_sdks_own_serialiser(text: str) -> None:
    try:
        parsed = parse(text)
    except InvalidJsonError:
        return
    assert same(orjson.loads(orjson.dumps(parsed)), parsed)


@pytest.mark.parametrize(
    ("text", "pointer", "detail"),
    [
        ("", "", "not JSON"),
        ("{", "", "not JSON"),
        ("{'a': 1}", "", "not JSON"),
        ("[1,]", "", "not JSON"),
        ("[1] [2]", "", "not JSON"),
        ("\ufeff{}", "", "byte order mark"),
        ('{"a": 1, "b": {"c": 1, "c": 1}}', "", "has the member c twice in one object; send it once"),
        ('{"a": ' + "9" * 4301 + "}", "", "an integer of more than 4,300 digits; send it as a string"),
        ("[" * 100_000, "", f"nested deeper than {MAX_DEPTH} levels"),
        ("NaN", "", "not a finite 64-bit"),
        ('{"input": {"x": [0, NaN]}}', "/input/x/1", "not a finite 64-bit"),
        ('{"input": Infinity}', "/input", "not a finite 64-bit"),
        ('{"input": -Infinity}', "/input", "not a finite 64-bit"),
        ('{"input": [1e400]}', "/input/0", "not a finite 64-bit"),
        ('{"input": [-1e400]}', "/input/0", "not a finite 64-bit"),
        (f'{{"input": {{"n": {2**64}}}}}', "/input/n", "an integer of more than 64 bits; send it as a string"),
        (f'{{"input": [0, 1, {-(2**63) - 1}]}}', "/input/2", "an integer of more than 64 bits; send it as a string"),
        ('"\\ud800"', "", "half of a surrogate pair"),
        ('{"a": ["b", "\\udc00\\ud800"]}', "/a/1", "half of a surrogate pair"),
        ('{"a": {"b": {"\\udfff": 1}}}', "/a/b", "half of a surrogate pair"),
        ('{"~/": {"": {"m~n/o": 1e400}}}', "/~0~1//m~0n~1o", "not a finite 64-bit"),
        ('{"a": [1, {"b": 1e400}], "c": 1e400}', "/a/1/b", "not a finite 64-bit"),
        ('{"a": 1, "b": [true, NaN, 1e400]}', "/b/1", "not a finite 64-bit"),
    ],
)
def test_the_first_value_that_cant_be_passed_on_is_named(text: str, pointer: str, detail: str) -> None:
    found, why = complaint(text)
    assert found == pointer
    assert detail in why


@pytest.mark.parametrize(("left", "right", "step"), [("[", "]", "/0"), ('{"a":', "}", "/a")])
def test_g6_depth_ends_at_its_limit(left: str, right: str, step: str) -> None:
    deepest = left * MAX_DEPTH + "1" + right * MAX_DEPTH
    assert orjson.loads(orjson.dumps(parse(deepest))) == json.loads(deepest)
    assert complaint(left + deepest + right) == (step * (MAX_DEPTH + 1), f"nested deeper than {MAX_DEPTH} levels")


@pytest.mark.parametrize(
    "text", [str(2**64 - 1), str(-(2**63)), "1.7976931348623157e308", "1e-400", '"\\ud83d\\ude00"', '"\\u0000"', "-0"]
)
def test_what_stands_just_within_the_limits_passes(text: str) -> None:
    assert same(parse(text), json.loads(text))


def test_a_member_that_stands_twice_among_very_many_is_found_at_once() -> None:
    """In a time that goes by their number, not by its square: this took a quarter of an hour."""
    text = "{" + ",".join(f'"{number}":1' for number in range(300_000)) + ',"0":1}'
    with pytest.raises(InvalidJsonError, match="has the member 0 twice"):
        parse(text)


def test_a_long_name_over_many_values_costs_no_memory_for_each() -> None:
    text = json.dumps({"k" * 20_000: [1] * 2_000})
    assert min(_peak(text) for _ in range(5)) < 20 * len(text)


def _peak(text: str) -> int:
    """Return how much memory is in use at the most while a text is parsed; threads that others left use some, too."""
    tracemalloc.start()
    try:
        parse(text)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("key", "escaped"), [("", ""), ("a", "a"), ("~", "~0"), ("/", "~1"), ("~1", "~01"), ("/~", "~1~0")]
)
def test_a_key_is_escaped_as_rfc_6901_says(key: str, escaped: str) -> None:
    assert escape(key) == escaped
