"""Each transition of a run that waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import answer_states
from runledger.domain.conditions import Absent, Equals
from runledger.domain.ledger import shard
from runledger.domain.retry import FIRST_CHECK_SECONDS, LEASE_SECONDS

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.ledger import Update

RUN = "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
NOW, NOW_TEXT, SECOND = 1_795_327_172.75, "2026-11-22T05:59:32.750000Z", 1_795_327_172
WAITS: Any = {"run_id": RUN, "outcome": "awaiting_input"}
HELD: Any = {**WAITS, "answer_holder": "who", "answer_until": SECOND + 1}
LOOKED = {"checks", "failures", "enqueued", "misses", "missed_since", "unreadable", "unread_since"}
ANSWER = {"answer_digest", "answer_holder", "answer_until"}
STILL_WAITS = Equals("outcome", "awaiting_input")


def changes(update: Update) -> dict[str, object]:
    """Return what the update sets, about the right run, but for `event_state`, which goes with `unpublished` (G8)."""
    assert update.key == {"run_id": RUN}
    assert not set(update.remove) & {name for name, value in update.set.items() if value is not None}
    assert ("event_state" in update.set) == ("unpublished" in update.add)
    return {name: value for name, value in update.set.items() if value is not None and name != "event_state"}


def comes_to(name: str) -> dict[str, object]:
    due = {"due_at": SECOND + FIRST_CHECK_SECONDS, "due_shard": str(shard(RUN))}
    return {"outcome": name, "outcome_shard": f"{name}#{shard(RUN)}", "updated_at": NOW_TEXT, **due}


@pytest.mark.parametrize(("read", "held"), [(WAITS, Absent("answer_holder")), (HELD, Equals("answer_holder", "who"))])
@pytest.mark.parametrize("nonce", ["me", "first"])
def test_g2_a_run_is_held_to_be_answered_and_cancelled_as_it_was_read(read: Any, held: Condition, nonce: str) -> None:
    """By whom its answer is known is said by the first who holds it."""
    if nonce == "first":
        read = {**read, "answer_nonce": nonce}
    holds, ends = answer_states.answering(read, "digest", "me", NOW), answer_states.cancelled(read, NOW)
    assert ends.when == (STILL_WAITS, held)
    known = Equals("answer_nonce", nonce) if nonce == "first" else Absent("answer_nonce")
    assert holds.when == (STILL_WAITS, held, known)
    until = SECOND + LEASE_SECONDS
    assert changes(holds) == {
        "answer_digest": "digest",
        "answer_nonce": nonce,
        "answer_holder": "me",
        "answer_until": until,
        "updated_at": NOW_TEXT,
        "due_at": until,
        "due_shard": str(shard(RUN)),
    }
    assert changes(ends) == comes_to("cancelled")
    assert set(ends.remove) == LOOKED | ANSWER | {"answer_nonce"}
    assert ends.add == {"unpublished": frozenset({"cancelled"})}


def test_g2_who_holds_a_run_does_so_for_a_time() -> None:
    assert answer_states.is_held(HELD, SECOND)
    assert not answer_states.is_held(HELD, SECOND + 1)
    assert not answer_states.is_held(WAITS, NOW)


def test_g2_only_who_holds_a_run_lets_go_of_it() -> None:
    update = answer_states.unanswered(RUN, "me", NOW)
    assert update.when == (STILL_WAITS, Equals("answer_holder", "me"))
    assert changes(update) == {"updated_at": NOW_TEXT}
    assert set(update.remove) == ANSWER


@pytest.mark.parametrize(
    ("answered_by", "digest", "name"),
    [("other", "digest", "answered"), ("other", None, "answered"), (None, None, "abandoned")],
)
def test_g4_only_what_waits_is_answered_or_abandoned(answered_by: str | None, digest: str | None, name: str) -> None:
    update = answer_states.moved_on(RUN, answered_by, NOW, digest=digest)
    assert update.when == (STILL_WAITS,)
    kept = {"answered_by": answered_by, "answer_digest": digest}
    assert changes(update) == {**comes_to(name), **{key: value for key, value in kept.items() if value}}
    kept_by = ANSWER - {"answer_digest"} if digest else ANSWER
    assert set(update.remove) == LOOKED | kept_by | {"answer_nonce"}
    assert update.add == {"unpublished": frozenset({name})}
