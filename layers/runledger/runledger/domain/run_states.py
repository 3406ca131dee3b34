"""Every transition of a run, with the condition that keeps order (G4). Whoever writes to the Runs table uses these.

Those of a run that waits for a person are in `answer_states`, those of deliveries that LangGraph must confirm in
`verification`.

| transition   | from (source, outcome)                    | to                                                     |
|--------------|-------------------------------------------|--------------------------------------------------------|
| pending      | absent, or a claim                        | launch, `pending`                                      |
| launched     | any, of this launch or of none            | the same, with what its launch knows                   |
| delivered    | launch, any                               | webhook, what its status means, payload                |
| believed     | absent                                    | webhook, what its status means, not confirmed          |
| superseding  | reconcile, as read                        | webhook, payload replaced, outcome kept if not settling |
| reconciled   | launch, `pending` or `lost`               | reconcile, what LangGraph says, payload                |
| settled      | any, `settling`                           | `succeeded`, `awaiting_input` with questions, …        |
| published    | any, its events as read                   | the same, no event to be sent; if over, due no more    |
| webhook_missing | reconcile, webhook still awaited          | the same, webhook awaited no more                      |
| missed       | any, due as read                          | the same, one miss more, due later                     |
| lost         | launch, `pending`, missed often           | `lost`                                                 |
| rolled_back  | launch, `pending` or `lost`               | reconcile, `rolled_back`                               |
| doubled      | any, of this launch, not marked           | the same, marked as a second run of its launch         |
| postponed    | any, due as read                          | the same, due later                                    |
| unreached    | any, due as read                          | the same, one failure more, due later                  |
| enqueued     | any, due as read                          | the same, in the work queue, due again later           |
| unreadable   | any, `pending` or `settling`, as read     | the same, one unreadable look more                     |
| deferred     | any, due as read                          | the same, due later: it was not asked about            |
| closed       | any, due as read, no event to be sent     | the same, due no more: nothing is left to do           |
| due_now      | any, `pending`, `settling` or `lost`      | the same, due now                                      |

Rank: `pending` < `settling` < `lost` < reconciled < webhook < confirmed by LangGraph (G4, G11). An outcome changes only
out of `pending`, `settling`, `lost` and `awaiting_input`, unless LangGraph itself says otherwise. The webhook's payload
is LangGraph's own text, so it replaces what asking LangGraph gave, unless the two disagree about the outcome.

A webhook vouches for its run by a token alone, and tokens leak. So an end that it tells of is `unverified` until
LangGraph has said the same, and no event leaves before that; a success is settled by LangGraph anyway. Where two
deliveries, or a delivery and LangGraph, contradict each other, the run is `disputed` and LangGraph decides.

A run is due from each new outcome on. One that is worth an event stands in `unpublished` until its event has left (G8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.domain.conditions import Absent, AtLeast, AtMost, Either, Equals, OneOf, Present, as_read
from runledger.domain.events import is_published
from runledger.domain.ledger import NOT_DUE, SCHEMA, Placed, Update, due, shard
from runledger.domain.outcomes import is_known
from runledger.domain.retry import FIRST_CHECK_SECONDS, MISSED_SECONDS, MISSES
from runledger.domain.times import iso

if TYPE_CHECKING:
    from runledger.domain.conditions import Value
    from runledger.domain.deliveries import Delivery
    from runledger.domain.outcomes import Outcome
    from runledger.domain.run import Run
    from runledger.domain.settling import Seen

OPEN = ("pending", "settling", "awaiting_input")  # outcomes of a run that LangGraph is still to be asked about
_MISSED = ("misses", "missed_since")
_BRIEF = 200  # characters of an error's type and message that lists show: the indexes hold them for each run
_UNREAD = ("unreadable", "unread_since")
COUNTS = ("checks", "failures", "enqueued", *_MISSED, *_UNREAD)  # of work on a run, as long as it is as it is
NEW = Either(Absent("run_id"), Present("claim"))  # a claim gives way to who knows the run
CLAIM_ALONE = ("claim", "claimed_by")
CLAIM = (*CLAIM_ALONE, *_MISSED, "delivered_at", "payload", "payload_key", "payload_bytes", "payload_sha256", "error")


def pending(  # noqa: PLR0913 - the facts of a run, each by name
    *,
    run_id: str,
    launch_id: str,
    thread_id: str,
    assistant_id: str | None,
    after_seconds: int,
    now: float,
    metadata: str | None = None,
    langgraph_url: str | None = None,
) -> Update:
    """Record a run that was just launched; where its webhook was faster, `launched` says the rest."""
    return Update(
        key={"run_id": run_id},
        when=(NEW,),
        set={
            "schema": SCHEMA,
            "launch_id": launch_id,
            "thread_id": thread_id,
            "assistant_id": assistant_id,
            "metadata": metadata,
            "langgraph_url": langgraph_url,
            "status": "pending",
            "source": "launch",
            "created_at": iso(now),
            "starts_at": int(now) + after_seconds,
            "updated_at": iso(now),
            **of_outcome(run_id, "pending"),
            **due(run_id, now + after_seconds + FIRST_CHECK_SECONDS),
        },
        remove=CLAIM,
    )


def launched(made: Update) -> Update:
    """Add what only the launch knows to a run that is recorded already; `made` is what `pending` made for it."""
    known = ("launch_id", "thread_id", "assistant_id", "metadata", "langgraph_url", "created_at", "starts_at")
    return Update(
        key=made.key,
        when=(Either(Absent("launch_id"), Equals("launch_id", str(made.set["launch_id"]))),),
        once={name: made.set[name] for name in known},
    )


def delivered(
    delivery: Delivery, placed: Placed, launch_id: str | None, now: float, *, disputed: bool = False
) -> Update:
    """Record the first delivery about a run that its launcher has recorded, or LangGraph has confirmed.

    `launch_id` is the token's; None for a shared token, which can't touch a run that has a launch. What the launcher
    knew of the run stays: its thread, its assistant, its time. `disputed` is a delivery that another one contradicts.
    """
    return Update(
        key={"run_id": delivery.run_id},
        when=(Equals("source", "launch"), as_read("launch_id", launch_id)),
        set={
            **of_webhook(delivery, placed, now),
            **reached(delivery.run_id, delivery.outcome, now),
            "unverified": unverified(delivery.outcome),
            "disputed": disputed or None,
        },
        once={"metadata": delivery.metadata},
        add=event(delivery.outcome),
        remove=COUNTS,
    )


def believed(delivery: Delivery, placed: Placed, langgraph_url: str, now: float) -> Update:
    """Record a run on the word of a shared key alone: its thread is deleted, so that nobody can be asked (G11)."""
    return Update(
        key={"run_id": delivery.run_id},
        when=(Absent("run_id"),),
        set={
            "schema": SCHEMA,
            "confirmed": False,
            "langgraph_url": langgraph_url,
            "assistant_id": delivery.assistant_id,
            "metadata": delivery.metadata,
            "created_at": iso(now),
            **of_webhook(delivery, placed, now),
            **reached(delivery.run_id, delivery.outcome, now),
        },
        add=event(delivery.outcome),
    )


def superseding(delivery: Delivery, placed: Placed, item: Run, now: float) -> Update:
    """Put a webhook's payload in the place of what asking LangGraph gave; `item` is the run as it was read.

    Only where the two agree: else the run is `contradicted`.
    """
    recorded = item["outcome"]
    outcome = delivery.outcome if recorded == "settling" else recorded
    return Update(
        key={"run_id": delivery.run_id},
        when=(Equals("source", "reconcile"), Equals("outcome", recorded), Absent("corrected")),
        set={
            **of_webhook(delivery, placed, now),
            **of_outcome(delivery.run_id, outcome),
            "unverified": unverified(outcome) if outcome != recorded else None,
        },
        add=event(outcome) if outcome != recorded else {},
        remove=(
            *("payload" if placed.key else "payload_key", "result_too_large", "webhook_awaited"),
            *(COUNTS if outcome != recorded else ()),
        ),
    )


def conflicts(delivery: Delivery, item: Run) -> bool:
    """Whether a delivery contradicts a final outcome; a `settling` one may turn out to be any end of a success.

    Where LangGraph's word is the same, what came after it is our own: a run was cancelled while it waited.
    """
    says, recorded = delivery.outcome, item["outcome"]
    if delivery.status == item["status"]:
        return False
    if says == "settling":
        return recorded not in ("settling", "succeeded", "awaiting_input", "answered", "abandoned")
    return recorded not in ("settling", says)


def reconciled(  # noqa: PLR0913 - what was found, where its large parts are, and what is known of the webhook
    run_id: str,
    seen: Seen,
    placed: Placed | None,
    now: float,
    *,
    is_heard: bool = False,
    is_deliverable: bool = True,
    questions_key: str | None = None,
) -> Update:
    """Record what LangGraph says of a run whose webhook has not come; `placed` is None for a result that can't be had.

    When it is due again, its webhook is reported as missing (`webhook_missing`), unless none was to be sent, one
    `is_heard` of that could not be recorded, or none could come: its result is not `is_deliverable`.
    """
    is_awaited = seen.began and not is_heard and is_deliverable
    return Update(
        key={"run_id": run_id},
        when=(Equals("source", "launch"), OneOf("outcome", ("pending", "lost"))),
        set={
            "source": "reconcile",
            "status": seen.status,
            "ended_at": seen.ended_at,
            **found_as(seen, questions_key),
            "result_too_large": True if placed is None and not seen.missing else None,
            "webhook_awaited": True if is_awaited else None,
            "updated_at": iso(now),
            **(placed.attributes() if placed else {}),
            **reached(run_id, seen.outcome, now),
        },
        once={"metadata": seen.metadata},
        add=event(seen.outcome),
        remove=COUNTS,
    )


def is_denied(item: Run, seen: Seen) -> bool:
    """Whether LangGraph's status is another than the one that a run's webhook reported: its payload is not true."""
    return item.get("source") == "webhook" and is_known(item["status"]) and item["status"] != seen.status


def settled(run_id: str, seen: Seen, now: float, questions_key: str | None = None, *, disputed: bool = False) -> Update:
    """Say what a success was, the end or a question, or what a status that is not known here has become.

    `disputed` where LangGraph denies what the webhook reported (`is_denied`): its own result is to be read.
    """
    return Update(
        key={"run_id": run_id},
        when=(Equals("outcome", "settling"),),
        set={
            "status": seen.status,
            **found_as(seen, questions_key),
            "updated_at": iso(now),
            **reached(run_id, seen.outcome, now),
            **({"disputed": True, **due(run_id, now)} if disputed else {}),
        },
        add=event(seen.outcome),
        remove=COUNTS,
    )


def published(item: Run) -> Update:
    """Note that the events of a run's `unpublished` outcomes have left; `item` is the run as it was read.

    With that a run that is over is due no more, unless a webhook is awaited or it became due for another reason. It
    stays as it was `updated_at`: nothing that a reader is shown has changed, so his ETag is good still.
    """
    is_done = item["outcome"] not in OPEN and not item.get("webhook_awaited")
    return Update(
        key={"run_id": item["run_id"]},
        when=(
            Equals("unpublished", frozenset(item["unpublished"])),
            Absent("disputed"),
            *([as_read("due_at", int(item["due_at"]) if "due_at" in item else None)] if is_done else ()),
        ),
        remove=("unpublished", *(NOT_DUE if is_done else ())),
    )


def webhook_missing(run_id: str, outcome: Outcome) -> Update:
    """Note that the webhook of a run with this `outcome`, which should have been sent, never came."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("source", "reconcile"), Equals("outcome", outcome), Present("webhook_awaited")),
        remove=("webhook_awaited",),
    )


