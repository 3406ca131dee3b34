"""The transitions of runs about which a token and LangGraph must agree (G11). The others are in `run_states`.

| transition   | from                                 | to                                                    |
|--------------|--------------------------------------|-------------------------------------------------------|
| contradicted | webhook or reconcile                 | the same, the other delivery beside it; disputed, due |
| confirmed    | `unconfirmed`, claim as read         | webhook, what LangGraph says, the claim's payload     |
| found_going  | `unconfirmed`, claim as read         | launch, `pending`: LangGraph says that it goes on     |
| unconfirmed  | absent or `unconfirmed`              | webhook, `unconfirmed`: LangGraph does not know it    |
| verified     | any, doubtful, status as read        | the same, doubtful no more                            |
| doubted      | any, unverified, status as read      | the same, disputed, due now                           |
| corrected    | any, disputed or unverified, as read | reconcile, what LangGraph says, LangGraph's payload   |
| reopened     | webhook, as read                     | launch, `pending`: LangGraph says that it goes on     |
| disowned     | believed on a shared key, as read    | launch, `pending`: its launcher records it now        |

A webhook vouches for its run by a token alone, and tokens leak. So an end that it tells of is `unverified` until
LangGraph has said the same, and no event leaves before that; a success is settled by LangGraph anyway. Where two
deliveries, or a delivery and LangGraph, contradict each other, the run is `disputed` and LangGraph decides. An outcome
whose event has left already is corrected by an event of its own, `Run Corrected`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.domain.conditions import Absent, Differs, Either, Equals, Present, as_read
from runledger.domain.events import CORRECTED, is_published
from runledger.domain.ledger import NOT_DUE, SCHEMA, Placed, Update, due
from runledger.domain.run_states import (
    CLAIM,
    CLAIM_ALONE,
    COUNTS,
    NEW,
    conflicts,
    event,
    found_as,
    of_error,
    of_outcome,
    of_webhook,
    reached,
)
from runledger.domain.times import iso
from runledger.domain.unconfirmed import UNCONFIRMED

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition, Value
    from runledger.domain.deliveries import Delivery
    from runledger.domain.outcomes import Outcome
    from runledger.domain.run import Run
    from runledger.domain.settling import Facts, Seen
    from runledger.domain.unconfirmed import Kept

_OF_PAYLOAD = ("payload", "payload_key", "payload_bytes", "payload_sha256")


def contradicted(delivery: Delivery, placed: Placed, item: Run, now: float) -> Update:
    """Keep a delivery that differs from what is recorded beside it: the latest such one, and how many there were.

    LangGraph decides between the two, once: `item` is the run as it was read. After that (`corrected`) its answer
    stands. About a run without a thread nobody can be asked; there the first delivery stands. `conflict` is LangGraph's
    word for what the other delivery told: our own `settling` would tell a caller nothing.
    """
    conflict = delivery.status if conflicts(delivery, item) else None
    decides: dict[str, Value | None] = {"disputed": True, "conflict": conflict, **due(delivery.run_id, now)}
    return Update(
        key={"run_id": delivery.run_id},
        when=(Present("source"), Differs("other_sha256", delivery.payload.sha256)),
        set={
            "other_status": delivery.status,
            "other_sha256": delivery.payload.sha256,
            "other_key": placed.key,
            "other_at": iso(now),
            "updated_at": iso(now),
            **({} if "corrected" in item or "thread_id" not in item else decides),
        },
        add={"other_count": 1},
        remove=("webhook_awaited",),
    )


def confirmed(one: Kept, facts: Facts, seen: Seen, now: float, questions_key: str | None = None) -> Update:
    """Turn a claim into a run that LangGraph knows, with `facts`, and that has ended as `seen`."""
    delivery = one.delivery
    return Update(
        key={"run_id": delivery.run_id},
        when=(Equals("outcome", UNCONFIRMED), Equals("claim", one.write())),
        set={
            **_of(facts),
            **of_webhook(delivery, one.placed, now),
            **found_as(seen, questions_key),
            **of_error(seen.error or (delivery.error if seen.status == delivery.status else None)),
            "status": seen.status,
            "disputed": True if one.disputed or seen.status != delivery.status else None,
            **reached(delivery.run_id, seen.outcome, now),
        },
        add=event(seen.outcome),
        remove=(*CLAIM_ALONE, *COUNTS),
    )


def found_going(one: Kept, facts: Facts, now: float) -> Update:
    """Turn a claim into a run that LangGraph knows and that goes on: what the claim says of its end is not true."""
    run_id = one.delivery.run_id
    return Update(
        key={"run_id": run_id},
        when=(Equals("outcome", UNCONFIRMED), Equals("claim", one.write())),
        set={
            **_of(facts),
            "status": "pending",
            "source": "launch",
            "updated_at": iso(now),
            **reached(run_id, "pending", now),
        },
        remove=tuple({*CLAIM, *COUNTS}),
    )


def unconfirmed(one: Kept, launch_id: str, now: float) -> Update:
    """End a launch with a run that LangGraph never knew, as far as it says; a token alone vouches for it.

    It has no event, and its launch is not started again: LangGraph may have made the run and deleted it. It is in the
    lists of its launch and of its outcome, not in its thread's.
    """
    delivery = one.delivery
    return Update(
        key={"run_id": delivery.run_id},
        when=(NEW,),
        set={
            "schema": SCHEMA,
            "launch_id": launch_id,
            "created_at": iso(one.since),
            **of_webhook(delivery, one.placed, now),
            **of_outcome(delivery.run_id, UNCONFIRMED),
        },
        remove=(*CLAIM_ALONE, *NOT_DUE),
    )


def is_doubtful(run: Run) -> bool:
    """Whether LangGraph has yet to say what a run came to: no event of it leaves before."""
    return bool(run.get("unverified") or run.get("disputed"))


def verified(run: Run, *, is_known: bool = True) -> Update:
    """Note that LangGraph says of a run what its webhook said; or that it does not know the run any more.

    In that case (not `is_known`) what the webhook said stands, and is marked as not confirmed.
    """
    return Update(
        key={"run_id": run["run_id"]},
        when=(
            Equals("status", run["status"]),
            Either(Present("unverified"), Present("disputed")),
            *([Absent("disputed")] if is_known else ()),
        ),
        set={} if is_known else {"confirmed": False},
        remove=("unverified", "disputed", *COUNTS),
    )


def doubted(run: Run, now: float) -> Update:
    """Note that LangGraph says otherwise than the webhook of a run: its whole answer is to be read."""
    return Update(
        key={"run_id": run["run_id"]},
        when=(Equals("status", run["status"]), Present("unverified")),
        set={"disputed": True, **due(run["run_id"], now)},
    )


def corrected(item: Run, seen: Seen, placed: Placed | None, now: float, questions_key: str | None = None) -> Update:
    """Record what LangGraph says of a run that is disputed, or whose end it does not confirm; `item` is as it was read.

    Where LangGraph's status is the recorded one, the outcome stays, and the payload is LangGraph's. An outcome whose
    event has left already is corrected by an event of its own, `Run Corrected`. `placed` is None for a result that is
    too large.
    """
    recorded = item["outcome"]
    is_same = seen.status == item["status"] and recorded != "settling"
    outcome = recorded if is_same else seen.outcome
    payload = placed.attributes() if placed else {} if is_same and seen.missing else dict.fromkeys(_OF_PAYLOAD)
    told: dict[str, Value | None] = {
        **({} if is_same else found_as(seen, questions_key)),
        "missing": seen.missing,
        "result_too_large": True if placed is None and not seen.missing else None,
        "unpublished": _unsent(item, outcome),
        **payload,
    }
    gone = [name for name, value in told.items() if value is None and name != "doubled"]  # `watch` may have set that
    return Update(
        key={"run_id": item["run_id"]},
        when=_unchanged(item),
        set={
            **told,
            "source": "reconcile",
            "status": seen.status,
            "ended_at": seen.ended_at,
            "corrected_from": None if outcome == recorded else recorded,
            "updated_at": iso(now),
            **reached(item["run_id"], outcome, now),
        },
        add={"corrected": 1},
        remove=(*COUNTS, "disputed", "unverified", "confirmed", *gone),
    )


def _unsent(item: Run, outcome: Outcome) -> frozenset[str] | None:
    """Return the events that are to be sent once a run's outcome is `outcome` instead of the recorded one."""
    recorded, unsent = item["outcome"], frozenset(item.get("unpublished", ()))
    if outcome == recorded:
        return unsent or None
    was_sent = is_published(recorded) and recorded not in unsent
    new = frozenset({CORRECTED}) if was_sent else event(outcome).get("unpublished", frozenset())
    return (unsent - {recorded} | new) or None


