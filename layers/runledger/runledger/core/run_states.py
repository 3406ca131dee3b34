"""Every transition of a run, with the condition that keeps order (G4). Whoever writes to the Runs table uses these.

Those of a run that waits for a person are in `answer_states`.

| transition   | from (source, outcome)                    | to                                                     |
|--------------|-------------------------------------------|--------------------------------------------------------|
| pending      | absent                                    | launch, `pending`                                      |
| launched     | any, of this launch or of none            | the same, with what its launch knows                   |
| delivered    | absent; launch, any                       | webhook, what its status means, payload                |
| superseding  | reconcile, as read                        | webhook, payload replaced, outcome mostly kept         |
| contradicted | webhook, any                              | the same, the other delivery beside it                 |
| reconciled   | launch, `pending` or `lost`               | reconcile, what LangGraph says, payload                |
| settled      | any, `settling`                           | `succeeded`, `awaiting_input` with questions, …        |
| published    | any, its events as read                   | the same, no event to be sent; if over, due no more    |
| unheard      | reconcile, webhook still awaited          | the same, webhook awaited no more                      |
| missed       | any, due as read                          | the same, one miss more, due later                     |
| lost         | launch, `pending`, missed often           | `lost`                                                 |
| rolled_back  | launch, `pending` or `lost`               | reconcile, `rolled_back`                               |
| doubled      | any, of this launch, not marked           | the same, marked as a second run of its launch         |
| postponed    | any, due as read                          | the same, due later                                    |
| deferred     | any, due as read                          | the same, due later: it was not asked about            |
| closed       | any, due as read, no event to be sent     | the same, due no more: nothing is left to do           |
| due_now      | any, `pending`, `settling` or `lost`      | the same, due now                                      |

Rank: `pending` < `settling` < `lost` < reconciled < webhook. An outcome changes only out of `pending`, `settling`,
`lost` and `awaiting_input`. The webhook's payload is LangGraph's own text, so it replaces what reconcile wrote; where
its outcome differs from a final one, that is kept beside it as `conflict`.

A run is due from each new outcome on. One that is worth an event stands in `unpublished` until its event has left (G8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runledger.core.events import is_told
from runledger.core.ledger import FIRST_CHECK_SECONDS, NOT_DUE, Placed, Update, Value, due, shard
from runledger.core.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.core.deliveries import Delivery
    from runledger.core.outcomes import Outcome
    from runledger.core.settling import Seen

MISSES = 3  # checks that must find nothing before a run is lost
MISSED_SECONDS = 1800  # and over how long
OPEN = ("pending", "settling", "awaiting_input")  # outcomes of a run that LangGraph is still to be asked about
_MISSED = ("misses", "missed_since")
COUNTS = ("checks", "failures", *_MISSED)  # of looks at a run, as long as it is as it is


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
        condition="attribute_not_exists(#run_id)",
        set={
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
            **_outcome(run_id, "pending"),
            **due(run_id, now + after_seconds + FIRST_CHECK_SECONDS),
        },
    )


def launched(made: Update) -> Update:
    """Add what only the launch knows to a run whose webhook was faster; `made` is what `pending` made for it."""
    known = ("launch_id", "thread_id", "assistant_id", "metadata", "langgraph_url", "created_at", "starts_at")
    return Update(
        key=made.key,
        condition="attribute_not_exists(#launch_id) OR #launch_id = :launch_id",
        given={"launch_id": str(made.set["launch_id"])},
        once={name: made.set[name] for name in known},
    )


def delivered(
    delivery: Delivery, placed: Placed, launch_id: str | None, now: float, *, langgraph_url: str | None = None
) -> Update:
    """Record the first delivery about a run.

    `launch_id` is the token's; None for a shared token, which can't touch a run that has a launch. Such a run is taken
    to be on the deployment of `langgraph_url`; where one with a launch is, the launch says.
    """
    mine = "attribute_not_exists(#launch_id)" + (" OR #launch_id = :launch_id" if launch_id else "")
    return Update(
        key={"run_id": delivery.run_id},
        condition=f"({mine}) AND (attribute_not_exists(#source) OR #source = :launch)",
        given={"launch": "launch", **({"launch_id": launch_id} if launch_id else {})},
        set={
            "launch_id": launch_id,
            "thread_id": delivery.thread_id,
            "assistant_id": delivery.assistant_id,
            "created_at": delivery.created_at,
            **_webhook(delivery, placed, now),
            **reached(delivery.run_id, delivery.outcome, now),
        },
        once={
            "metadata": delivery.metadata,
            "langgraph_url": None if launch_id else langgraph_url,
            **({} if delivery.created_at else {"created_at": iso(now)}),
        },
        add=event(delivery.outcome),
        remove=COUNTS,
    )


def superseding(delivery: Delivery, placed: Placed, item: Mapping[str, Any], now: float) -> Update:
    """Put a webhook's payload in the place of what reconcile wrote; `item` is the run as it was read."""
    recorded = item["outcome"]
    outcome = delivery.outcome if recorded == "settling" else recorded
    return Update(
        key={"run_id": delivery.run_id},
        condition="#source = :reconcile AND #outcome = :recorded",
        given={"reconcile": "reconcile", "recorded": recorded},
        set={
            "conflict": delivery.outcome if conflicts(delivery, item) else None,
            **_webhook(delivery, placed, now),
            **_outcome(delivery.run_id, outcome),
        },
        add=event(outcome) if outcome != recorded else {},
        remove=("payload" if placed.key else "payload_key", "result_too_large", "webhook_awaited"),
    )


