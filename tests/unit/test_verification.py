"""Each transition of a run about which a token and LangGraph must agree: what it puts down, and the condition (G11)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import verification
from runledger.domain.conditions import Absent, Differs, Either, Equals, Present
from runledger.domain.ledger import SCHEMA
from runledger.domain.retry import FIRST_CHECK_SECONDS
from runledger.domain.settling import Facts, Seen
from runledger.domain.unconfirmed import Kept
from runledger.domain.verification import is_doubtful
from tests.unit.test_run_states import (
    BARE,
    CLAIM,
    CREATED,
    DELIVERY,
    DUE,
    ENDED,
    INLINE,
    LAUNCH,
    LOOKED,
    NOW,
    NOW_TEXT,
    RUN,
    SECOND,
    SPILLED,
    STARTED,
    THREAD,
    changes,
    due_in,
    outcome,
    there,
    told,
)

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.outcomes import Outcome

ONE = Kept(DELIVERY, INLINE, SECOND - 600, disputed=False)
SINCE = "2026-11-22T05:49:32.000000Z"
FACTS = Facts(THREAD, "assistant", LAUNCH, CREATED, '{"a": 1}')
KNOWN = {
    "thread_id": THREAD,
    "assistant_id": "assistant",
    "launch_id": LAUNCH,
    "created_at": CREATED,
    "metadata": '{"a": 1}',
}
FAILED = Seen("error", "failed", ENDED, {"message": "masked"}, None, began=True)
SUCCEEDED = Seen("success", "succeeded", ENDED, None, None, began=True)
WAITS = Seen("success", "awaiting_input", ENDED, None, '[{"id": "i"}]', began=True)
IN_PAYLOAD = {"payload": '{"a": 1}', "payload_bytes": 8, "payload_sha256": "5" * 64}
OF_PAYLOAD = {"payload", "payload_key", "payload_bytes", "payload_sha256"}
OF_WEBHOOK = {
    "source": "webhook",
    "started_at": STARTED,
    "ended_at": ENDED,
    "delivered_at": NOW_TEXT,
    "updated_at": NOW_TEXT,
    **IN_PAYLOAD,
}
DOUBTFUL = (Equals("status", "error"), Either(Present("unverified"), Present("disputed")))
AS_CLAIMED = (Equals("outcome", "unconfirmed"), Equals("claim", ONE.write()))


def recorded(name: str, status: str, **more: Any) -> Any:
    """Return a run whose event of this outcome has left, unless told otherwise."""
    return {"run_id": RUN, "outcome": name, "status": status, "payload_sha256": "7" * 64, **more}


def as_read(item: Any) -> tuple[Condition, ...]:
    has_events = "unpublished" in item
    unsent = Equals("unpublished", frozenset(item["unpublished"])) if has_events else Absent("unpublished")
    recorded_as = Equals("outcome", item["outcome"]), Equals("status", item["status"])
    return *recorded_as, unsent, Equals("payload_sha256", "7" * 64)


@pytest.mark.parametrize(
    ("says", "was", "conflict"),
    [("failed", "failed", None), ("failed", "succeeded", "error"), ("settling", "succeeded", None)],
)
def test_g4_g11_a_delivery_that_differs_is_kept_beside_the_first_counted_once_and_langgraph_decides(
    says: Outcome, was: str, conflict: str | None
) -> None:
    update = verification.contradicted(
        replace(DELIVERY, outcome=says), SPILLED, there(was) | {"thread_id": THREAD}, NOW
    )
    assert update.when == (Present("source"), Differs("other_sha256", "5" * 64))
    assert changes(update) == {
        "other_status": "error",
        "other_sha256": "5" * 64,
        "other_key": "runs/r/5.json.gz",
        "other_at": NOW_TEXT,
        **({"conflict": conflict} if conflict else {}),
        "updated_at": NOW_TEXT,
        "disputed": True,
        **due_in(0),
    }
    assert update.add == {"other_count": 1}
    assert update.remove == ("webhook_awaited",)


def test_g11_a_success_that_contradicts_is_noted_in_langgraphs_word_not_in_one_of_our_own() -> None:
    success = replace(DELIVERY, status="success", outcome="settling")
    update = verification.contradicted(success, SPILLED, there("failed") | {"thread_id": THREAD}, NOW)
    assert changes(update)["conflict"] == "success"


def test_g11_where_langgraph_has_decided_a_token_brings_no_other_decision() -> None:
    update = verification.contradicted(DELIVERY, SPILLED, there("succeeded") | {"corrected": 1}, NOW)
    assert not {"disputed", "due_at", "due_shard"} & set(update.set)
    assert update.add == {"other_count": 1}


def test_g11_a_claim_that_langgraph_confirms_becomes_a_run_with_what_langgraph_says_and_the_claims_payload() -> None:
    update = verification.confirmed(ONE, FACTS, FAILED, NOW)
    assert update.when == AS_CLAIMED
    assert changes(update) == {
        **KNOWN,
        **OF_WEBHOOK,
        "status": "error",
        "error": {"message": "masked"},
        "error_brief": {"message": "masked"},
        **outcome("failed"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) == {"claim", "claimed_by"} | LOOKED
    assert told(update) == {"failed"}


def test_g11_a_confirmed_claim_keeps_its_own_error_where_langgraph_gives_none() -> None:
    seen = replace(FAILED, error=None)
    assert changes(verification.confirmed(ONE, FACTS, seen, NOW))["error"] == {"type": "ValueError"}


@pytest.mark.parametrize("seen", [SUCCEEDED, WAITS])
def test_g11_a_claim_that_langgraph_contradicts_is_disputed_and_its_end_and_error_are_not_believed(seen: Seen) -> None:
    made = changes(verification.confirmed(ONE, FACTS, seen, NOW))
    assert (made["disputed"], made["status"], made["outcome"]) == (True, "success", seen.outcome)
    assert made.get("questions") == seen.questions
    assert "error" not in made


def test_g11_a_claim_that_another_delivery_contradicts_is_disputed_though_langgraph_confirms_its_status() -> None:
    assert changes(verification.confirmed(replace(ONE, disputed=True), FACTS, FAILED, NOW))["disputed"] is True


def test_g11_a_claim_about_a_run_that_goes_on_leaves_a_pending_run_and_nothing_of_the_claim() -> None:
    update = verification.found_going(ONE, FACTS, NOW)
    assert update.when == AS_CLAIMED
    assert changes(update) == {
        **KNOWN,
        "status": "pending",
        "source": "launch",
        "updated_at": NOW_TEXT,
        **outcome("pending"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) == CLAIM | LOOKED
    assert len(update.remove) == len(set(update.remove))
    assert told(update) == set()


def test_g11_a_run_that_langgraph_never_knew_ends_its_launch_without_an_event_and_is_due_no_more() -> None:
    update = verification.unconfirmed(ONE, LAUNCH, NOW)
    assert update.when == (Either(Absent("run_id"), Present("claim")),)
    assert changes(update) == {
        "schema": SCHEMA,
        "launch_id": LAUNCH,
        "created_at": SINCE,
        **OF_WEBHOOK,
        "status": "error",
        "error": {"type": "ValueError"},
        "error_brief": {"type": "ValueError"},
        **outcome("unconfirmed"),
    }
    assert set(update.remove) == {"claim", "claimed_by"} | DUE
    assert told(update) == set()


@pytest.mark.parametrize(
    ("run", "doubtful"),
    [({}, False), ({"unverified": True}, True), ({"disputed": True}, True), ({"conflict": "x"}, False)],
)
def test_g11_a_run_is_doubtful_while_langgraph_is_to_confirm_or_to_decide(run: Any, *, doubtful: bool) -> None:
    assert is_doubtful(run) is doubtful


def test_g11_an_end_is_verified_as_it_was_read_unless_it_is_disputed_by_now() -> None:
    update = verification.verified(recorded("failed", "error", unverified=True))
    assert update.when == (*DOUBTFUL, Absent("disputed"))
    assert changes(update) == {}
    assert set(update.remove) == {"unverified", "disputed"} | LOOKED


def test_g11_an_end_of_a_run_that_langgraph_knows_no_more_stands_and_is_marked_as_not_confirmed() -> None:
    update = verification.verified(recorded("failed", "error", disputed=True), is_known=False)
    assert update.when == DOUBTFUL
    assert changes(update) == {"confirmed": False}
    assert set(update.remove) == {"unverified", "disputed"} | LOOKED


def test_g11_an_end_that_langgraph_denies_is_disputed_and_its_whole_answer_due_now() -> None:
    update = verification.doubted(recorded("failed", "error", unverified=True), NOW)
    assert update.when == (Equals("status", "error"), Present("unverified"))
    assert changes(update) == {"disputed": True, **due_in(0)}
    assert not update.remove


def test_g11_where_langgraph_says_the_same_the_outcome_stays_and_the_payload_is_langgraphs() -> None:
    item = recorded("failed", "error", error={"type": "ValueError"}, unpublished={"failed"})
    update = verification.corrected(item, FAILED, INLINE, NOW)
    assert update.when == as_read(item)
    assert changes(update) == {
        "source": "reconcile",
        "status": "error",
        "ended_at": ENDED,
        "unpublished": frozenset({"failed"}),
        "updated_at": NOW_TEXT,
        **IN_PAYLOAD,
        **outcome("failed"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert update.add == {"corrected": 1}
    gone = {"disputed", "unverified", "confirmed", "missing", "result_too_large", "payload_key"}
    assert set(update.remove) == {*gone, *LOOKED}


@pytest.mark.parametrize("recorded_as", ["awaiting_input", "answered", "abandoned", "cancelled"])
def test_g11_what_came_of_a_success_since_stays_where_langgraph_still_says_success(recorded_as: str) -> None:
    item = recorded(recorded_as, "success", questions="[]")
    update = verification.corrected(item, WAITS, INLINE, NOW)
    assert changes(update)["outcome"] == recorded_as
    stays = {"questions", "question_count", "questions_key", "error", "error_brief", "corrected_from", "doubled"}
    assert not stays & {*changes(update), *update.remove}


def test_g11_an_outcome_that_was_told_is_corrected_by_an_event_of_its_own() -> None:
    item = recorded("failed", "error", error={"type": "ValueError"})
    update = verification.corrected(item, replace(WAITS, question_count=9), SPILLED, NOW, "questions/r/q.json.gz")
    assert update.when == as_read(item)
    assert changes(update) == {
        "source": "reconcile",
        "status": "success",
        "ended_at": ENDED,
        "questions": '[{"id": "i"}]',
        "question_count": 9,
        "questions_key": "questions/r/q.json.gz",
        "unpublished": frozenset({"corrected"}),
        "corrected_from": "failed",
        "updated_at": NOW_TEXT,
        "payload_key": "runs/r/5.json.gz",
        "payload_bytes": 8,
        "payload_sha256": "5" * 64,
        **outcome("awaiting_input"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert set(update.remove) >= {"error", "error_brief", "payload", "disputed", "unverified"}


@pytest.mark.parametrize(
    ("was", "status", "unpublished", "seen", "left"),
    [
        ("failed", "error", {"failed"}, SUCCEEDED, {"succeeded"}),
        ("failed", "error", {"lost", "failed"}, SUCCEEDED, {"lost", "succeeded"}),
        ("settling", "success", None, FAILED, {"failed"}),
        ("settling", "success", None, SUCCEEDED, {"succeeded"}),
        ("succeeded", "success", None, FAILED, {"corrected"}),
        ("awaiting_input", "success", {"lost"}, FAILED, {"lost", "corrected"}),
    ],
)
def test_g8_g11_an_outcome_whose_event_has_not_left_gives_way_and_one_that_was_told_is_corrected(
    was: str, status: str, unpublished: set[str] | None, seen: Seen, left: set[str]
) -> None:
    item = recorded(was, status, **({"unpublished": unpublished} if unpublished else {}))
    update = verification.corrected(item, seen, INLINE, NOW)
    assert update.when == as_read(item)
    assert changes(update)["unpublished"] == left
    assert changes(update)["outcome"] == seen.outcome


def test_g11_a_result_that_is_too_large_takes_the_payload_that_is_not_langgraphs_away() -> None:
    update = verification.corrected(recorded("failed", "error"), SUCCEEDED, None, NOW)
    assert changes(update)["result_too_large"] is True
    assert set(update.remove) >= OF_PAYLOAD


@pytest.mark.parametrize(("status", "is_kept"), [("error", True), ("timeout", False)])
def test_g11_g14_a_result_that_cannot_be_read_is_missing_and_leaves_the_payload_only_where_langgraph_says_the_same(
    status: str, *, is_kept: bool
) -> None:
    seen = replace(FAILED, missing="It is not shown.")
    update = verification.corrected(recorded("failed", status), seen, None, NOW)
    assert changes(update)["missing"] == "It is not shown."
    assert "result_too_large" not in changes(update)
    assert set(update.remove) & OF_PAYLOAD == (set() if is_kept else OF_PAYLOAD)


@pytest.mark.parametrize(
    ("unpublished", "left", "corrections"), [({"failed"}, None, {}), (None, {"corrected"}, {"corrected": 1})]
)
def test_g11_an_end_of_a_run_that_goes_on_is_taken_back_and_told_only_if_the_end_was(
    unpublished: set[str] | None, left: set[str] | None, corrections: dict[str, int]
) -> None:
    item = recorded("failed", "error", **({"unpublished": unpublished} if unpublished else {}))
    update = verification.reopened(item, NOW)
    assert update.when == (Equals("source", "webhook"), *as_read(item))
    assert changes(update) == {
        "source": "launch",
        "status": "pending",
        **({"unpublished": left, "corrected_from": "failed"} if left else {}),
        "updated_at": NOW_TEXT,
        **outcome("pending"),
        **due_in(FIRST_CHECK_SECONDS),
    }
    assert update.add == corrections
    taken_back = {
        "error",
        "error_brief",
        "started_at",
        "ended_at",
        "delivered_at",
        "questions",
        "disputed",
        "unverified",
        "confirmed",
    }
    assert set(update.remove) == taken_back | OF_PAYLOAD | LOOKED | (set() if left else {"unpublished", "event_state"})


def test_g11_a_claim_that_names_little_is_confirmed_with_what_langgraph_knows() -> None:
    one = Kept(BARE, SPILLED, SECOND, disputed=False)
    made = changes(verification.confirmed(one, replace(FACTS, launch_id=None, metadata=None), FAILED, NOW))
    assert made.items() >= {"thread_id": THREAD, "created_at": CREATED, "payload_key": "runs/r/5.json.gz"}.items()
    assert not {"launch_id", "metadata", "payload"} & set(made)


def test_every_transition_is_in_the_table_and_the_table_names_no_other() -> None:
    named = re.findall(r"^\| (\w+) ", str(verification.__doc__), re.MULTILINE)
    made = {
        name for name, it in vars(verification).items() if getattr(it, "__annotations__", {}).get("return") == "Update"
    }
    assert set(named) - {"transition"} == made
