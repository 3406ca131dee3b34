"""Pages of runs: every run once, newest first, whatever happens between two pages; cursors that reach nothing else."""

from __future__ import annotations

import base64
import json
import uuid
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runledger.domain.ledger import SHARDS, shard
from runledger.domain.listings import Listing, Position, page, parse_listing
from runledger.domain.problems import Problem
from runledger.domain.times import iso

THREAD = "01a201d6-a0d1-70a4-a07d-24d5b1a571e8"
NOW = 1_795_327_200.0

type Run = dict[str, Any]


def run_of(number: int, second: int) -> Run:
    run_id = str(uuid.UUID(int=number))
    return {"run_id": run_id, "created_at": iso(NOW + second), "outcome_shard": f"failed#{shard(run_id)}"}


def read(runs: list[Run], listing: Listing) -> list[list[Run]]:
    """Return what DynamoDB does for each partition; runs of one time stand there in an order of its own."""
    found = []
    for partition, after in zip(listing.partitions, listing.after, strict=True):
        there = [run for run in runs if listing.by == "thread_id" or run["outcome_shard"] == partition]
        there = [run for run in there if listing.newest is None or run["created_at"] <= listing.newest]
        there.sort(key=place, reverse=True)
        if after:
            left = place({"created_at": after.created_at, "run_id": after.run_id})
            there = [run for run in there if place(run) < left]
        found.append(there[: listing.limit + 1])
    return found


def place(run: Run) -> tuple[str, str]:
    return run["created_at"], run["run_id"][::-1]


def query_of(limit: int, cursor: str | None = None, **by: str) -> str:
    return urlencode({**by, "limit": limit, **({"cursor": cursor} if cursor else {})})


def refused(query: str) -> dict[str, str]:
    """Return what is said about each parameter."""
    with pytest.raises(Problem) as caught:
        parse_listing(query)
    assert caught.value.status == 400
    assert all(error.is_parameter for error in caught.value.errors)
    return {error.pointer: error.detail for error in caught.value.errors}


def cursor_of(limit: int = 1, **by: str) -> str:
    listing = parse_listing(query_of(limit, **(by or {"outcome": "failed"})))
    _, cursor = page(listing, read([run_of(number, number) for number in range(30)], listing))
    assert cursor
    return cursor


@given(
    seconds=st.lists(st.integers(0, 4), max_size=40),
    limit=st.integers(1, 12),
    by=st.sampled_from([{"outcome": "failed"}, {"thread_id": THREAD}]),
    changes=st.lists(st.tuples(st.integers(0, 39), st.integers(0, 3)), max_size=6),
)
@settings(max_examples=300)
def test_every_run_is_on_one_page_newest_first_also_when_runs_come_and_go_between_them(
    seconds: list[int], limit: int, by: dict[str, str], changes: list[tuple[int, int]]
) -> None:
    runs = [run_of(number, second) for number, second in enumerate(seconds)]
    stay = {run["run_id"] for number, run in enumerate(runs) if number not in {gone for gone, _ in changes}}
    seen: list[Run] = []
    cursor, turn = None, 0
    while cursor or not turn:
        assert turn <= len(seconds), "no end"
        listing = parse_listing(query_of(limit, cursor, **by))
        found, cursor = page(listing, read(runs, listing))
        assert len(found) <= limit
        assert len(found) == limit or cursor is None
        seen += found  # type: ignore[arg-type]
        gone = {str(uuid.UUID(int=number)) for number, when in changes if when == turn}
        runs = [run for run in runs if run["run_id"] not in gone] + [run_of(1000 + turn, 10 + turn)]
        turn += 1
    times = [run["created_at"] for run in seen]
    assert times == sorted(times, reverse=True)
    ids = [run["run_id"] for run in seen]
    assert len(set(ids)) == len(ids)
    assert stay <= set(ids)
    assert not [run_id for run_id in ids if run_id >= str(uuid.UUID(int=1000))]


def test_a_page_that_is_the_last_has_no_cursor() -> None:
    listing = parse_listing(f"thread_id={THREAD}&limit=3")
    runs = [run_of(number, number) for number in range(3)]
    assert page(listing, read(runs, listing)) == (runs[::-1], None)
    assert page(listing, [[]]) == ([], None)


