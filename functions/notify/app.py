"""The Runs table's stream: seconds after a write, settle a success, and tell what a run came to (G8).

One step for each record; the write that settles a run comes back as a record of its own, to be told. Nothing hangs on
it: whatever is not done here, or the whole stream where it is lost, stays due, and reconcile does it minutes later.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.bus import Bus
from runledger.adapters.callbacks import Callbacks
from runledger.adapters.queue import Queue
from runledger.adapters.secrets import Secret, api_keys
from runledger.adapters.step_functions import Tasks
from runledger.adapters.stream import Change, read, to_repeat
from runledger.adapters.tables import Table
from runledger.adapters.telling import Telling
from runledger.domain import run_states
from runledger.domain.events import letter_of
from runledger.domain.problems import Problem
from runledger.domain.verification import is_doubtful
from runledger_langgraph.checkpoints import TooLargeError, UnreadableError
from runledger_langgraph.confirming import (
    Confirmed,
    Denied,
    NotOurs,
    Verified,
    look_at_claim,
    note_claim,
    note_verified,
    verify,
)
from runledger_langgraph.deployments import Deployment, Deployments, url_of
from runledger_langgraph.inspection import Ended, Look, at_once, look
from runledger_langgraph.refusals import ERRORS, explain, refuses_the_key

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from langgraph_sdk.client import LangGraphClient

type Found = Look | Verified | Denied | Confirmed | NotOurs

_LOOK_SECONDS = 5.0
_TRY_SECONDS = 60  # how long an event is tried again from here
_SPARE_SECONDS = 9 * aws.CALL_SECONDS  # for one record: its run, the bus, its launch and that one's task, dead letters

_MAY_BE_INSECURE = settings.flag("ALLOW_INSECURE_URLS")

_dynamodb = aws.client("dynamodb")
runs = Table(_dynamodb, settings.text("RUNS_TABLE"))
_launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
_bucket = Bucket(settings.text("PAYLOAD_BUCKET"))
_bus = Bus(aws.client("events"), settings.text("EVENT_BUS"))
telling = Telling(runs, _bus, Callbacks(Tasks(), runs, _launches, _bucket))
dead_letters = Queue(settings.text("DEAD_LETTER_QUEUE"))
LEDGER_ID = settings.text("LEDGER_ID")
secret = Secret(aws.client("secretsmanager"), settings.text("LANGGRAPH_API_KEY_SECRET"), api_keys)
deployments = Deployments(
    settings.url("LANGGRAPH_URL", may_be_insecure=_MAY_BE_INSECURE),
    settings.urls("LANGGRAPH_FORMER_URLS"),
    secret,
    may_be_insecure=_MAY_BE_INSECURE,
)


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
        telling.tell(run["run_id"])
    except Exception as error:  # noqa: BLE001 - a poisoned record never stops the others
        detail = _detail(error)
        telemetry.logger.warning("an event could not be sent", detail=detail)
        return time.time() >= change.written_at + _TRY_SECONDS and _give_up(run, detail)
    return True


def _give_up(run: dict[str, Any], detail: str) -> bool:
    """Leave a dead letter; return whether that could be done."""
    try:
        dead_letters.leave(letter_of(run), detail)
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


async def _look(client: LangGraphClient, run: dict[str, Any]) -> Found:
    if "claim" in run:
        return await look_at_claim(client, run, LEDGER_ID)
    if "unverified" in run:
        return await verify(client, run)
    return await look(client, run["thread_id"], run["run_id"], run["created_at"], 0)


def _ask(changes: list[Change], context: LambdaContext) -> None:
    """Ask LangGraph what is not certain yet, all of one deployment at once: successes, claims, ends of runs.

    Where that fails, reconcile asks again.
    """
    there: dict[Deployment, dict[str, dict[str, Any]]] = defaultdict(dict)
    for run in (change.run for change in changes if "thread_id" in change.run or "claim" in change.run):
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            there[deployments.at(url_of(run, _launches))][run["run_id"]] = run
        except Problem as problem:
            telemetry.logger.warning("a run is settled later", detail=problem.detail)
    for deployment, asked in there.items():
        _ask_at(deployment, asked, context)


def _ask_at(deployment: Deployment, asked: dict[str, dict[str, Any]], context: LambdaContext) -> None:
    langgraph, api_key = deployment.langgraph, deployment.api_key

    async def look_at_all(client: LangGraphClient) -> list[Any]:
        return await at_once((_look(client, run) for run in asked.values()), _LOOK_SECONDS)

    if context.get_remaining_time_in_millis() / 1000 < _SPARE_SECONDS:
        return
    try:
        key = api_key.value()
        found = langgraph.ask(key, langgraph.until(2 * _LOOK_SECONDS), look_at_all)
    except Problem as problem:
        telemetry.logger.warning("nothing is settled now", detail=problem.detail)
        return
    except TimeoutError:
        telemetry.logger.warning("nothing is settled now", detail="LangGraph is too slow.")
        return
    for run, one in zip(asked.values(), found, strict=True):
        telemetry.about_only(launch_id=run.get("launch_id"), run_id=run["run_id"])
        try:
            _note(run, one)
        except (TooLargeError, UnreadableError) as error:
            detail = str(error).replace(key or "\0", "…") or "Its checkpoint is large."
            telemetry.logger.warning("a run is settled later", detail=detail)
        except Exception as error:  # noqa: BLE001 - a poisoned record never stops the others
            if refuses_the_key(error):
                api_key.forget()
            fault = explain(error, langgraph, secrets=(key,)) if isinstance(error, ERRORS) else error
            telemetry.logger.warning("a run is settled later", detail=_detail(fault))


def _note(run: dict[str, Any], found: Found | BaseException) -> None:
    if isinstance(found, BaseException):
        raise found
    if isinstance(found, Verified | Denied):
        note_verified(runs, run, found)
    if isinstance(found, Confirmed | NotOurs):
        note_claim(runs, _launches, _bucket, run, found)
    if not isinstance(found, Ended) or found.seen.outcome == "settling":
        return
    key = _bucket.put_questions(run.get("launch_id"), run["run_id"], found.seen.all_questions)
    denied = run_states.is_denied(run, found.seen)
    if runs.apply(run_states.settled(run["run_id"], found.seen, time.time(), key, disputed=denied)) is None:
        telemetry.count("settled")
        telemetry.logger.info("settled", outcome=found.seen.outcome)


def _detail(error: Exception) -> str:
    if isinstance(error, Problem):
        return error.detail
    telemetry.logger.error("unforeseen fault", exc_info=error)
    return f"An unforeseen fault ({type(error).__name__})."
