"""Every write to the ledger, as data: the item, what is set, and the condition that keeps order (G4).

| write            | table    | from                         | to                                        |
|------------------|----------|------------------------------|-------------------------------------------|
| claim            | Launches | absent                       | `starting`, due                           |
| launch_started   | Launches | `starting`                   | `started`, with the run; due if heard of  |
| launch_refused   | Launches | `starting`, not heard of     | `refused`, with the reason                |
| launch_due       | Launches | any                          | the same, heard of, due now               |
| run_pending      | Runs     | absent                       | `pending`, due                            |
| run_launched     | Runs     | of this launch, or of none   | the same, with what its launch knows      |
| run_delivered    | Runs     | absent, or told by a launch  | the delivery's outcome and payload        |
| run_contradicted | Runs     | told by a webhook            | the same, with the other delivery beside  |

A launch that stays `starting` is unknown: its run may have been started, or not. What is due is what somebody must ask
LangGraph about at `due_at`; it stands in a sparse index, spread over shards so that no partition takes every write.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runledger.core.times import iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.core.deliveries import Delivery, Payload

SHARDS = 8
FIRST_CHECK_SECONDS = 120  # a webhook is normally there long before

type Value = str | int | bool | dict[str, str]


@dataclass(frozen=True, slots=True)
class Update:
    """One conditional DynamoDB UpdateItem; it makes the item where there is none.

    `set` overwrites, `once` keeps what is there, `add` counts up, None values are left out. `condition` writes
    attributes as `#name` and values as `:name`, the values being those of `given`.
    """

    key: Mapping[str, str]
    condition: str
    given: Mapping[str, Value] = field(default_factory=dict)
    set: Mapping[str, Value | None] = field(default_factory=dict)
    once: Mapping[str, Value | None] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a payload is: `inline` in the item, or in the bucket under `key`."""

    payload: Payload
    key: str | None

    def attributes(self) -> dict[str, Value | None]:
        """Return the item's payload attributes."""
        return {
            "payload": self.payload.text if self.key is None else None,
            "payload_key": self.key,
            "payload_bytes": self.payload.size,
            "payload_sha256": self.payload.sha256,
        }


def shard(item_id: str) -> int:
    """Return the shard of a run or launch, the same always."""
    return zlib.crc32(item_id.encode()) % SHARDS


def payload_key(launch_id: str | None, run_id: str, sha256: str) -> str:
    """Return the bucket key of a payload: the same content of the same run is the same object.

    It stands under the launch that the token speaks for, so that a leaked token reaches nothing of another launch.
    """
    return f"runs/{launch_id or 'shared'}/{run_id}/{sha256}.json.gz"


def claim(  # noqa: PLR0913 - the facts of a launch, each by name
    *, launch_id: str, assistant_id: str, thread_id: str, own_thread: bool, stream: bool, langgraph_url: str, now: float
) -> Update:
    """Put a launch down before anything is asked of LangGraph, so that nothing can start unseen."""
    return Update(
        key={"launch_id": launch_id},
        condition="attribute_not_exists(#launch_id)",
        set={
            "state": "starting",
            "attempt": 1,
            "assistant_id": assistant_id,
            "thread_id": thread_id,
            "own_thread": own_thread,
            "stream": stream,
            "langgraph_url": langgraph_url,
            "created_at": iso(now),
            "updated_at": iso(now),
            **_due(launch_id, now + FIRST_CHECK_SECONDS),
        },
    )


def launch_started(launch_id: str, run_id: str, now: float, *, heard: bool = False) -> Update:
    """LangGraph has answered: the launch has its run.

    It is due no more, unless something was `heard` of it that could not be recorded: that it is due for still.
    """
    return Update(
        key={"launch_id": launch_id},
        condition="#state = :starting" + ("" if heard else " AND attribute_not_exists(#heard_at)"),
        given={"starting": "starting"},
        set={"state": "started", "run_id": run_id, "updated_at": iso(now)},
        remove=() if heard else _NOT_DUE,
    )


