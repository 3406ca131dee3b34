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
from runledger.domain.steps import next_step
from runledger.use_cases.confirm_runs import note_claim, note_verified
from runledger.use_cases.launcher import url_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        steps = [(change, next_step(change.run, 0)) for change in map(read, event["Records"])]
        told = [change for change, step in steps if step.kind == "publish"]
        failed = [change for change in told if not _tell(change, context)]
        asked = {change.run["run_id"]: Inspection(step.question, change.run) for change, step in steps if step.question}
        _ask(list(asked.values()), context)  # of a run that was written more than once, as it was last
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


def _ask(inspections: list[Inspection], context: LambdaContext) -> None:
    """Ask LangGraph what is not certain yet, all of one deployment at once: successes, claims, ends of runs.

    Where that fails, reconcile asks again.
    """
    deployments, launches = parts().deployments, parts().launches
    there: dict[AgentServer, list[Inspection]] = defaultdict(list)
    for inspection in inspections:
        run = inspection.run
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            there[deployments.at(url_of(run, launches))].append(inspection)
        except Problem as problem:
            telemetry.logger.warning("a run is settled later", detail=problem.detail)
    for server, asked in there.items():
        _ask_at(server, asked, context)


def _ask_at(server: AgentServer, inspections: list[Inspection], context: LambdaContext) -> None:
    if context.get_remaining_time_in_millis() / 1000 < _SPARE_SECONDS:
        return
    try:
        found = server.inspect_all(inspections, _LOOK_SECONDS, server.until(2 * _LOOK_SECONDS))
    except Problem as problem:
        telemetry.logger.warning("nothing is settled now", detail=problem.detail)
        return
    for inspection, one in zip(inspections, found, strict=True):
        run = inspection.run
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            _note(run, one)
        except (TooLargeError, UnreadableError) as error:
            telemetry.logger.warning("a run is settled later", detail=str(error) or "Its checkpoint is large.")
        except Exception as error:  # noqa: BLE001 - a poisoned record never stops the others
            telemetry.logger.warning("a run is settled later", detail=_detail(error))


def _note(run: Mapping[str, Any], found: Found | Exception) -> None:
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
