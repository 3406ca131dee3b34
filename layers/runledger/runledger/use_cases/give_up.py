"""Runs that LangGraph does not know: asked for again, then given up, where it is certain to be itself (G13)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runledger import deadline, telemetry
from runledger.domain import retry, run_states, verification
from runledger.domain.inspection import AgentServerError, MovedOn
from runledger.domain.settling import unread
from runledger.domain.verification import is_doubtful
from runledger.use_cases.record_finding import record_moved_on, settle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.inspection import Gone
    from runledger.domain.run import Run
    from runledger.use_cases.work import Work

_PROOF_SECONDS = 5.0  # for what LangGraph is asked to prove that it is itself


def give_up(work: Work, gone: Iterable[tuple[Run, Gone]], *, is_refused: bool) -> None:
    """Count a miss for each run, or end it after the last one; where `is_refused` LangGraph lets nobody in."""
    if is_refused:
        url = work.launcher.server.url
        telemetry.logger.error("LangGraph refuses the API key; no run is marked as gone", langgraph_url=url)
    now = time.time()
    for item, found in gone:
        if not deadline.has_time():
            telemetry.logger.warning("no time is left; the rest of what LangGraph does not know is due still")
            return
        telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
        try:
            if is_refused and not _has_outlasted_all(work, item, now):
                work.postpone(item)
            else:
                _miss(work, item, found, now)
        except Exception as error:  # noqa: BLE001 - a poisoned run never stops the others
            work.failed(item, error)


def _miss(work: Work, item: Run, found: Gone, now: float) -> None:
    run_id = item["run_id"]
    if found.rolled_back and item["outcome"] in ("pending", "lost"):
        if work.update(run_states.rolled_back(run_id, now)):
            telemetry.logger.info("rolled back")
    elif not retry.is_missed_for_good(item, now):
        later = retry.next_miss(now, work.max_check_seconds)
        work.update(run_states.missed(run_id, int(item["due_at"]), later, now))
    elif not (is_proven := _is_itself(work, item)) and not _has_outlasted_all(work, item, now):
        work.postpone(item)
    else:
        _end(work, item, now, is_proven=is_proven)


def _end(work: Work, item: Run, now: float, *, is_proven: bool) -> None:
    """End a run that LangGraph knows no more, as far as it can be ended."""
    run_id = item["run_id"]
    if is_doubtful(item):  # LangGraph has deleted it since: what its webhook reported is all there is
        work.update(verification.verified(item, is_known=False))
        work.publish(item)
    elif item["outcome"] == "pending":
        if work.update(run_states.lost(run_id, now, unproven=not is_proven)):
            telemetry.count("lost")
            telemetry.logger.error(
                "lost: LangGraph no longer knows the run, and no result was seen", unproven=not is_proven
            )
    elif item["outcome"] == "awaiting_input":  # nobody can answer it any more
        record_moved_on(work, item, MovedOn(None))
    elif item["outcome"] == "settling":  # its result is here
        settle(work, item, unread(item, "LangGraph no longer knows the run."), now)
    else:
        work.update(run_states.closed(run_id, int(item["due_at"])))


def _has_outlasted_all(work: Work, item: Run, now: float) -> bool:
    if item["outcome"] == "awaiting_input":  # it may wait for as long as a person takes
        return now > int(item.get("missed_since", now)) + work.launcher.max_run_seconds
    return retry.has_outlasted_all(item, now, work.launcher.max_run_seconds)


def _is_itself(work: Work, item: Run) -> bool:
    """Whether the deployment still knows what it has to know, so that its 404 is about the run alone (G13)."""
    server = work.launcher.server
    if not work.has_time():  # the next look has time for it
        return False
    try:
        return work.prover.is_itself(server, item, server.until(_PROOF_SECONDS))
    except AgentServerError as problem:
        telemetry.logger.warning("it is not certain that this is the same LangGraph", detail=problem.detail)
        return False