def missed(run_id: str, was_due: int, next_check: float, now: float) -> Update:
    """Note that LangGraph did not know the run at this check."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due),),
        set=due(run_id, next_check, was_due),
        once={"missed_since": int(now)},
        add={"misses": 1},
    )


def lost(run_id: str, now: float, *, unproven: bool = False) -> Update:
    """Give a run up that LangGraph no longer knows, check after check; `unproven` where it may not be itself (G13)."""
    return Update(
        key={"run_id": run_id},
        when=(
            Equals("source", "launch"),
            Equals("outcome", "pending"),
            AtLeast("misses", MISSES - 1),
            AtMost("missed_since", int(now) - MISSED_SECONDS),
        ),
        set={"updated_at": iso(now), "unproven": True if unproven else None, **reached(run_id, "lost", now)},
        add=event("lost"),
        remove=COUNTS,
    )


def rolled_back(run_id: str, now: float) -> Update:
    """End a run that LangGraph deleted because a later one superseded it (`multitask_strategy="rollback"`)."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("source", "launch"), OneOf("outcome", ("pending", "lost"))),
        set={"source": "reconcile", "updated_at": iso(now), **reached(run_id, "rolled_back", now)},
        add=event("rolled_back"),
        remove=COUNTS,
    )


def doubled(run_id: str, launch_id: str, now: float) -> Update:
    """Mark a second run of a launch, which appeared on a thread that its caller brought."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("launch_id", launch_id), Absent("doubled")),
        set={"doubled": True, "updated_at": iso(now)},
    )


def postponed(
    run_id: str, was_due: int, next_check: float, *, known: bool = False, unsettled: float | None = None
) -> Update:
    """Look at a run again later: LangGraph knows it and it has not ended (`known`), or this check failed.

    `unsettled` is the time of a look that should have settled the run and could not; the first such is kept.
    """
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due),),
        set=due(run_id, next_check, was_due),
        once={} if unsettled is None else {"unread_since": int(unsettled)},
        add={"checks": 1} if known else {"checks": 1, "failures": 1},
        remove=(*_MISSED, "failures", *(_UNREAD if unsettled is None else ())) if known else (),
    )


def unreached(run_id: str, was_due: int, next_try: float, now: float) -> Update:
    """Ask about a run again later: its server did not answer, which says nothing about the run."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due),),
        set=due(run_id, next_try, was_due),
        once={"unread_since": int(now)},
        add={"failures": 1},
    )