def launch_refused(launch_id: str, reason: str, now: float) -> Update:
    """LangGraph has made no run and never will for this launch."""
    return Update(
        key={"launch_id": launch_id},
        condition="#state = :starting AND attribute_not_exists(#heard_at)",
        given={"starting": "starting"},
        set={"state": "refused", "reason": reason, "updated_at": iso(now)},
        remove=_NOT_DUE,
    )


def launch_due(launch_id: str, now: float) -> Update:
    """Something genuine was heard that can't be recorded: LangGraph must be asked about the launch's runs."""
    return Update(
        key={"launch_id": launch_id},
        condition="attribute_exists(#launch_id)",
        set={"heard_at": iso(now), **_due(launch_id, now)},
    )


def run_pending(  # noqa: PLR0913 - the facts of a run, each by name
    *, run_id: str, launch_id: str, thread_id: str, assistant_id: str, after_seconds: int, now: float
) -> Update:
    """Record a run that was just launched; where its webhook was faster, `run_launched` says the rest."""
    return Update(
        key={"run_id": run_id},
        condition="attribute_not_exists(#run_id)",
        set={
            "launch_id": launch_id,
            "thread_id": thread_id,
            "assistant_id": assistant_id,
            "status": "pending",
            "source": "launch",
            "created_at": iso(now),
            "updated_at": iso(now),
            **_outcome(run_id, "pending"),
            **_due(run_id, now + after_seconds + FIRST_CHECK_SECONDS),
        },
    )


def run_launched(pending: Update) -> Update:
    """Add what only the launch knows to a run whose webhook was faster, and trimmed perhaps."""
    known = ("launch_id", "thread_id", "assistant_id", "created_at")
    return Update(
        key=pending.key,
        condition="attribute_not_exists(#launch_id) OR #launch_id = :launch_id",
        given={"launch_id": str(pending.set["launch_id"])},
        once={name: pending.set[name] for name in known},
    )


def run_delivered(delivery: Delivery, placed: Placed, launch_id: str | None, now: float) -> Update:
    """Record the first delivery about a run.

    `launch_id` is the token's; None for a shared token, which can't touch a run that has a launch.
    """
    settling = delivery.outcome == "settling"
    mine = "attribute_not_exists(#launch_id)" + (" OR #launch_id = :launch_id" if launch_id else "")
    return Update(
        key={"run_id": delivery.run_id},
        condition=f"({mine}) AND (attribute_not_exists(#source) OR #source = :launch)",
        given={"launch": "launch", **({"launch_id": launch_id} if launch_id else {})},
        set={
            "launch_id": launch_id,
            "thread_id": delivery.thread_id,
            "assistant_id": delivery.assistant_id,
            "status": delivery.status,
            "source": "webhook",
            "started_at": delivery.started_at,
            "ended_at": delivery.ended_at,
            "error": delivery.error,
            "delivered_at": iso(now),
            "updated_at": iso(now),
            **_outcome(delivery.run_id, delivery.outcome),
            **placed.attributes(),
            "created_at": delivery.created_at,
            **(_due(delivery.run_id, now + FIRST_CHECK_SECONDS) if settling else {}),
        },
        once={} if delivery.created_at else {"created_at": iso(now)},
        remove=() if settling else _NOT_DUE,
    )


def run_contradicted(delivery: Delivery, placed: Placed, now: float) -> Update:
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


_NOT_DUE = ("due_at", "due_shard")


def _due(item_id: str, at: float) -> dict[str, Value | None]:
    return {"due_at": int(at), "due_shard": str(shard(item_id))}


def _outcome(run_id: str, outcome: str) -> dict[str, Value | None]:
    return {"outcome": outcome, "outcome_shard": f"{outcome}#{shard(run_id)}"}
