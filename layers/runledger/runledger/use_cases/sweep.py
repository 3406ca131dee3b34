"""Putting what is due into the work queue: runs and launches, from the sharded due index of each table."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger import deadline, telemetry
from runledger.domain import launch_states, run_states
from runledger.domain.ledger import SHARDS
from runledger.domain.problems import Problem
from runledger.domain.retry import TICKET_SECONDS
from runledger.domain.tickets import LAUNCH, RUN, Ticket

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from runledger.use_cases.ports import DueStore, InParallel, WorkQueue

_TOGETHER = 160  # items that are moved at once, then sent


@dataclass(frozen=True)
class Sweep:
    """What it takes to put into the queue what is due. It holds `most` messages at most."""

    runs: DueStore
    launches: DueStore
    queue: WorkQueue
    in_parallel: InParallel
    most: int

    def work(self, ends: float) -> None:
        """Enqueue what is due until `ends` (monotonic seconds), or until the queue is full.

        Each item is first moved to the end of its ticket, where nobody else finds it due. One that is moved and not
        sent is due again then. What finds no room stays due, in its order.
        """
        room = self.most - self.queue.waiting()
        due = _alternately(
            ((RUN, item) for item in _longest_due(self.runs)),
            ((LAUNCH, item) for item in _longest_due(self.launches)),
        )
        for some in itertools.batched(due, _TOGETHER, strict=False):
            if room <= 0:
                telemetry.count("work_queue_full")
                telemetry.logger.warning("the work queue is full; what is due waits for the workers")
                return
            if time.monotonic() >= ends or not deadline.has_time():
                return
            room -= self._enqueue(some[:room])

    def _enqueue(self, due: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """Put some items into the queue; return how many."""
        moved = self.in_parallel(self._move, due)
        tickets = [ticket for ticket in moved if ticket]
        sent = list(self.in_parallel(self._send, itertools.batched(tickets, self.queue.at_once, strict=False)))
        for problem in sent:
            if problem:
                telemetry.count("failed")
                telemetry.logger.error("items are left until their tickets end", detail=problem.detail)
        return len(tickets)

    def _move(self, due: tuple[str, dict[str, Any]]) -> Ticket | None:
        """Give an item a ticket; None where somebody else was faster, or it can't be moved now."""
        key, item = due
        until, was_due = int(time.time()) + TICKET_SECONDS, int(item["due_at"])
        item_id = str(item[key])
        try:
            if key == RUN:
                failed = self.runs.apply(run_states.enqueued(item_id, was_due, until))
            else:
                failed = self.launches.apply(launch_states.enqueued(item_id, was_due, until))
        except Problem as problem:
            telemetry.logger.error("an item could not be put into the work queue", detail=problem.detail)
            return None
        return Ticket(key, item_id, until) if failed is None else None

    def _send(self, tickets: tuple[Ticket, ...]) -> Problem | None:
        try:
            self.queue.send([ticket.text() for ticket in tickets])
        except Problem as problem:
            return problem
        return None


def _longest_due(table: DueStore) -> Iterator[dict[str, Any]]:
    """Yield the keys of what is due, of each shard the longest due first; note how long the longest is.

    Each minute begins with another shard, so that a sweep which runs out of time starves none of them.
    """
    now = int(time.time())
    shards = [table.due((now // 60 + number) % SHARDS, now) for number in range(SHARDS)]
    firsts = [next(shard, None) for shard in shards]
    telemetry.gauge("oldest_due", now - min((int(first["due_at"]) for first in firsts if first), default=now))
    for first, rest in zip(firsts, shards, strict=True):
        if first:
            yield from itertools.chain([first], rest)


def _alternately[T](*series: Iterator[T]) -> Iterator[T]:
    """Yield one of each series after the other, until all are through."""
    nothing = object()
    for some in itertools.zip_longest(*series, fillvalue=nothing):
        yield from (one for one in some if one is not nothing)  # type: ignore[misc]