def reopened(item: Run, now: float) -> Update:
    """Take back the end of a run that LangGraph says goes on: the delivery was not LangGraph's.

    `item` is the run as it was read. The genuine delivery is recorded when it comes.
    """
    unsent = _unsent(item, "pending")
    taken_back = (*_OF_PAYLOAD, "error", "error_brief", "started_at", "ended_at", "delivered_at", "questions")
    return Update(
        key={"run_id": item["run_id"]},
        when=(Equals("source", "webhook"), *_unchanged(item)),
        set={
            "source": "launch",
            "status": "pending",
            "unpublished": unsent,
            "corrected_from": item["outcome"] if unsent else None,
            "updated_at": iso(now),
            **reached(item["run_id"], "pending", now),
        },
        add={"corrected": 1} if unsent else {},
        remove=(*COUNTS, "disputed", "unverified", "confirmed", *taken_back, *(() if unsent else ("unpublished",))),
    )


def is_believed(item: Run) -> bool:
    """Whether a run is in the ledger on the word of a shared key alone (`believed` in `run_states`)."""
    return item.get("confirmed") is False and "launch_id" not in item


def disowned(made: Update, item: Run, now: float) -> Update:
    """Record a run of ours that a shared key has reported as one without a thread: that was never LangGraph's.

    `made` is what `pending` made for it, `item` the run as it was read. All that the delivery said is taken back.
    """
    unsent = _unsent(item, "pending")
    told: dict[str, Value | None] = {
        **dict.fromkeys((*_OF_PAYLOAD, "error", "error_brief", "started_at", "ended_at", "delivered_at", "confirmed")),
        **dict.fromkeys(("other_status", "other_sha256", "other_key", "other_at", "other_count", "conflict")),
        **made.set,
        "unpublished": unsent,
        "corrected_from": item["outcome"] if unsent else None,
        "updated_at": iso(now),
    }
    return Update(
        key=made.key,
        when=(Equals("confirmed", value=False), Absent("launch_id"), *_unchanged(item)),
        set=told,
        add={"corrected": 1} if unsent else {},
        remove=(*COUNTS, *(name for name, value in told.items() if value is None)),
    )


def _unchanged(item: Run) -> tuple[Condition, ...]:
    """Return the conditions that a run has the outcome, payload and unsent events that were read."""
    unsent = frozenset(item["unpublished"]) if "unpublished" in item else None
    return (
        Equals("outcome", item["outcome"]),
        Equals("status", item["status"]),
        as_read("unpublished", unsent),
        as_read("payload_sha256", item.get("payload_sha256")),
    )


def _of(facts: Facts) -> dict[str, Value | None]:
    return {
        "thread_id": facts.thread_id,
        "assistant_id": facts.assistant_id,
        "launch_id": facts.launch_id,
        "created_at": facts.created_at,
        "metadata": facts.metadata,
    }
