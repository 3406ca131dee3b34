"""What it takes to perform the steps that items of the ledger need, and how a step is put off."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import retry, run_states
from runledger.domain.inspection import UnreadableError
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from runledger.domain.deployments import NoKeyError
    from runledger.domain.ledger import Update
    from runledger.domain.run import Run
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.outages import Outages
    from runledger.use_cases.prove_server import Prover
    from runledger.use_cases.publish import Publisher

_BUS = "event bus"


@dataclass(frozen=True)
class Work:
    """What it takes. Nothing is begun that may take long after `ends` (monotonic seconds).

    `launcher` is at the deployment that is asked. Methods are about a run, an item as it was read.
    """

    launcher: Launcher
    publisher: Publisher
    prover: Prover
    outages: Outages
    max_check_seconds: int
    inline_payload_bytes: int
    ends: float = math.inf

    def at(self, launcher: Launcher) -> Work:
        """Return what works at the deployment of a launcher."""
        return replace(self, launcher=launcher)

    def has_time(self) -> bool:
        """Whether something may be begun that takes long."""
        return time.monotonic() < self.ends

    def is_overdue(self, item: Run) -> bool:
        """Whether a run could not be settled for longer than any run may take."""
        return retry.is_overdue(item, time.time(), self.launcher.max_run_seconds)

    def update(self, update: Update) -> bool:
        """Make a change of a run; return whether it was made. Where it was not, somebody else was faster."""
        return self.launcher.runs.apply(update) is None

    def publish(self, item: Run) -> None:
        """Publish what a run came to; later, where the bus does not answer."""
        if self.outages.is_out(_BUS):
            self.leave_alone(item)
            return
        try:
            self.publisher.publish(item["run_id"])
        except Problem:
            self.outages.note(_BUS, has_answered=False)
            raise
        self.outages.note(_BUS, has_answered=True)

    def postpone(self, item: Run, *, known: bool = False, is_ended: bool = False) -> None:
        """Look at a run again later: LangGraph knows it, or this look failed."""
        now = time.time()
        later = retry.next_check(int(item.get("checks", 0)) + 1, now, self.max_check_seconds)
        unsettled = None if known and not is_ended else now
        self.update(run_states.postponed(item["run_id"], int(item["due_at"]), later, known=known, unsettled=unsettled))

    def defer(self, item: Run, until: float) -> None:
        """Ask about a run later, which counts as no look at it; at the latest when its ticket ends."""
        try:
            self.update(run_states.deferred(item["run_id"], int(item["due_at"]), until))
        except Problem as problem:
            telemetry.logger.error("a run is left until its ticket ends", detail=problem.detail)

    def leave_alone(self, item: Run) -> None:
        """Work on a run later, because a server is left alone that has not answered others."""
        self.defer(item, self._next_try(item))

    def _next_try(self, item: Run) -> float:
        return retry.next_try(int(item.get("failures", 0)) + 1, time.time(), self.max_check_seconds)

    def defer_without_key(self, item: Run, problem: NoKeyError) -> None:
        """Leave a run for later whose deployment must not be asked now."""
        telemetry.count("deployment_without_key")
        telemetry.logger.error("a run is deferred", detail=problem.detail)
        self.defer(item, retry.deferred_until(time.time(), self.max_check_seconds))

    def failed(self, item: Run, error: Exception) -> None:
        """Work on a run later, because this time it failed. A write that fails too leaves it due when its ticket ends.

        What a server did not answer does not make the next waits longer.
        """
        telemetry.count("check_failed")
        if retry.is_stuck(int(item.get("failures", 0))):
            telemetry.count("stuck")
        detail = detail_of(error)
        telemetry.logger.warning("a run is looked at again later", detail=detail)
        try:
            if is_unreached(error):
                was_due, later = int(item["due_at"]), self._next_try(item)
                self.update(run_states.unreached(item["run_id"], was_due, later, time.time()))
            else:
                self.postpone(item)
        except Problem as problem:
            telemetry.logger.error("a run is left until its ticket ends", detail=problem.detail)


def is_unreached(error: Exception) -> bool:
    """Whether an error says that a server was out of reach, and nothing about the item."""
    return isinstance(error, Problem) and error.status in (429, 502, 503, 504)


def detail_of(error: Exception) -> str:
    """Return what is to be logged of an error; one that nobody foresaw is logged with its traceback first."""
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, UnreadableError):
        return str(error)
    telemetry.logger.error("unforeseen fault", exc_info=error)
    return f"An unforeseen fault ({type(error).__name__}), logged above."
