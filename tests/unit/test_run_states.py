"""Each transition of a run: what it puts down and takes away, and the condition that keeps order (G4)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import retry, run_states
from runledger.domain.conditions import Absent, AtLeast, AtMost, Either, Equals, OneOf, Present
from runledger.domain.deliveries import Delivery, Payload
from runledger.domain.ledger import SCHEMA, Placed, shard
from runledger.domain.retry import FIRST_CHECK_SECONDS, MISSED_SECONDS, is_missed_for_good
from runledger.domain.run_states import conflicts
from runledger.domain.settling import Seen

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.ledger import Update
    from runledger.domain.outcomes import Outcome

LAUNCH, RUN, THREAD = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "01a201d6-a0dc-7321-8df4-30b90bcfb9f8", "thread"
NOW, NOW_TEXT, SECOND = 1_795_327_172.75, "2026-11-22T05:59:32.750000Z", 1_795_327_172
CREATED, STARTED, ENDED = "2026-11-22T05:00:00.000000Z", "2026-11-22T05:01:00.000000Z", "2026-11-22T05:02:00.000000Z"
PAYLOAD = Payload('{"a": 1}', 8, "5" * 64)
INLINE, SPILLED = Placed(PAYLOAD, None), Placed(PAYLOAD, "runs/r/5.json.gz")
DELIVERY = Delivery(
    run_id=RUN,
    status="error",
    outcome="failed",
    launch_id=LAUNCH,
    thread_id=THREAD,
    assistant_id="assistant",
    created_at=CREATED,
    started_at=STARTED,
    ended_at=ENDED,
    error={"type": "ValueError"},
    metadata='{"a": 1.0}',
    payload=PAYLOAD,
)
BARE = Delivery(RUN, "error", "failed", None, None, None, None, None, None, None, None, PAYLOAD)
SEEN = Seen("success", "awaiting_input", ENDED, None, '[{"id": "i"}]', began=True, metadata='{"b": 2}')
DUE = {"due_at", "due_shard"}
LOOKED = {
    "checks",
    "enqueued",
    "failures",
    "misses",
    "missed_since",
    "unreadable",
    "unread_since",
}  # what is counted while nothing is known
CLAIM = {  # what only a token vouches for
    *("claim", "claimed_by", "misses", "missed_since", "delivered_at", "error"),
    *("payload", "payload_key", "payload_bytes", "payload_sha256"),
}
STILL_OURS = (Equals("source", "launch"), OneOf("outcome", ("pending", "lost")))
OVER: tuple[Outcome, ...] = ("succeeded", "failed", "timed_out", "cancelled", "rolled_back")


def due_in(seconds: int) -> dict[str, int | str]:
    return {"due_at": SECOND + seconds, "due_shard": str(shard(RUN))}


def there(recorded: str) -> Any:
    """Return a run that reconcile has recorded, with another word of LangGraph's than the delivery has."""
    return {"run_id": RUN, "outcome": recorded, "status": "another"}


def told(update: Update) -> object:
    """Return the outcomes that the update puts down to be told to the rest of AWS."""
    return update.add.get("unpublished", set())


def outcome(name: str) -> dict[str, str]:
    return {"outcome": name, "outcome_shard": f"{name}#{shard(RUN)}"}


def changes(update: Update) -> dict[str, object]:
    """Return what the update sets, about the right run, but for `event_state`, which goes with `unpublished` (G8)."""
    assert update.key == {"run_id": RUN}
    assert not set(update.remove) & {name for name, value in update.set.items() if value is not None}
    puts_events = "unpublished" in update.add or bool(update.set.get("unpublished"))
    assert update.set.get("event_state") == ("unpublished" if puts_events else None)
    assert ("event_state" in update.remove) == ("unpublished" in update.remove)
    return {name: value for name, value in update.set.items() if value is not None and name != "event_state"}


