"""The next step of each run that was just written, from the Runs table's stream: within seconds (G8).

One step for each change; the write that settles a run comes back as a change of its own, to be published. Nothing hangs
on it: whatever is not done here, or the whole stream where it is lost, is due, and comes by the work queue.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain.inspection import Confirmed, Denied, Ended, Inspection, NotOurs, Verified
from runledger.domain.problems import Problem
from runledger.domain.steps import next_step
from runledger.use_cases.confirm_runs import note_claim, note_verified
from runledger.use_cases.record_finding import settle
from runledger.use_cases.work import detail_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.inspection import Found
    from runledger.domain.ledger import Change
    from runledger.domain.run import Run
    from runledger.use_cases.work import Work

_EACH_SECONDS = 5.0
_TRY_SECONDS = 60  # how long an event is tried again from here


def perform_fresh(work: Work, changes: Iterable[Change]) -> list[Change]:
    """Perform the steps that are to be done at once; return the changes that are to come again."""
    steps = [(change, next_step(change.run, 0)) for change in changes]
    again = [change for change, step in steps if step.kind == "publish" and not _publish(work, change)]
    asked = {change.run["run_id"]: Inspection(step.question, change.run) for change, step in steps if step.question}
    _ask(work, list(asked.values()))  # of a run that was written more than once, as it was last
    return again


def _publish(work: Work, change: Change) -> bool:
    """Publish what a run came to; return whether the change is done with.

    One that fails for a minute is left to the work queue, so that it does not hold up the others.
    """
    run = change.run
    telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
    if not work.has_time():
        return False
    try:
        work.publisher.publish(run["run_id"])
    except Exception as error:  # noqa: BLE001 - a poisoned change never stops the others
        telemetry.logger.warning("an event could not be sent", detail=detail_of(error))
        if time.time() < change.written_at + _TRY_SECONDS:
            return False
        telemetry.count("failed")
        telemetry.logger.error("an event is left to the work queue")
    return True


def _ask(work: Work, inspections: list[Inspection]) -> None:
    """Ask LangGraph what is not certain yet, all of one deployment at once: successes, claims, ends of runs."""
    there: dict[str, Work] = {}
    asked: defaultdict[str, list[Inspection]] = defaultdict(list)
    for inspection in inspections:
        run = inspection.run
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            here = work.at(work.launcher.of(run))
        except Problem as problem:
            telemetry.logger.warning("a run is settled later", detail=problem.detail)
            continue
        url = here.launcher.server.url
        there[url] = here
        asked[url].append(inspection)
    for url, here in there.items():
        if here.has_time() and not here.outages.is_out(url):
            _ask_at(here, asked[url])


def _ask_at(work: Work, inspections: list[Inspection]) -> None:
    server = work.launcher.server
    try:
        found = server.inspect_all(inspections, _EACH_SECONDS, server.until(2 * _EACH_SECONDS))
    except Problem as problem:
        telemetry.logger.warning("nothing is settled now", detail=problem.detail)
        return
    for inspection, one in zip(inspections, found, strict=True):
        run = inspection.run
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            _record(work, run, one)
        except Exception as error:  # noqa: BLE001 - a poisoned run never stops the others
            telemetry.logger.warning("a run is settled later", detail=detail_of(error))


def _record(work: Work, run: Run, found: Found | Exception) -> None:
    """Record what decides; all else is asked again when the run is due."""
    launcher = work.launcher
    match found:
        case Exception():
            raise found
        case Verified() | Denied():
            note_verified(launcher.runs, run, found)
        case Confirmed() | NotOurs():
            note_claim(launcher.runs, launcher.launches, launcher.bucket, run, found)
        case Ended() if found.seen.outcome != "settling":
            settle(work, run, found.seen, time.time())
