"""Every transition of a run that waits for a person, with its condition (G4). The others are in `run_states`.

| transition | from (all `awaiting_input`) | to                                                    |
|------------|-----------------------------|-------------------------------------------------------|
| answering  | answer as read              | the same, with who is at work on which answer         |
| unanswered | answer held                 | the same, without that answer                         |
| moved_on   | any                         | `answered`, with by which run, or `abandoned`         |
| cancelled  | answer as read              | `cancelled`: LangGraph has nothing that it can cancel |

A run can be answered once. Who answers it holds it first, by `answer_holder` until `answer_until`, with the answer's
digest; only they can tell LangGraph. When that time has passed and the run still waits, anyone may be next.

A run that answers is known in LangGraph by `answer_nonce`: that of the first holder, which all later ones use too, so
that the answer of one who died is known however many came after it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.domain.conditions import Equals, as_read
from runledger.domain.ledger import Update, due
from runledger.domain.retry import LEASE_SECONDS
from runledger.domain.run_states import COUNTS, event, reached
from runledger.domain.times import iso

if TYPE_CHECKING:
    from runledger.domain.conditions import Condition
    from runledger.domain.outcomes import Outcome
    from runledger.domain.run import Run

WAITS = Equals("outcome", "awaiting_input")
_ANSWER = ("answer_digest", "answer_holder", "answer_until")


def answering(item: Run, digest: str, holder: str, now: float) -> Update:
    """Hold a run that waits, to answer it; `item` is the run as it was read, held by nobody now.

    It is due when the time for it is over: if nobody has recorded by then what came of it, the worker asks LangGraph.
    """
    until = int(now) + LEASE_SECONDS
    nonce = nonce_of(item, holder)
    return Update(
        key={"run_id": item["run_id"]},
        when=(WAITS, _held_as(item), as_read("answer_nonce", item.get("answer_nonce"))),
        set={
            "answer_digest": digest,
            "answer_nonce": nonce,
            "answer_holder": holder,
            "answer_until": until,
            "updated_at": iso(now),
            **due(item["run_id"], until),
        },
    )


def nonce_of(item: Run, holder: str) -> str:
    """Return by what LangGraph's run is known that answers a run, which was read before its `holder` held it."""
    return str(item.get("answer_nonce") or holder)


def is_held(item: Run, now: float) -> bool:
    """Whether somebody may be at work on an answer to this run."""
    return int(item.get("answer_until", 0)) > now


def unanswered(run_id: str, holder: str, now: float) -> Update:
    """Let go of a run: LangGraph has refused the answer."""
    return Update(
        key={"run_id": run_id},
        when=(WAITS, Equals("answer_holder", holder)),
        set={"updated_at": iso(now)},
        remove=_ANSWER,
    )


def moved_on(run_id: str, answered_by: str | None, now: float, *, digest: str | None = None) -> Update:
    """End a run's waiting: the run `answered_by` took over, or (None) its thread went on without an answer.

    `digest` is the answer's where Runledger has sent it, to know the same answer again.
    """
    outcome: Outcome = "answered" if answered_by else "abandoned"
    return Update(
        key={"run_id": run_id},
        when=(WAITS,),
        set={
            "answered_by": answered_by,
            "answer_digest": digest,
            "updated_at": iso(now),
            **reached(run_id, outcome, now),
        },
        add=event(outcome),
        remove=(*COUNTS, "answer_nonce", *(name for name in _ANSWER if digest is None or name != "answer_digest")),
    )


def cancelled(item: Run, now: float) -> Update:
    """End a run's waiting without an answer, in the ledger alone; `item` is the run as read, held by nobody now."""
    return Update(
        key={"run_id": item["run_id"]},
        when=(WAITS, _held_as(item)),
        set={"updated_at": iso(now), **reached(item["run_id"], "cancelled", now)},
        add=event("cancelled"),
        remove=(*COUNTS, "answer_nonce", *_ANSWER),
    )


def _held_as(item: Run) -> Condition:
    return as_read("answer_holder", item.get("answer_holder"))