@pytest.mark.parametrize("after_seconds", [0, 86_400])
def test_g4_g11_a_pending_run_takes_the_place_of_nothing_but_a_claim(after_seconds: int) -> None:
    update = run_states.pending(
        run_id=RUN,
        launch_id=LAUNCH,
        thread_id=THREAD,
        assistant_id="agent",
        after_seconds=after_seconds,
        now=NOW,
        metadata='{"a": 1}',
    )
    assert update.when == (Either(Absent("run_id"), Present("claim")),)
    assert set(update.remove) == CLAIM
    assert changes(update) == {
        "schema": SCHEMA,
        "launch_id": LAUNCH,
        "thread_id": THREAD,
        "assistant_id": "agent",
        "metadata": '{"a": 1}',
        "status": "pending",
        "source": "launch",
        "created_at": NOW_TEXT,
        "starts_at": int(NOW) + after_seconds,
        "updated_at": NOW_TEXT,
        **outcome("pending"),
        **due_in(after_seconds + FIRST_CHECK_SECONDS),
    }


def test_g4_a_launch_adds_what_it_alone_knows_to_a_run_of_its_own_or_of_nobodys() -> None:
    made = run_states.pending(
        run_id=RUN,
        launch_id=LAUNCH,
        thread_id=THREAD,
        assistant_id="agent",
        after_seconds=0,
        now=NOW,
        metadata='{"a": 1}',
        langgraph_url="https://langgraph.example",
    )
    update = run_states.launched(made)
    assert update.when == (Either(Absent("launch_id"), Equals("launch_id", LAUNCH)),)
    assert changes(update) == {}
    assert update.once == {
        "launch_id": LAUNCH,
        "thread_id": THREAD,
        "assistant_id": "agent",
        "metadata": '{"a": 1}',
        "langgraph_url": "https://langgraph.example",
        "created_at": NOW_TEXT,
        "starts_at": int(NOW),
    }
    assert not update.remove


def test_g4_g11_a_delivery_is_recorded_once_and_on_a_recorded_run_of_its_own_launch_alone() -> None:
    update = run_states.delivered(DELIVERY, INLINE, LAUNCH, NOW)
    assert update.when == (Equals("source", "launch"), Equals("launch_id", LAUNCH))
    assert changes(update) == {
        "status": "error",
        "source": "webhook",
        **outcome("failed"),
        **due_in(FIRST_CHECK_SECONDS),
        "started_at": STARTED,
        "ended_at": ENDED,
        "error": {"type": "ValueError"},
        "error_brief": {"type": "ValueError"},
        "delivered_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "payload": '{"a": 1}',
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
        "unverified": True,
    }
    assert told(update) == {"failed"}
    assert update.once == {"metadata": '{"a": 1.0}'}, "its launch's metadata stay"


def test_g11_a_delivery_with_a_shared_token_is_recorded_only_on_a_confirmed_run_without_a_launch() -> None:
    update = run_states.delivered(BARE, INLINE, None, NOW)
    assert update.when == (Equals("source", "launch"), Absent("launch_id"))


@pytest.mark.parametrize("launch_id", [LAUNCH, None])
@pytest.mark.parametrize("delivery", [DELIVERY, BARE])
def test_g4_g11_no_body_changes_what_the_launcher_or_langgraph_said_of_a_runs_beginning(
    delivery: Delivery, launch_id: str | None
) -> None:
    update = run_states.delivered(delivery, INLINE, launch_id, NOW)
    known = {"launch_id", "thread_id", "assistant_id", "created_at", "starts_at"}
    assert not known & {*update.set, *update.once, *update.remove}


@pytest.mark.parametrize("name", OVER)
def test_g11_an_end_that_a_webhook_tells_of_is_unverified(name: Outcome) -> None:
    assert changes(run_states.delivered(replace(DELIVERY, outcome=name), INLINE, LAUNCH, NOW))["unverified"] is True


def test_g11_a_success_that_langgraph_is_to_settle_needs_no_mark() -> None:
    update = run_states.delivered(replace(DELIVERY, outcome="settling"), INLINE, LAUNCH, NOW)
    assert update.set["unverified"] is None


@pytest.mark.parametrize("disputed", [False, True])
def test_g11_a_kept_delivery_that_another_contradicts_is_recorded_as_disputed(*, disputed: bool) -> None:
    update = run_states.delivered(DELIVERY, INLINE, LAUNCH, NOW, disputed=disputed)
    assert update.set["disputed"] == (True if disputed else None)