def conflicts(delivery: Delivery, item: Mapping[str, Any]) -> bool:
    """Whether a delivery contradicts a final outcome; a `settling` one may turn out to be any end of a success.

    Where LangGraph's word is the same, what came after it is our own: a run was cancelled while it waited.
    """
    says, recorded = delivery.outcome, item["outcome"]
    if delivery.status == item["status"]:
        return False
    if says == "settling":
        return recorded not in ("settling", "succeeded", "awaiting_input", "answered", "abandoned")
    return recorded not in ("settling", says)


def contradicted(delivery: Delivery, placed: Placed, now: float) -> Update:
    """Keep a delivery that differs from the recorded one beside it; the latest such one, and how many there were."""
    return Update(
        key={"run_id": delivery.run_id},
        condition="attribute_not_exists(#other_sha256) OR #other_sha256 <> :sha256",
        given={"sha256": delivery.payload.sha256},
        set={
            "other_status": delivery.status,
            "other_sha256": delivery.payload.sha256,
            "other_key": placed.key,
            "other_at": iso(now),
            "updated_at": iso(now),
        },
        add={"other_count": 1},
    )


def reconciled(run_id: str, seen: Seen, placed: Placed | None, now: float, *, is_heard: bool = False) -> Update:
    """Record what LangGraph says of a run whose webhook has not come; `placed` is None for a result that is too large.

    When it is due again, it is time to say that the webhook is lost (`unheard`), unless none was to be sent, or one
    `is_heard` of that could not be recorded.
    """
    is_awaited = seen.began and not is_heard
    return Update(
        key={"run_id": run_id},
        condition="#source = :launch AND #outcome IN (:pending, :lost)",
        given={"launch": "launch", "pending": "pending", "lost": "lost"},
        set={
            "source": "reconcile",
            "status": seen.status,
            "ended_at": seen.ended_at,
            "error": seen.error,
            "questions": seen.questions,
            "doubled": True if seen.ignored else None,
            "result_too_large": True if placed is None else None,
            "webhook_awaited": True if is_awaited else None,
            "updated_at": iso(now),
            **(placed.attributes() if placed else {}),
            **reached(run_id, seen.outcome, now),
        },
        once={"metadata": seen.metadata},
        add=event(seen.outcome),
        remove=COUNTS,
    )


def settled(run_id: str, seen: Seen, now: float) -> Update:
    """Say what a success was, the end or a question, or what a word that is not known here has become."""
    return Update(
        key={"run_id": run_id},
        condition="#outcome = :settling",
        given={"settling": "settling"},
        set={
            "status": seen.status,
            "error": seen.error,
            "questions": seen.questions,
            "doubled": True if seen.ignored else None,
            "updated_at": iso(now),
            **reached(run_id, seen.outcome, now),
        },
        add=event(seen.outcome),
        remove=COUNTS,
    )


def published(item: Mapping[str, Any]) -> Update:
    """Note that the events of a run's `unpublished` outcomes have left; `item` is the run as it was read.

    With that a run that is over is due no more, unless a webhook is awaited or it became due for another reason. It
    stays as it was `updated_at`: nothing that a reader is shown has changed, so his ETag is good still.
    """
    is_done = item["outcome"] not in OPEN and not item.get("webhook_awaited")
    return Update(
        key={"run_id": item["run_id"]},
        condition="#unpublished = :seen" + (" AND #due_at = :was_due" if is_done else ""),
        given={
            "seen": frozenset(item["unpublished"]),
            **({"was_due": int(item["due_at"])} if is_done else {}),
        },
        remove=("unpublished", *(NOT_DUE if is_done else ())),
    )


def unheard(run_id: str, outcome: Outcome) -> Update:
    """Note that the webhook of a run with this `outcome`, which should have been sent, never came."""
    return Update(
        key={"run_id": run_id},
        condition="#source = :reconcile AND #outcome = :outcome AND attribute_exists(#webhook_awaited)",
        given={"reconcile": "reconcile", "outcome": outcome},
        remove=("webhook_awaited",),
    )