def enqueued(run_id: str, was_due: int, until: float) -> Update:
    """Put a run into the work queue: it is due again at `until`, should its message be lost."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due),),
        set=due(run_id, until),
        add={"enqueued": 1},
    )


def unreadable(run_id: str, looks: int) -> Update:
    """Count a look at which LangGraph itself would not show the run's checkpoint, after `looks` others."""
    return Update(
        key={"run_id": run_id},
        when=(
            Either(OneOf("outcome", ("pending", "settling")), Present("disputed")),
            as_read("unreadable", looks or None),
        ),
        add={"unreadable": 1},
    )


def deferred(run_id: str, was_due: int, until: float) -> Update:
    """Ask about a run later, because its deployment must not be asked now. It counts as no look at it."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due),),
        set=due(run_id, until, was_due),
    )


def closed(run_id: str, was_due: int) -> Update:
    """Look at a run no more: it is over, or nothing can be learnt of it, and its events have left."""
    return Update(
        key={"run_id": run_id},
        when=(Equals("due_at", was_due), *map(Absent, ("unpublished", "webhook_awaited", "disputed"))),
        remove=NOT_DUE,
    )


def due_now(run_id: str, now: float) -> Update:
    """Something was heard of the run's launch that could not be recorded: look at the run now."""
    return Update(
        key={"run_id": run_id},
        when=(Either(OneOf("outcome", ("pending", "settling", "lost")), Present("webhook_awaited")),),
        set={"heard": True, **due(run_id, now)},
        remove=("webhook_awaited",),
    )