def test_g11_a_run_without_a_thread_is_believed_once_and_marked_as_not_confirmed() -> None:
    update = run_states.believed(replace(DELIVERY, temporary=True), INLINE, "https://x.org", NOW)
    assert update.when == (Absent("run_id"),)
    assert changes(update) == {
        "schema": SCHEMA,
        "confirmed": False,
        "langgraph_url": "https://x.org",
        "assistant_id": "assistant",
        "metadata": '{"a": 1.0}',
        "created_at": NOW_TEXT,
        "status": "error",
        "source": "webhook",
        **outcome("failed"),
        **due_in(FIRST_CHECK_SECONDS),
        "started_at": STARTED,
        "ended_at": ENDED,
        "error": {"type": "ValueError"},
        "error_brief": {"type": "ValueError"},
        "delivered_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "payload": '{"a": 1}',
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
    }, "no launch, no thread, and our own clock's time"
    assert told(update) == {"failed"}
    assert not update.once
    assert not update.remove


def test_g13_a_run_that_must_not_be_asked_about_is_due_later_and_nothing_else() -> None:
    update = run_states.deferred(RUN, 7, NOW + 900)
    assert update.when == (Equals("due_at", 7),)
    assert update.set == {"due_at": int(NOW) + 900, "due_shard": str(shard(RUN))}
    assert (update.add, update.once, update.remove) == ({}, {}, ())


@pytest.mark.parametrize("name", OVER)
def test_g8_a_run_that_is_over_stays_due_until_that_is_told(name: Outcome) -> None:
    update = run_states.delivered(replace(DELIVERY, outcome=name), INLINE, LAUNCH, NOW)
    assert set(update.remove) == LOOKED
    assert changes(update).items() >= due_in(FIRST_CHECK_SECONDS).items()
    assert told(update) == {name}


def test_g1_a_settling_run_stays_due_and_is_looked_at_as_if_for_the_first_time() -> None:
    update = run_states.delivered(replace(DELIVERY, outcome="settling"), INLINE, LAUNCH, NOW)
    assert set(update.remove) == LOOKED
    assert changes(update).items() >= due_in(FIRST_CHECK_SECONDS).items()
    assert told(update) == set()


@pytest.mark.parametrize(
    ("says", "recorded", "kept", "unverified"),
    [
        ("failed", "failed", "failed", False),
        ("failed", "settling", "failed", True),
        ("settling", "settling", "settling", False),
        ("settling", "succeeded", "succeeded", False),
        ("settling", "answered", "answered", False),
    ],
)
def test_g4_g11_a_webhook_after_a_reconciled_record_replaces_payload_and_source_and_only_what_is_not_settled(
    says: Outcome, recorded: Outcome, kept: str, *, unverified: bool
) -> None:
    update = run_states.superseding(replace(DELIVERY, outcome=says), INLINE, there(recorded), NOW)
    assert update.when == (Equals("source", "reconcile"), Equals("outcome", recorded), Absent("corrected"))
    assert changes(update) == {
        "status": "error",
        "source": "webhook",
        **outcome(kept),
        **({"unverified": True} if unverified else {}),
        "started_at": STARTED,
        "ended_at": ENDED,
        "error": {"type": "ValueError"},
        "error_brief": {"type": "ValueError"},
        "delivered_at": NOW_TEXT,
        "updated_at": NOW_TEXT,
        "payload": '{"a": 1}',
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
    }
    counts = set() if kept == recorded else LOOKED  # a new outcome is worked on afresh
    assert set(update.remove) == {"payload_key", "result_too_large", "webhook_awaited"} | counts
    assert told(update) == ({kept} if kept != recorded else set()), "each outcome is told once"


def test_g4_a_superseding_payload_in_the_bucket_takes_the_one_in_the_item_away() -> None:
    update = run_states.superseding(DELIVERY, SPILLED, there("failed"), NOW)
    assert changes(update)["payload_key"] == "runs/r/5.json.gz"
    assert "payload" in update.remove
    assert "payload_key" not in update.remove


@pytest.mark.parametrize("recorded", ["settling", "succeeded", "awaiting_input", "answered", "abandoned"])
def test_g4_a_success_that_is_not_settled_contradicts_no_end_of_a_success(recorded: Outcome) -> None:
    assert not conflicts(replace(DELIVERY, outcome="settling"), there(recorded))


@pytest.mark.parametrize("says", ["settling", *OVER])
@pytest.mark.parametrize("recorded", ["failed", "timed_out", "cancelled", "rolled_back"])
def test_g4_any_other_final_outcome_is_contradicted_by_all_but_itself(says: Outcome, recorded: Outcome) -> None:
    assert conflicts(replace(DELIVERY, outcome=says), there(recorded)) is (says != recorded)


