"""Each transition of a launch: what it puts down and takes away, and the condition that keeps order (G2, G4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import launch_states
from runledger.domain.conditions import Absent, AtMost, Below, Either, Equals, OneOf, Present
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import SCHEMA, shard
from runledger.domain.retry import FIRST_CHECK_SECONDS, LEASE_SECONDS

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.ledger import Update

LAUNCH, RUN, THREAD = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0dc-7321-8df4-30b90bcfb9f8", "thread"
NOW, NOW_TEXT, SECOND = 1_795_327_172.75, "2026-11-22T05:59:32.750000Z", 1_795_327_172
SHARD = str(shard(LAUNCH))
NONE_KEPT = Below("kept_count", 1)
MINE = (Equals("state", "starting"), Equals("holder", "me"))
LEASED = {
    "holder": "me",
    "lease_until": SECOND + LEASE_SECONDS,
    "updated_at": NOW_TEXT,
    "due_at": SECOND + LEASE_SECONDS,
    "due_shard": SHARD,
}
ITEM = {
    "launch_id": LAUNCH,
    "state": "starting",
    "attempt": 1,
    "holder": "me",
    "lease_until": SECOND,
    "thread_id": THREAD,
    "own_thread": True,
    "digest": "d",
    "langgraph_url": "https://langgraph.example",
    "created_at": NOW_TEXT,
}
HELD = Launch.read(ITEM)
STARTED_OVER = replace(HELD, attempt=2, own_thread=False)


def claimed(**changes: Any) -> Update:
    facts: dict[str, Any] = {
        "launch_id": LAUNCH,
        "digest": "d",
        "request": "{}",
        "request_key": None,
        "assistant_id": "agent",
        "thread_id": THREAD,
        "own_thread": True,
        "stream": False,
        "langgraph_url": "https://langgraph.example",
        "holder": "me",
        "now": NOW,
    }
    return launch_states.claimed(**{**facts, **changes})


def test_g2_a_launch_is_claimed_once_and_due_when_its_claim_lapses() -> None:
    update = claimed()
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Absent("launch_id"),)
    assert update.set == {
        "schema": SCHEMA,
        "state": "starting",
        "attempt": 1,
        "digest": "d",
        "request": "{}",
        "request_key": None,
        "assistant_id": "agent",
        "thread_id": THREAD,
        "own_thread": True,
        "stream": False,
        "langgraph_url": "https://langgraph.example",
        "start_nonce": LEASED["holder"],
        "task_token": None,
        "called_at": None,
        "created_at": NOW_TEXT,
        **LEASED,
    }
    assert not update.remove


def test_g2_a_claim_reads_as_it_was_written() -> None:
    update = claimed(request=None, request_key="launches/l/d.json.gz")
    item = {name: value for name, value in {**update.key, **update.set}.items() if value is not None}
    due = SECOND + LEASE_SECONDS
    read = replace(HELD, lease_until=due, request_key="launches/l/d.json.gz", start_nonce=HELD.holder)
    assert Launch.read(item) == read
    more = {"run_id": RUN, "request": "{}", "checks": 2}
    assert Launch.read(ITEM | more) == replace(HELD, run_id=RUN, request="{}", checks=2)


def test_g2_a_lease_is_longer_than_what_it_covers_can_take() -> None:
    assert LEASE_SECONDS >= 35 + 20


@pytest.mark.parametrize(
    ("state", "lease_until", "is_held"),
    [
        ("starting", SECOND + 1, True),
        ("starting", SECOND, False),
        ("refused", SECOND + 1, False),
        ("started", SECOND + 1, False),
    ],
)
def test_g2_a_launch_is_held_while_it_starts_until_its_lease_lapses(
    state: str, lease_until: int, *, is_held: bool
) -> None:
    assert replace(HELD, state=state, lease_until=lease_until).is_held(SECOND) is is_held


@pytest.mark.parametrize(
    ("attempt", "own_thread", "may_be"), [(1, True, False), (1, False, False), (2, True, False), (2, False, True)]
)
def test_g2_only_what_was_started_over_on_a_callers_thread_may_be_doubled(
    attempt: int, *, own_thread: bool, may_be: bool
) -> None:
    assert replace(HELD, attempt=attempt, own_thread=own_thread).may_be_doubled is may_be


@pytest.mark.parametrize("state", ["starting", "refused"])
def test_g2_a_launch_is_taken_over_only_as_it_was_read(state: str) -> None:
    update = launch_states.taken_over(replace(HELD, state=state, holder="other"), "me", NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Equals("state", state), Equals("holder", "other"), Equals("lease_until", SECOND))
    assert update.set == {"state": "starting", **LEASED}
    assert update.remove == ("reason", "detail")


def test_g2_g11_another_attempt_is_its_holders_alone_while_no_delivery_is_kept_and_counts_up_from_the_last() -> None:
    update = launch_states.attempted(replace(HELD, attempt=3), "another", NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (*MINE, Equals("attempt", 3), NONE_KEPT)
    assert update.set == {"attempt": 4, "thread_id": "another", **LEASED}
    assert update.remove == ("heard_at", "watches"), "what was heard was looked for; this attempt is watched anew"


def test_g4_g11_a_launch_is_started_at_this_attempt_and_due_no_more_unless_a_delivery_is_kept() -> None:
    update = launch_states.started(HELD, RUN, NOW)
    assert update.key == {"launch_id": LAUNCH}
    unheard = Absent("heard_at"), Absent("task_token"), NONE_KEPT
    assert update.when == (OneOf("state", ("starting", "refused")), Equals("attempt", 1), *unheard)
    assert update.set == {"state": "started", "run_id": RUN, "updated_at": NOW_TEXT}
    assert set(update.remove) == {
        "request",
        "request_key",
        "reason",
        "detail",
        "checks",
        "failures",
        "due_at",
        "due_shard",
    }


def test_g2_what_may_be_doubled_is_started_and_stays_to_be_watched() -> None:
    update = launch_states.started(STARTED_OVER, RUN, NOW)
    assert update.set == {
        "state": "started",
        "run_id": RUN,
        "updated_at": NOW_TEXT,
        "due_at": SECOND + FIRST_CHECK_SECONDS,
        "due_shard": SHARD,
    }
    assert set(update.remove) == {"request", "request_key", "reason", "detail", "checks", "failures"}


@pytest.mark.parametrize("launch", [HELD, STARTED_OVER])
def test_g6_a_launch_that_was_heard_of_is_started_and_stays_due_as_it_is(launch: Launch) -> None:
    update = launch_states.started(launch, RUN, NOW, heard=True)
    assert update.when == (OneOf("state", ("starting", "refused")), Equals("attempt", launch.attempt))
    assert update.set == {"state": "started", "run_id": RUN, "updated_at": NOW_TEXT}
    assert set(update.remove) == {"request", "request_key", "reason", "detail", "checks", "failures"}


def test_g11_a_launch_knows_the_run_of_its_answer_unless_a_delivery_about_that_is_kept() -> None:
    update = launch_states.continued(LAUNCH, RUN, NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Present("launch_id"), Absent(f"kept_about_{RUN.replace('-', '_')}"))
    assert update.set == {"answer_run_id": RUN, "updated_at": NOW_TEXT}
    assert not update.remove


def test_g4_a_launch_is_refused_by_its_holder_alone_unless_something_was_heard_of_it() -> None:
    update = launch_states.refused(HELD, "thread-busy", "It is busy.", NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (*MINE, Absent("heard_at"), NONE_KEPT, Absent("task_token"))
    assert update.set == {
        "state": "refused",
        "reason": "thread-busy",
        "detail": "It is busy.",
        "updated_at": NOW_TEXT,
    }
    assert set(update.remove) == {"checks", "failures", "due_at", "due_shard"}, (
        "the request stays, for it may be tried again"
    )


@pytest.mark.parametrize(
    ("state", "attempt", "reason", "is_unstarted"),
    [
        ("refused", 1, "thread-busy", True),
        ("refused", 2, "thread-busy", False),
        ("starting", 1, None, False),
        ("started", 1, None, False),
    ],
)
def test_g2_a_launch_is_known_to_be_unstarted_if_its_only_attempt_was_refused(
    state: str, attempt: int, reason: str | None, *, is_unstarted: bool
) -> None:
    assert replace(HELD, state=state, attempt=attempt, reason=reason).is_unstarted is is_unstarted


def test_g2_a_refused_launch_whose_earlier_run_may_appear_stays_to_be_watched() -> None:
    update = launch_states.refused(STARTED_OVER, "thread-busy", "It is busy.", NOW)
    assert (update.set["due_at"], update.set["due_shard"]) == (SECOND + FIRST_CHECK_SECONDS, SHARD)
    assert set(update.remove) == {"checks", "failures"}


def test_g8_a_refused_launch_for_which_a_task_waits_stays_due_until_that_was_told() -> None:
    update = launch_states.refused(replace(HELD, calls_back=True), "thread-busy", "It is busy.", NOW)
    assert update.when == (*MINE, Absent("heard_at"), NONE_KEPT)
    assert set(update.remove) == {"checks", "failures"}


def test_g8_the_newest_token_of_the_same_request_counts_and_makes_its_launch_due() -> None:
    update = launch_states.called_for(LAUNCH, "d", "token", 1_000, NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Equals("digest", "d"), Either(Absent("called_at"), AtMost("called_at", 1_000)))
    due = {"due_at": SECOND + LEASE_SECONDS, "due_shard": SHARD}
    assert update.set == {"task_token": "token", "called_at": 1_000, **due}


def test_g8_a_launch_whose_task_could_not_be_told_is_due_soon() -> None:
    update = launch_states.call_later(LAUNCH, NOW)
    assert (update.key, update.when) == ({"launch_id": LAUNCH}, (Present("task_token"),))
    assert update.set == {"due_at": SECOND + LEASE_SECONDS, "due_shard": SHARD}


def test_g1_a_launch_that_is_to_be_tried_again_is_left_alone_until_then_and_no_check_is_counted() -> None:
    update = launch_states.deferred(LAUNCH, NOW + 300)
    assert (update.key, update.when) == ({"launch_id": LAUNCH}, (Present("due_at"),))
    assert update.set == {"due_at": SECOND + 300, "due_shard": SHARD}
    assert not update.add


def test_g5_a_token_that_was_used_is_dropped_unless_it_is_another_by_now() -> None:
    update = launch_states.called_back(LAUNCH, "token")
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Equals("task_token", "token"),)
    assert update.remove == ("task_token",)


def test_g7_a_launch_that_was_heard_of_is_due_now_and_otherwise_as_it_was() -> None:
    update = launch_states.heard(LAUNCH, NOW)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Present("launch_id"),), "what a forged token names must not be made"
    assert update.set == {"heard_at": NOW_TEXT, "due_at": SECOND, "due_shard": SHARD}
    assert not update.remove


def test_g1_g11_a_launch_is_done_with_only_if_nothing_was_heard_since_and_no_delivery_is_kept() -> None:
    update = launch_states.checked(LAUNCH, SECOND)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Equals("due_at", SECOND), NONE_KEPT)
    assert not update.set
    assert set(update.remove) == {"due_at", "due_shard"}


def test_g1_a_launch_is_looked_at_again_later_unless_it_is_due_no_more() -> None:
    update = launch_states.postponed(LAUNCH, 1, NOW + 120)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Present("due_at"),)
    assert update.set == {"due_at": SECOND + 120, "due_shard": SHARD}
    assert update.add == {"checks": 1}
    assert not update.remove


@pytest.mark.parametrize(("watches", "as_read"), [(0, Absent("watches")), (2, Equals("watches", 2))])
def test_g2_a_watch_is_counted_and_made_again_later_while_the_launch_is_due(watches: int, as_read: Condition) -> None:
    update = launch_states.watched(replace(STARTED_OVER, watches=watches), NOW + 120)
    assert update.key == {"launch_id": LAUNCH}
    assert update.when == (Present("due_at"), as_read)
    assert update.set == {"due_at": SECOND + 120, "due_shard": SHARD}
    assert update.add == {"watches": 1}


@pytest.mark.parametrize(("was", "as_read"), [(None, Absent("thread_id")), ("old", Equals("thread_id", "old"))])
def test_g13_a_canary_takes_the_place_of_the_one_that_was_read_and_is_not_missed(
    was: str | None, as_read: Condition
) -> None:
    update = launch_states.canary("canary-1", THREAD, was, NOW)
    assert (update.key, update.when) == ({"launch_id": "canary-1"}, (as_read,))
    assert update.set == {"thread_id": THREAD, "created_at": NOW_TEXT}
    assert update.remove == ("missed_since",)


def test_g13_a_canary_is_missed_since_a_time_until_it_is_known() -> None:
    missed = launch_states.canary_miss("canary-1", THREAD, SECOND)
    assert (missed.key, missed.when) == ({"launch_id": "canary-1"}, (Equals("thread_id", THREAD),))
    assert (missed.set, missed.remove) == ({"missed_since": SECOND}, ())
    known = launch_states.canary_seen("canary-1", THREAD)
    assert (known.key, known.when) == ({"launch_id": "canary-1"}, (Equals("thread_id", THREAD),))
    assert (known.set, known.remove) == ({}, ("missed_since",))


def test_every_transition_is_in_the_table_and_the_table_names_no_other() -> None:
    told = re.findall(r"^\| (\w+) ", str(launch_states.__doc__), re.MULTILINE)
    made = {
        name for name, it in vars(launch_states).items() if getattr(it, "__annotations__", {}).get("return") == "Update"
    }
    assert set(told) - {"transition"} == made