def found_as(seen: Seen, questions_key: str | None) -> dict[str, Value | None]:
    """Return the attributes of what LangGraph says of a run; `questions_key` is where all its questions are."""
    return {
        **of_error(seen.error),
        "questions": seen.questions,
        "question_count": seen.question_count,
        "questions_key": questions_key,
        "missing": seen.missing,
        "doubled": True if seen.ignored else None,
    }


def of_webhook(delivery: Delivery, placed: Placed, now: float) -> dict[str, Value | None]:
    """Return the attributes of a run that a webhook told of."""
    return {
        "status": delivery.status,
        "source": "webhook",
        "started_at": delivery.started_at,
        "ended_at": delivery.ended_at,
        **of_error(delivery.error),
        "delivered_at": iso(now),
        "updated_at": iso(now),
        **placed.attributes(),
    }


def of_error(error: dict[str, str] | None) -> dict[str, Value | None]:
    """Return an error's attributes: as a run shows it, and briefly, as lists do."""
    return {"error": error, "error_brief": error and {name: text[:_BRIEF] for name, text in error.items()}}


def reached(run_id: str, outcome: Outcome, now: float) -> dict[str, Value | None]:
    """Return the attributes of a new outcome, from which on the run is due: to be published at the least."""
    return {**of_outcome(run_id, outcome), **due(run_id, now + FIRST_CHECK_SECONDS)}


def event(outcome: Outcome) -> dict[str, frozenset[str]]:
    """Return what is added to a run with a new outcome: the event that is to be sent, if it is worth one."""
    return {"unpublished": frozenset((outcome,))} if is_published(outcome) else {}


def unverified(outcome: Outcome) -> bool | None:
    """Return the mark of an outcome that LangGraph has not confirmed; a silent one needs none."""
    return True if is_published(outcome) else None


def of_outcome(run_id: str, outcome: str) -> dict[str, Value | None]:
    """Return the attributes of an outcome."""
    return {"outcome": outcome, "outcome_shard": f"{outcome}#{shard(run_id)}"}
