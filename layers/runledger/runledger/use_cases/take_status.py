"""Runs whose result LangGraph does not show with the others, or not at all (G14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import retry, run_states, verification
from runledger.domain.inspection import (
    MAX_RESULT_BYTES,
    AgentServerError,
    Ended,
    Inspection,
    TimedOutError,
)
from runledger.domain.settling import unread
from runledger.use_cases.record_finding import record_finding

if TYPE_CHECKING:
    from runledger.domain.inspection import Found, UnreadableError
    from runledger.domain.run import Run
    from runledger.use_cases.work import Work


def read_alone(work: Work, item: Run) -> Found | None:
    """Read a large or slow result if there is time; None where there is none.

    The run is postponed first, should this process not outlive it. A result that can't be read in time, again and
    again, is left to LangGraph as one that is too large is.
    """
    work.postpone(item)
    if not work.has_time():
        return None
    try:
        return _ask(work, Inspection("result", item, MAX_RESULT_BYTES))
    except TimedOutError:
        if not retry.is_stuck(int(item.get("failures", 0))) or work.is_overdue(item):
            raise
        return _ask(work, Inspection("status", item))


def unreadable(work: Work, item: Run, error: UnreadableError) -> None:
    """Ask again where LangGraph itself would not show a checkpoint, five times; then its status has to do (G14)."""
    is_enough = retry.is_enough(item) or work.is_overdue(item)
    if not is_enough or not take_status(work, item, str(error)):
        work.update(run_states.unreadable(item["run_id"], int(item.get("unreadable", 0))))
        work.failed(item, error)


def take_status(work: Work, item: Run, missing: str) -> bool:
    """End a run by its status alone; return whether that could be done. What is recorded says what is missing."""
    if item.get("unverified") and not item.get("disputed"):
        _believe(work, item)
        return True
    if item["outcome"] not in ("pending", "settling") and not item.get("disputed"):
        return False
    try:
        found = _ask(work, Inspection("status", item, missing=missing))
    except AgentServerError:
        if item["outcome"] == "pending" or not work.is_overdue(item):
            return False
        found = Ended(unread(item, missing), None)
    if isinstance(found, Ended):
        telemetry.count("unreadable")
        telemetry.logger.error("a run is ended by its status alone", missing=missing)
    record_finding(work, item, found)
    return True


def _believe(work: Work, item: Run) -> None:
    """Take an end that LangGraph could not be asked about, for as long as a run may take, as reported (G14)."""
    telemetry.count("unreadable")
    telemetry.logger.error("LangGraph can't be asked about the end of a run; it is published as reported")
    work.update(verification.verified(item, is_known=False))
    work.publish(item)


def _ask(work: Work, inspection: Inspection) -> Found:
    server = work.launcher.server
    return server.inspect(inspection, server.until(server.deadline))