@pytest.mark.parametrize("recorded", OVER)
def test_g4_langgraphs_own_word_contradicts_nothing_that_came_after_it(recorded: Outcome) -> None:
    """A run that waited was cancelled, in the ledger alone, before its webhook came."""
    late = replace(DELIVERY, status="success", outcome="settling")
    assert not conflicts(late, {"outcome": recorded, "status": "success"})


@pytest.mark.parametrize("says", ["settling", *OVER])
def test_g4_nothing_contradicts_what_is_not_settled(says: Outcome) -> None:
    assert not conflicts(replace(DELIVERY, outcome=says), there("settling"))


def test_g4_what_langgraph_says_is_recorded_only_where_no_webhook_was() -> None:
    update = run_states.reconciled(RUN, SEEN, INLINE, NOW)
    assert update.when == STILL_OURS
    assert changes(update) == {
        "source": "reconcile",
        "status": "success",
        "ended_at": ENDED,
        "questions": '[{"id": "i"}]',
        "webhook_awaited": True,
        "updated_at": NOW_TEXT,
        "payload": '{"a": 1}',
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
        **outcome("awaiting_input"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) == LOOKED
    assert told(update) == {"awaiting_input"}


@pytest.mark.parametrize(("name", "status"), [("failed", "error"), ("succeeded", "success"), ("settling", "paused")])
def test_g1_a_reconciled_run_stays_due_until_its_webhook_is_given_up(name: Outcome, status: str) -> None:
    seen = Seen(status, name, ENDED, {"message": "boom"}, None, began=True)
    update = run_states.reconciled(RUN, seen, INLINE, NOW)
    assert changes(update).items() >= due_in(FIRST_CHECK_SECONDS).items()
    assert changes(update)["webhook_awaited"] is True
    assert changes(update)["error"] == {"message": "boom"}
    assert run_states.reconciled(RUN, SEEN, INLINE, NOW).once == {"metadata": '{"b": 2}'}


def test_g1_a_run_that_never_began_has_no_webhook_to_wait_for() -> None:
    update = run_states.reconciled(RUN, Seen("interrupted", "cancelled", ENDED, None, None, began=False), INLINE, NOW)
    assert "webhook_awaited" not in changes(update)
    assert set(update.remove) == LOOKED
    assert told(update) == {"cancelled"}


def test_g1_a_run_whose_webhook_was_heard_of_has_none_to_wait_for() -> None:
    update = run_states.reconciled(RUN, replace(SEEN, outcome="succeeded"), INLINE, NOW, is_heard=True)
    assert "webhook_awaited" not in changes(update)
    assert set(update.remove) == LOOKED


def test_g1_a_result_that_is_too_large_leaves_an_outcome_without_payload() -> None:
    made = changes(run_states.reconciled(RUN, SEEN, None, NOW))
    assert made["result_too_large"] is True
    assert made["outcome"] == "awaiting_input"
    assert not {"payload", "payload_key", "payload_bytes", "payload_sha256"} & set(made)


@pytest.mark.parametrize(
    ("name", "status", "error"), [("succeeded", "success", None), ("failed", "error", {"message": "no"})]
)
def test_g4_only_what_is_settling_is_settled_and_that_is_told(
    name: Outcome, status: str, error: dict[str, str] | None
) -> None:
    update = run_states.settled(RUN, Seen(status, name, None, error, None, began=True), NOW)
    assert update.when == (Equals("outcome", "settling"),)
    told_of = {"status": status, **({"error": error, "error_brief": error} if error else {})}
    assert changes(update) == {"updated_at": NOW_TEXT, **told_of, **outcome(name), **due_in(FIRST_CHECK_SECONDS)}
    assert set(update.remove) == LOOKED
    assert told(update) == {name}


def test_g1_a_success_that_turns_out_to_wait_has_its_questions_and_stays_due() -> None:
    update = run_states.settled(RUN, Seen("success", "awaiting_input", None, None, "[]", began=True), NOW)
    assert changes(update) == {
        "status": "success",
        "questions": "[]",
        "updated_at": NOW_TEXT,
        **outcome("awaiting_input"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) == LOOKED


@pytest.mark.parametrize("name", ["succeeded", "failed", "lost"])
def test_g8_g11_a_run_that_is_over_is_due_no_more_once_it_was_told_as_it_was_read(name: str) -> None:
    item: Any = {"run_id": RUN, "outcome": name, "unpublished": {name}, "due_at": SECOND}
    update = run_states.published(item)
    as_read = Equals("unpublished", frozenset({name})), Absent("disputed"), Equals("due_at", SECOND)
    assert update.when == as_read, "what is disputed since stays due"
    assert changes(update) == {}
    assert set(update.remove) == {"unpublished", "event_state"} | DUE


@pytest.mark.parametrize("more", [{"outcome": "awaiting_input"}, {"outcome": "failed", "webhook_awaited": True}])
def test_g8_a_run_that_waits_or_is_waited_for_stays_due_when_it_was_told(more: Any) -> None:
    update = run_states.published(more | {"run_id": RUN, "unpublished": {"awaiting_input"}, "due_at": SECOND})
    assert update.when == (Equals("unpublished", frozenset({"awaiting_input"})), Absent("disputed"))
    assert update.remove == ("unpublished", "event_state")


@pytest.mark.parametrize("name", ["succeeded", "failed", "settling", "awaiting_input"])
def test_g1_a_webhook_is_given_up_once_and_only_if_it_has_not_come(name: Outcome) -> None:
    update = run_states.webhook_missing(RUN, name)
    assert update.when == (Equals("source", "reconcile"), Equals("outcome", name), Present("webhook_awaited"))
    assert changes(update) == {}
    assert update.remove == ("webhook_awaited",)


def test_g1_a_miss_is_counted_once_for_each_check_and_dated_by_the_first() -> None:
    update = run_states.missed(RUN, SECOND, NOW + 900, NOW)
    assert update.when == (Equals("due_at", SECOND),)
    assert changes(update) == due_in(900)
    assert update.once == {"missed_since": SECOND}
    assert update.add == {"misses": 1}
    assert not update.remove


@pytest.mark.parametrize(
    ("item", "is_for_good"),
    [
        ({}, False),
        ({"misses": 2}, False),
        ({"misses": 1, "missed_since": SECOND - MISSED_SECONDS}, False),
        ({"misses": 2, "missed_since": SECOND - MISSED_SECONDS + 1}, False),
        ({"misses": 2, "missed_since": SECOND - MISSED_SECONDS}, True),
        ({"misses": 9, "missed_since": SECOND - MISSED_SECONDS}, True),
        ({"misses": 9, "missed_since": SECOND}, False),
    ],
)
def test_g1_the_third_miss_is_for_good_after_half_an_hour(item: Any, *, is_for_good: bool) -> None:
    assert (retry.MISSES, MISSED_SECONDS) == (3, 1800)
    assert is_missed_for_good(item, SECOND) is is_for_good


def test_g4_only_a_run_of_which_nothing_is_known_is_lost_and_only_after_its_misses() -> None:
    update = run_states.lost(RUN, NOW)
    assert update.when == (
        Equals("source", "launch"),
        Equals("outcome", "pending"),
        AtLeast("misses", 2),
        AtMost("missed_since", SECOND - MISSED_SECONDS),
    )
    assert changes(update) == {"updated_at": NOW_TEXT, **outcome("lost"), **due_in(FIRST_CHECK_SECONDS)}
    assert set(update.remove) == LOOKED, "its event leaves at once"
    assert told(update) == {"lost"}


def test_g4_only_a_run_of_which_nothing_is_known_is_rolled_back() -> None:
    update = run_states.rolled_back(RUN, NOW)
    assert update.when == STILL_OURS
    assert changes(update) == {
        "source": "reconcile",
        "updated_at": NOW_TEXT,
        **outcome("rolled_back"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) == LOOKED
    assert told(update) == {"rolled_back"}


def test_g2_a_second_run_is_marked_once_and_only_as_its_launchs() -> None:
    update = run_states.doubled(RUN, LAUNCH, NOW)
    assert update.when == (Equals("launch_id", LAUNCH), Absent("doubled"))
    assert changes(update) == {"doubled": True, "updated_at": NOW_TEXT}


@pytest.mark.parametrize("known", [False, True])
def test_g1_a_run_is_pushed_back_as_it_was_read_and_its_misses_forgotten_once_it_is_known(*, known: bool) -> None:
    update = run_states.postponed(RUN, SECOND, NOW + 240, known=known)
    assert update.when == (Equals("due_at", SECOND),)
    assert changes(update) == due_in(240)
    assert update.add == ({"checks": 1} if known else {"checks": 1, "failures": 1})
    assert set(update.remove) == (LOOKED - {"checks", "enqueued"} if known else set())


@pytest.mark.parametrize("known", [False, True])
def test_g14_since_when_a_run_could_not_be_settled_is_kept(*, known: bool) -> None:
    update = run_states.postponed(RUN, SECOND, NOW + 240, known=known, unsettled=NOW)
    assert update.once == {"unread_since": SECOND}
    assert not {"unreadable", "unread_since"} & set(update.remove)


@pytest.mark.parametrize(("looks", "as_read"), [(0, Absent("unreadable")), (3, Equals("unreadable", 3))])
def test_g14_an_unreadable_look_counts_once(looks: int, as_read: Condition) -> None:
    update = run_states.unreadable(RUN, looks)
    assert update.when == (Either(OneOf("outcome", ("pending", "settling")), Present("disputed")), as_read)
    assert update.add == {"unreadable": 1}
    assert changes(update) == {}


def test_g14_what_is_missing_is_recorded_and_passes_for_no_large_result() -> None:
    seen = Seen("success", "succeeded", ENDED, None, None, began=True, missing="LangGraph answered 404: gone")
    update = run_states.reconciled(RUN, seen, None, NOW)
    assert changes(update)["missing"] == "LangGraph answered 404: gone"
    assert "result_too_large" not in changes(update)
    assert changes(run_states.settled(RUN, seen, NOW))["missing"] == "LangGraph answered 404: gone"


def test_questions_that_stand_in_the_bucket_are_pointed_at() -> None:
    seen = Seen("success", "awaiting_input", ENDED, None, "[]", began=True, all_questions="[1, 2]", question_count=2)
    for update in (
        run_states.settled(RUN, seen, NOW, "key"),
        run_states.reconciled(RUN, seen, INLINE, NOW, questions_key="key"),
    ):
        assert (changes(update)["questions_key"], changes(update)["question_count"]) == ("key", 2)


def test_g1_g8_a_run_of_which_nothing_can_be_learnt_is_due_no_more_once_it_was_told() -> None:
    update = run_states.closed(RUN, SECOND)
    awaited = Absent("unpublished"), Absent("webhook_awaited"), Absent("disputed")
    assert update.when == (Equals("due_at", SECOND), *awaited)
    assert changes(update) == {}
    assert set(update.remove) == DUE


def test_g6_a_run_that_was_heard_of_is_due_now_unless_it_is_over_or_waits() -> None:
    update = run_states.due_now(RUN, NOW)
    assert update.when == (Either(OneOf("outcome", ("pending", "settling", "lost")), Present("webhook_awaited")),)
    assert changes(update) == {"heard": True, **due_in(0)}
    assert update.remove == ("webhook_awaited",)


def test_every_transition_is_in_the_table_and_the_table_names_no_other() -> None:
    told = re.findall(r"^\| (\w+) ", str(run_states.__doc__), re.MULTILINE)
    made = {
        name for name, it in vars(run_states).items() if getattr(it, "__annotations__", {}).get("return") == "Update"
    }
    assert set(told) - {"transition"} == made


def test_g10_what_the_indexes_hold_of_an_error_is_bounded() -> None:
    seen = Seen("error", "failed", None, {"type": "E" * 2000, "message": "\U0001f389" * 2000}, None, began=True)
    for update in (run_states.reconciled("r", seen, None, 0.0), run_states.settled("r", seen, 0.0)):
        assert update.set["error"] == seen.error
        assert update.set["error_brief"] == {"type": "E" * 200, "message": "\U0001f389" * 200}


@pytest.mark.parametrize(("is_deliverable", "awaited"), [(True, True), (False, None)])
def test_g1_a_webhook_that_cannot_come_is_not_awaited(*, is_deliverable: bool, awaited: bool | None) -> None:
    seen = Seen("success", "succeeded", None, None, None, began=True)
    update = run_states.reconciled("r", seen, None, 0.0, is_deliverable=is_deliverable)
    assert update.set["webhook_awaited"] is awaited
