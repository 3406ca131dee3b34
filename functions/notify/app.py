"""The Runs table's stream: seconds after a write, settle a success, and tell what a run came to (G8).

One step for each record; the write that settles a run comes back as a record of its own, to be told. Nothing hangs on
it: whatever is not done here, or the whole stream where it is lost, stays due, and reconcile does it minutes later.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.adapters.stream import Change, read, to_repeat
from runledger.bootstrap import Once
from runledger.bootstrap.notify import build
from runledger.deadline import CALL_SECONDS
from runledger.domain import run_states
from runledger.domain.events import letter_of
from runledger.domain.inspection import (
    Confirmed,
    Denied,
    Ended,
    Inspection,
    NotOurs,
    TooLargeError,
    UnreadableError,
    Verified,
)
from runledger.domain.problems import Problem
from runledger.domain.verification import is_doubtful
from runledger.use_cases.confirm_runs import note_claim, note_verified
from runledger.use_cases.launcher import url_of

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from runledger.domain.inspection import Found
    from runledger.use_cases.ports import AgentServer

_LOOK_SECONDS = 5.0
_TRY_SECONDS = 60  # how long an event is tried again from here
_SPARE_SECONDS = 9 * CALL_SECONDS  # for one record: its run, the bus, its launch and that one's task, dead letters

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Work on a batch of records; answer which of them are to be repeated."""
    telemetry.begin(context)
    try:
        changes = [read(record) for record in event["Records"]]
        told = [change for change in changes if "unpublished" in change.run and not is_doubtful(change.run)]
        failed = [change for change in told if not _tell(change, context)]
        _ask([change for change in changes if _is_to_be_asked(change.run)], context)
        return to_repeat(failed)
    finally:
        telemetry.end()


def _tell(change: Change, context: LambdaContext) -> bool:
    """Publish what a run came to; return whether the record is done with.

    One that fails for a minute becomes a dead letter, so that it does not hold up the others for ever.
    """
    run = change.run
    telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
    if context.get_remaining_time_in_millis() / 1000 < _SPARE_SECONDS:
        return False
    try:
        parts().publisher.publish(run["run_id"])
    except Exception as error:  # noqa: BLE001 - a poisoned record never stops the others
        detail = _detail(error)
        telemetry.logger.warning("an event could not be sent", detail=detail)
        return time.time() >= change.written_at + _TRY_SECONDS and _give_up(run, detail)
    return True


def _give_up(run: dict[str, Any], detail: str) -> bool:
    """Leave a dead letter; return whether that could be done."""
    try:
        parts().dead_letters.leave(letter_of(run), detail)
    except Problem as problem:
        telemetry.logger.error("a dead letter could not be put down", detail=problem.detail)
        return False
    telemetry.count("failed")
    telemetry.logger.error("an event is a dead letter; reconcile goes on trying", detail=detail)
    return True


def _is_to_be_asked(run: dict[str, Any]) -> bool:
    """Whether LangGraph has something to say of a run that takes no reading of its result; reconcile does the rest."""
    is_claim = "claim" in run and "due_at" in run
    return (is_claim or run["outcome"] == "settling" or "unverified" in run) and "disputed" not in run


def _inspection(run: dict[str, Any]) -> Inspection:
    if "claim" in run:
        return Inspection("claim", run)
    return Inspection("end" if "unverified" in run else "result", run)


def _ask(changes: list[Change], context: LambdaContext) -> None:
    """Ask LangGraph what is not certain yet, all of one deployment at once: successes, claims, ends of runs.

    Where that fails, reconcile asks again.
    """
    deployments, launches = parts().deployments, parts().launches
    there: dict[AgentServer, dict[str, dict[str, Any]]] = defaultdict(dict)
    for run in (change.run for change in changes if "thread_id" in change.run or "claim" in change.run):
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            there[deployments.at(url_of(run, launches))][run["run_id"]] = run
        except Problem as problem:
            telemetry.logger.warning("a run is settled later", detail=problem.detail)
    for server, asked in there.items():
        _ask_at(server, asked, context)


def _ask_at(server: AgentServer, asked: dict[str, dict[str, Any]], context: LambdaContext) -> None:
    if context.get_remaining_time_in_millis() / 1000 < _SPARE_SECONDS:
        return
    inspections = [_inspection(run) for run in asked.values()]
    try:
        found = server.inspect_all(inspections, _LOOK_SECONDS, server.until(2 * _LOOK_SECONDS))
    except Problem as problem:
        telemetry.logger.warning("nothing is settled now", detail=problem.detail)
        return
    for run, one in zip(asked.values(), found, strict=True):
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            _note(run, one)
        except (TooLargeError, UnreadableError) as error:
            telemetry.logger.warning("a run is settled later", detail=str(error) or "Its checkpoint is large.")
        except Exception as error:  # noqa: BLE001 - a poisoned record never stops the others
            telemetry.logger.warning("a run is settled later", detail=_detail(error))


def _note(run: dict[str, Any], found: Found | Exception) -> None:
    if isinstance(found, Exception):
        raise found
    runs, launches, bucket = parts().runs, parts().launches, parts().bucket
    if isinstance(found, Verified | Denied):
        note_verified(runs, run, found)
    if isinstance(found, Confirmed | NotOurs):
        note_claim(runs, launches, bucket, run, found)
    if not isinstance(found, Ended) or found.seen.outcome == "settling":
        return
    key = bucket.put_questions(run.get("launch_id"), run["run_id"], found.seen.all_questions)
    denied = run_states.is_denied(run, found.seen)
    if runs.apply(run_states.settled(run["run_id"], found.seen, time.time(), key, disputed=denied)) is None:
        telemetry.count("settled")
        telemetry.logger.info("settled", outcome=found.seen.outcome)


def _detail(error: Exception) -> str:
    if isinstance(error, Problem):
        return error.detail
    telemetry.logger.error("unforeseen fault", exc_info=error)
    return f"An unforeseen fault ({type(error).__name__})."