def missed(run_id: str, was_due: int, next_check: float, now: float) -> Update:
    """Note that LangGraph did not know the run at this check."""
    return Update(
        key={"run_id": run_id},
        condition="#due_at = :was_due",
        given={"was_due": was_due},
        set=due(run_id, next_check),
        once={"missed_since": int(now)},
        add={"misses": 1},
    )


def is_missed_for_good(item: Mapping[str, Any], now: float) -> bool:
    """Whether the miss of now is the third at least, half an hour or more after the first."""
    since = int(item.get("missed_since", now))
    return int(item.get("misses", 0)) + 1 >= MISSES and since <= now - MISSED_SECONDS


def lost(run_id: str, now: float) -> Update:
    """Give a run up that LangGraph no longer knows, check after check."""
    return Update(
        key={"run_id": run_id},
        condition="#source = :launch AND #outcome = :pending AND #misses >= :misses AND #missed_since <= :since",
        given={
            "launch": "launch",
            "pending": "pending",
            "misses": MISSES - 1,
            "since": int(now) - MISSED_SECONDS,
        },
        set={"updated_at": iso(now), **reached(run_id, "lost", now)},
        add=event("lost"),
    )


def rolled_back(run_id: str, now: float) -> Update:
    """End a run that LangGraph deleted because a later one superseded it (`multitask_strategy="rollback"`)."""
    return Update(
        key={"run_id": run_id},
        condition="#source = :launch AND #outcome IN (:pending, :lost)",
        given={"launch": "launch", "pending": "pending", "lost": "lost"},
        set={"source": "reconcile", "updated_at": iso(now), **reached(run_id, "rolled_back", now)},
        add=event("rolled_back"),
        remove=COUNTS,
    )


def doubled(run_id: str, launch_id: str, now: float) -> Update:
    """Mark a second run of a launch, which appeared on a thread that its caller brought."""
    return Update(
        key={"run_id": run_id},
        condition="#launch_id = :launch_id AND attribute_not_exists(#doubled)",
        given={"launch_id": launch_id},
        set={"doubled": True, "updated_at": iso(now)},
    )


def postponed(run_id: str, was_due: int, next_check: float, *, known: bool = False) -> Update:
    """Look at a run again later: LangGraph knows it and it has not ended (`known`), or this check failed."""
    return Update(
        key={"run_id": run_id},
        condition="#due_at = :was_due",
        given={"was_due": was_due},
        set=due(run_id, next_check),
        add={"checks": 1} if known else {"checks": 1, "failures": 1},
        remove=(*_MISSED, "failures") if known else (),
    )


def deferred(run_id: str, was_due: int, until: float) -> Update:
    """Ask about a run later, because its deployment must not be asked now. It counts as no look at it."""
    return Update(
        key={"run_id": run_id},
        condition="#due_at = :was_due",
        given={"was_due": was_due},
        set=due(run_id, until),
    )


def closed(run_id: str, was_due: int) -> Update:
    """Look at a run no more: it is over, or nothing can be learnt of it, and its events have left."""
    return Update(
        key={"run_id": run_id},
        condition="#due_at = :was_due AND attribute_not_exists(#unpublished)",
        given={"was_due": was_due},
        remove=NOT_DUE,
    )


def due_now(run_id: str, now: float) -> Update:
    """Something was heard of the run's launch that could not be recorded: look at the run now."""
    return Update(
        key={"run_id": run_id},
        condition="#outcome IN (:pending, :settling, :lost) OR attribute_exists(#webhook_awaited)",
        given={"pending": "pending", "settling": "settling", "lost": "lost"},
        set={"heard": True, **due(run_id, now)},
        remove=("webhook_awaited",),
    )


def _webhook(delivery: Delivery, placed: Placed, now: float) -> dict[str, Value | None]:
    return {
        "status": delivery.status,
        "source": "webhook",
        "started_at": delivery.started_at,
        "ended_at": delivery.ended_at,
        "error": delivery.error,
        "delivered_at": iso(now),
        "updated_at": iso(now),
        **placed.attributes(),
    }


def reached(run_id: str, outcome: Outcome, now: float) -> dict[str, Value | None]:
    """Return the attributes of a new outcome, from which on the run is due: to be published at the least."""
    return {**_outcome(run_id, outcome), **due(run_id, now + FIRST_CHECK_SECONDS)}


def event(outcome: Outcome) -> dict[str, frozenset[str]]:
    """Return what is added to a run with a new outcome: the event that is to be sent, if it is worth one."""
    return {"unpublished": frozenset((outcome,))} if is_told(outcome) else {}


def _outcome(run_id: str, outcome: str) -> dict[str, Value | None]:
    return {"outcome": outcome, "outcome_shard": f"{outcome}#{shard(run_id)}"}
