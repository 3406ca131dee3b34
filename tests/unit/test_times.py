"""One format for every time in the ledger."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain.times import iso, normalised

# Whole minutes, as ISO 8601 has them: Python itself drops an offset of less than a second.
_OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
_MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=_OFFSETS,
)


@given(_MOMENTS, _MOMENTS)
def test_text_sorts_as_time_does(one: datetime, other: datetime) -> None:
    first, second = normalised(one.isoformat()), normalised(other.isoformat())
    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)


@given(_MOMENTS)
def test_a_normalised_time_is_the_same_moment_and_stays_as_it_is(moment: datetime) -> None:
    text = normalised(moment.isoformat())
    assert text is not None
    assert len(text) == len("2026-11-22T05:59:32.829296Z")
    assert datetime.fromisoformat(text) == moment
    assert normalised(text) == text


@given(st.integers(min_value=0, max_value=4_000_000_000 * 10**6), st.integers(min_value=1, max_value=10**12))
def test_our_own_times_sort_among_langgraphs(microseconds: int, later: int) -> None:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds + later)
    theirs = normalised(moment.isoformat())
    assert theirs is not None
    assert iso(microseconds // 10**6) < theirs


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_327_172, "2026-11-22T05:59:32.000000Z"),
        (1_795_327_172.829296, "2026-11-22T05:59:32.829296Z"),
    ],
)
def test_our_own_times_always_have_six_decimals(seconds: float, expected: str) -> None:
    assert iso(seconds) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T05:59:32.829296+00:00", "2026-11-22T05:59:32.829296Z"),
        ("2026-11-22T05:59:32.829296Z", "2026-11-22T05:59:32.829296Z"),
        ("2026-11-22T05:59:32+00:00", "2026-11-22T05:59:32.000000Z"),
        ("2026-11-22T05:59:32.8+00:00", "2026-11-22T05:59:32.800000Z"),
        ("2026-11-22T07:29:32+01:30", "2026-11-22T05:59:32.000000Z"),
        ("2026-11-21T21:59:32-08:00", "2026-11-22T05:59:32.000000Z"),
        ("2026-11-22 05:59:32Z", "2026-11-22T05:59:32.000000Z"),
        ("0001-06-01T00:00:00Z", "0001-06-01T00:00:00.000000Z"),
    ],
)
def test_a_time_of_langgraphs_becomes_utc_with_six_decimals(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_a_time_without_an_offset_is_utc_whatever_the_machine_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert normalised("2026-11-22T05:59:32") == "2026-11-22T05:59:32.000000Z"
        assert iso(1_795_327_172) == "2026-11-22T05:59:32.000000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        "\ud800",
        "2026-11-22T05:59:32+00:00 ",
        "2026-13-01T00:00:00+00:00",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        1_795_327_172,
        True,
        ["2026-11-22T05:59:32+00:00"],
        {},
    ],
)
def test_what_is_no_time_is_none(value: object) -> None:
    assert normalised(value) is None
