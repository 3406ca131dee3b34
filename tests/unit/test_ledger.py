"""What all items of the ledger have in common: shards, when to look again, and where a payload is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain import ledger
from runledger.domain.deliveries import Payload
from runledger.domain.ledger import SHARDS, Placed, shard
from runledger.domain.retry import FIRST_CHECK_SECONDS, next_check

LAUNCH, RUN = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
NOW = 1_795_327_172.75
PAYLOAD = Payload('{"a": 1}', 8, "5" * 64)
INLINE, SPILLED = Placed(PAYLOAD, None), Placed(PAYLOAD, "runs/r/5.json.gz")


@given(st.uuids().map(str))
def test_a_shard_is_one_of_eight(item_id: str) -> None:
    assert 0 <= shard(item_id) < SHARDS == 8


@pytest.mark.parametrize(("item_id", "expected"), [(LAUNCH, 7), (RUN, 5), ("", 0), ("é", 6)])
def test_a_shard_is_the_same_for_ever(item_id: str, expected: int) -> None:
    """An item in another shard than the one that is asked would never be found due."""
    assert shard(item_id) == expected


def test_g10_shards_take_even_shares() -> None:
    counts = Counter(shard(f"01a201d6-a0dc-7321-8df4-{n:012x}") for n in range(8000))
    assert set(counts) == set(range(SHARDS))
    assert max(counts.values()) < 1.2 * min(counts.values())


def test_what_is_due_is_so_at_a_whole_second_in_its_own_shard() -> None:
    assert ledger.due(RUN, NOW) == {"due_at": 1_795_327_172, "due_shard": "5"}
    assert set(ledger.due(RUN, NOW)) == set(ledger.NOT_DUE)


def test_g1_waits_between_looks_double_up_to_the_bound() -> None:
    waits = [next_check(checks, NOW, 900) - NOW for checks in range(6)]
    assert waits == [120, 240, 480, 900, 900, 900]


@given(st.integers(0, 10**9), st.integers(120, 86_400))
def test_g1_no_wait_is_longer_than_the_bound_or_shorter_than_the_first(checks: int, bound: int) -> None:
    """However often a run was looked at: a number of shifts that large would take for ever."""
    assert FIRST_CHECK_SECONDS <= next_check(checks, 0, bound) <= bound
    assert next_check(checks, 0, bound) <= next_check(checks + 1, 0, bound)


@pytest.mark.parametrize(
    ("placed", "payload", "key"), [(INLINE, '{"a": 1}', None), (SPILLED, None, "runs/r/5.json.gz")]
)
def test_a_payload_is_in_the_item_or_in_the_bucket(placed: Placed, payload: str | None, key: str | None) -> None:
    assert placed.attributes() == {
        "payload": payload,
        "payload_key": key,
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
    }


def test_the_same_content_of_the_same_run_is_the_same_object() -> None:
    assert ledger.payload_key(LAUNCH, RUN, "5" * 64) == f"runs/{LAUNCH}/{RUN}/{'5' * 64}.json.gz"
    assert ledger.payload_key(None, RUN, "5" * 64) == f"runs/shared/{RUN}/{'5' * 64}.json.gz"


def test_the_same_request_of_the_same_launch_is_the_same_object() -> None:
    assert ledger.request_key(LAUNCH, "5" * 64) == f"launches/{LAUNCH}/{'5' * 64}.json.gz"
