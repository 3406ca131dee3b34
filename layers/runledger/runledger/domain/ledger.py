"""What all items of the ledger have in common: writes as data, payloads, and being due.

What is due is what somebody must ask LangGraph about at `due_at`; it stands in a sparse index, spread over shards so
that no partition takes every write. The transitions themselves are in `run_states` and `launch_states`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.conditions import Condition, Value
    from runledger.domain.deliveries import Payload
    from runledger.domain.run import Run

SHARDS = 8
SCHEMA = 1  # of items that this version makes; those without one are older, and are read as well
NOT_DUE = ("due_at", "due_shard")
_EVENTS = "unpublished"  # the set of a run's outcomes whose events have not left
# Beside that set, put and removed with it, stands a text which the stream's filter matches: AWS documents filters on
# texts, and none on sets.
EVENT_STATE, HAS_EVENTS = "event_state", "unpublished"


@dataclass(frozen=True, slots=True)
class Update:
    """One conditional change of an item; it makes the item where there is none.

    `set` overwrites, `once` keeps what is there, `add` counts up or adds to a set of texts, None values are left out.
    It is done where all of `when` hold.
    What adds to, sets or removes the set `unpublished` does the same to `event_state`, whoever makes it.
    """

    key: Mapping[str, str]
    when: tuple[Condition, ...]
    set: Mapping[str, Value | None] = field(default_factory=dict)
    once: Mapping[str, Value | None] = field(default_factory=dict)
    add: Mapping[str, int | frozenset[str]] = field(default_factory=dict)
    remove: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Keep `event_state` in step with `unpublished`."""
        if _EVENTS in self.add or self.set.get(_EVENTS):
            object.__setattr__(self, "set", {**self.set, EVENT_STATE: HAS_EVENTS})
        if _EVENTS in self.remove:
            object.__setattr__(self, "remove", (*self.remove, EVENT_STATE))


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


@dataclass(frozen=True, slots=True)
class Change:
    """One write to the Runs table: the run as it was from then on, at epoch seconds `written_at`."""

    run: Run
    written_at: float
    sequence_number: str


def shard(item_id: str) -> int:
    """Return the shard of a run or launch, the same always."""
    return zlib.crc32(item_id.encode()) % SHARDS


def payload_key(launch_id: str | None, run_id: str, sha256: str) -> str:
    """Return the bucket key of a payload: the same content of the same run is the same object.

    It stands under the launch that the token speaks for, so that a leaked token reaches nothing of another launch.
    """
    return f"runs/{launch_id or 'shared'}/{run_id}/{sha256}.json.gz"


def questions_key(launch_id: str | None, run_id: str, sha256: str) -> str:
    """Return the bucket key of a run's questions that are too large for its item."""
    return payload_key(launch_id, run_id, f"questions-{sha256}")


def request_key(launch_id: str, digest: str) -> str:
    """Return the bucket key of a launch's request that is too large for its item."""
    return f"launches/{launch_id}/{digest}.json.gz"


def due(item_id: str, at: float, was_due: int | None = None) -> dict[str, Value | None]:
    """Return the attributes that put an item into its table's due index, at epoch seconds.

    It is another second than the one at which the item `was_due`: by that its ticket is known as worked on, and a write
    that is repeated because its answer was lost as done.
    """
    return {"due_at": int(at) + (int(at) == was_due), "due_shard": str(shard(item_id))}
