"""Each write to the ledger: what it puts down, and the condition that keeps order (G4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.core import ledger
from runledger.core.deliveries import Delivery, Payload
from runledger.core.ledger import FIRST_CHECK_SECONDS, SHARDS, Placed, shard

if TYPE_CHECKING:
    from runledger.core.outcomes import Outcome

LAUNCH, RUN, THREAD = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0dc-7321-8df4-30b90bcfb9f8", "thread"
NOW, NOW_TEXT = 1_795_327_172.75, "2026-11-22T05:59:32.750000Z"
CREATED, STARTED, ENDED = "2026-11-22T05:00:00.000000Z", "2026-11-22T05:01:00.000000Z", "2026-11-22T05:02:00.000000Z"
PAYLOAD = Payload('{"a": 1}', 8, "5" * 64)
INLINE, SPILLED = Placed(PAYLOAD, None), Placed(PAYLOAD, "runs/r/5.json.gz")
DELIVERY = Delivery(
    RUN, "error", "failed", LAUNCH, THREAD, "assistant", CREATED, STARTED, ENDED, {"type": "ValueError"}, PAYLOAD
)
BARE = Delivery(RUN, "error", "failed", None, None, None, None, None, None, None, PAYLOAD)


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


def test_g1_a_launch_is_claimed_once_and_due_before_it_is_known_to_run() -> None:
    update = ledger.claim(
        launch_id=LAUNCH,
        assistant_id="agent",
        thread_id=THREAD,
        own_thread=True,
        stream=False,
        langgraph_url="https://langgraph.example",
        now=NOW,
    )
    assert update.key == {"launch_id": LAUNCH}
    assert update.condition == "attribute_not_exists(#launch_id)"
    assert update.set == {
        "state": "starting",
        "attempt": 1,
        "assistant_id": "agent",
        "thread_id": THREAD,
        "own_thread": True,
        "stream": False,
        "langgraph_url": "https://langgraph.example",
        "created_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "due_at": 1_795_327_172 + FIRST_CHECK_SECONDS,
        "due_shard": str(shard(LAUNCH)),
    }
    assert not update.remove


@pytest.mark.parametrize(
    ("update", "state", "member"),
    [
        (ledger.launch_started(LAUNCH, RUN, NOW), "started", {"run_id": RUN}),
        (ledger.launch_refused(LAUNCH, "thread-busy", NOW), "refused", {"reason": "thread-busy"}),
    ],
)
def test_g4_a_launch_is_started_or_refused_out_of_starting_alone(
    update: ledger.Update, state: str, member: dict[str, str]
) -> None:
    assert update.key == {"launch_id": LAUNCH}
    assert update.condition == "#state = :starting AND attribute_not_exists(#heard_at)"
    assert update.given == {"starting": "starting"}
    assert update.set == {"state": state, "updated_at": NOW_TEXT, **member}
    assert set(update.remove) == {"due_at", "due_shard"}


def test_g6_a_launch_that_was_heard_of_is_started_and_stays_due() -> None:
    update = ledger.launch_started(LAUNCH, RUN, NOW, heard=True)
    assert update.condition == "#state = :starting"
    assert update.set == {"state": "started", "updated_at": NOW_TEXT, "run_id": RUN}
    assert not update.remove


def test_g7_a_launch_made_due_is_due_now_and_otherwise_as_it_was() -> None:
    update = ledger.launch_due(LAUNCH, NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.condition == "attribute_exists(#launch_id)", "what a forged token names must not be made"
    assert update.set == {"heard_at": NOW_TEXT, "due_at": 1_795_327_172, "due_shard": str(shard(LAUNCH))}
    assert not update.remove


@pytest.mark.parametrize("after_seconds", [0, 86_400])
def test_g4_a_pending_run_never_takes_the_place_of_anything(after_seconds: int) -> None:
    update = ledger.run_pending(
        run_id=RUN,
        launch_id=LAUNCH,
        thread_id=THREAD,
        assistant_id="agent",
        after_seconds=after_seconds,
        now=NOW,
    )
    assert update.key == {"run_id": RUN}
    assert update.condition == "attribute_not_exists(#run_id)"
    assert update.set == {
        "launch_id": LAUNCH,
        "thread_id": THREAD,
        "assistant_id": "agent",
        "status": "pending",
        "source": "launch",
        "outcome": "pending",
        "outcome_shard": f"pending#{shard(RUN)}",
        "created_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "due_at": 1_795_327_172 + after_seconds + FIRST_CHECK_SECONDS,
        "due_shard": str(shard(RUN)),
    }


def test_g4_a_delivery_is_recorded_once_and_on_its_own_launch_alone() -> None:
    update = ledger.run_delivered(DELIVERY, INLINE, LAUNCH, NOW)
    assert update.key == {"run_id": RUN}
    assert update.condition == (
        "(attribute_not_exists(#launch_id) OR #launch_id = :launch_id)"
        " AND (attribute_not_exists(#source) OR #source = :launch)"
    )
    assert update.given == {"launch": "launch", "launch_id": LAUNCH}
    assert update.set == {
        "launch_id": LAUNCH,
        "thread_id": THREAD,
        "assistant_id": "assistant",
        "status": "error",
        "source": "webhook",
        "outcome": "failed",
        "outcome_shard": f"failed#{shard(RUN)}",
        "started_at": STARTED,
        "ended_at": ENDED,
        "error": {"type": "ValueError"},
        "delivered_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "payload": '{"a": 1}',
        "payload_key": None,
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
        "created_at": CREATED,
    }
    assert not update.once, "LangGraph's time counts, whichever came first"


def test_a_delivery_with_a_shared_token_cant_touch_a_run_that_has_a_launch() -> None:
    update = ledger.run_delivered(BARE, INLINE, None, NOW)
    assert update.condition == (
        "(attribute_not_exists(#launch_id)) AND (attribute_not_exists(#source) OR #source = :launch)"
    )
    assert update.given == {"launch": "launch"}
    assert update.set["launch_id"] is None


def test_g4_the_token_decides_whose_a_run_is_and_not_the_body() -> None:
    """A trimmed body names no launch; the run must get its launch all the same."""
    assert ledger.run_delivered(BARE, INLINE, LAUNCH, NOW).set["launch_id"] == LAUNCH


def test_a_run_without_a_creation_time_has_the_time_of_its_delivery() -> None:
    assert ledger.run_delivered(BARE, INLINE, LAUNCH, NOW).once == {"created_at": NOW_TEXT}


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "timed_out", "cancelled", "rolled_back"])
def test_a_run_that_is_over_is_due_no_more(outcome: Outcome) -> None:
    update = ledger.run_delivered(replace(DELIVERY, outcome=outcome), INLINE, LAUNCH, NOW)
    assert set(update.remove) == {"due_at", "due_shard"}
    assert not {"due_at", "due_shard"} & set(update.set)


def test_g1_a_settling_run_stays_due() -> None:
    update = ledger.run_delivered(replace(DELIVERY, outcome="settling"), INLINE, LAUNCH, NOW)
    assert not update.remove
    assert update.set["due_at"] == 1_795_327_172 + FIRST_CHECK_SECONDS
    assert update.set["due_shard"] == str(shard(RUN))


def test_g4_another_delivery_is_kept_beside_the_first_and_counted_once() -> None:
    update = ledger.run_contradicted(DELIVERY, SPILLED, NOW)
    assert update.key == {"run_id": RUN}
    assert update.condition == "attribute_not_exists(#other_sha256) OR #other_sha256 <> :sha256"
    assert update.given == {"sha256": "5" * 64}
    assert update.set == {
        "other_status": "error",
        "other_sha256": "5" * 64,
        "other_key": "runs/r/5.json.gz",
        "other_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
    }
    assert update.add == {"other_count": 1}


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