def test_a_query_has_defaults() -> None:
    listing = parse_listing("outcome=awaiting_input")
    assert (listing.by, listing.value, listing.limit, listing.newest) == ("outcome", "awaiting_input", 20, None)
    assert listing.partitions == tuple(f"awaiting_input#{number}" for number in range(SHARDS))
    assert listing.after == (None,) * SHARDS


def test_a_thread_is_found_however_its_id_is_spelt() -> None:
    assert parse_listing(f"thread_id={THREAD.upper()}").value == THREAD
    assert set(refused("thread_id=Some%20Thread")) == {"thread_id"}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", {"thread_id"}),
        ("thread_id=a&outcome=failed", {"thread_id"}),
        ("thread_id=", {"thread_id"}),
        (f"thread_id={'a' * 257}", {"thread_id"}),
        ("outcome=success", {"outcome"}),
        ("outcome=", {"outcome"}),
        ("outcome=failed&outcome=lost", {"outcome"}),
        ("outcome=failed&status=error", {"status"}),
        *((f"outcome=failed&limit={limit}", {"limit"}) for limit in ("0", "101", "-1", "1e1", "", "\u0663", "01")),
        ("limit=0&outcome=x&page=2", {"limit", "outcome", "page"}),
    ],
)
def test_a_bad_parameter_is_named(query: str, named: set[str]) -> None:
    assert set(refused(query)) == named


def test_a_cursor_leads_on_under_its_own_query_alone() -> None:
    cursor = cursor_of()
    assert parse_listing(query_of(5, cursor, outcome="failed")).newest == iso(NOW + 29)
    assert set(refused(query_of(1, cursor, outcome="lost"))) == {"cursor"}
    assert set(refused(query_of(1, cursor, thread_id=THREAD))) == {"cursor"}
    assert set(refused(query_of(1, cursor_of(thread_id=THREAD), thread_id=str(uuid.UUID(int=1))))) == {"cursor"}


def rewritten(cursor: str, at: int, part: Any) -> str:
    members = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    members[at] = part
    return base64.urlsafe_b64encode(json.dumps(members).encode()).decode().rstrip("=")


AT = iso(NOW)
LATER = iso(NOW + 3600)
RUN = str(uuid.UUID(int=7))


@pytest.mark.parametrize(
    ("at", "part"),
    [
        (0, "0" * 16),
        (0, None),
        (1, "yesterday"),
        (1, None),
        (1, 7),
        (2, None),
        (2, []),
        (2, [None] * 7),
        (2, [None] * 9),
        (2, {"0": None}),
        *((2, [part] + [None] * 7) for part in (7, [], [AT], [AT, RUN, "lost#0"], [RUN, AT], [AT, "x"], [AT, None])),
        *((2, [part] + [None] * 7) for part in ([LATER, RUN], {"a": 1, "b": 2}, "ab", [AT, RUN.upper() + " "])),
    ],
)
def test_g6_a_cursor_of_somebodys_own_making_is_refused(at: int, part: Any) -> None:
    assert parse_listing(query_of(1, rewritten(cursor_of(), 2, [None] * 8), outcome="failed"))
    assert set(refused(query_of(1, rewritten(cursor_of(), at, part), outcome="failed"))) == {"cursor"}


@pytest.mark.parametrize(
    "cursor", ["", "A", "é", "bm8", "W10", "W" * 20_000, "[[[", base64.b64encode(b"[" * 99_999).decode()]
)
def test_what_is_no_cursor_is_refused(cursor: str) -> None:
    assert set(refused(f"outcome=failed&{urlencode({'cursor': cursor})}")) == {"cursor"}


@given(st.integers(0, 700), st.binary(max_size=3))
def test_a_damaged_cursor_is_refused_or_asks_for_the_same_partitions(at: int, part: bytes) -> None:
    whole = cursor_of()
    cursor = whole[:at] + base64.urlsafe_b64encode(part).decode() + whole[at + 1 :]
    with suppress(Problem):
        listing = parse_listing(query_of(1, cursor, outcome="failed"))
        assert listing.partitions == tuple(f"failed#{number}" for number in range(SHARDS))
        assert all(one is None or isinstance(one, Position) for one in listing.after)
