"""The next steps of due runs: those that LangGraph is asked about, all of one deployment at once."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

from runledger import deadline, telemetry
from runledger.domain import run_states
from runledger.domain.deployments import NoKeyError
from runledger.domain.inspection import (
    AgentServerError,
    Gone,
    Inspection,
    TimedOutError,
    TooLargeError,
    UnreadableError,
)
from runledger.domain.problems import Problem
from runledger.domain.settling import unread
from runledger.domain.steps import next_step
from runledger.use_cases.give_up import give_up
from runledger.use_cases.record_finding import record_finding, settle
from runledger.use_cases.take_status import read_alone, take_status, unreadable

if TYPE_CHECKING:
    from runledger.domain.inspection import Found
    from runledger.domain.run import Run
    from runledger.domain.steps import Step
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.work import Work

_AT_ONCE_BYTES = 2 * 1024 * 1024  # of a result; larger ones are read one at a time
_EACH_SECONDS = 10.0


def perform_runs(work: Work, items: list[Run]) -> None:
    """Perform the next step of each run. What fails is deferred and stops no other."""
    there: dict[str, Launcher] = {}
    asked: defaultdict[str, list[Run]] = defaultdict(list)
    for item in items:
        telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
        try:
            if (launcher := _to_ask(work, item)) is not None:
                there[launcher.server.url] = launcher
                asked[launcher.server.url].append(item)
        except Exception as error:  # noqa: BLE001 - a poisoned item never stops the others
            work.failed(item, error)
    for url, launcher in there.items():
        _ask(work.at(launcher), asked[url])


def _to_ask(work: Work, item: Run) -> Launcher | None:
    """Return what asks about a run; None where LangGraph is not asked now. Steps without asking are performed here."""
    while (step := next_step(item, int(item["due_at"]))).kind != "inspect":
        if not _has_more(work, item, step):
            return None
    try:
        launcher = work.launcher.of(item)
    except NoKeyError as problem:
        work.defer_without_key(item, problem)
        return None
    if work.outages.is_out(launcher.server.url):
        work.leave_alone(item)
        return None
    return launcher


def _has_more(work: Work, item: Run, step: Step) -> bool:
    """Perform one step that needs no asking, and take it off the item; return whether another one may follow."""
    match step.kind:
        case "publish":
            work.publish(item)
            del item["unpublished"]
            return next_step(item, int(item["due_at"])).kind != "close"  # that is done by then
        case "report_missing":
            if work.update(run_states.webhook_missing(item["run_id"], item["outcome"])):
                telemetry.count("recovered")
                telemetry.logger.warning("recovered: the run's webhook never came", outcome=item["outcome"])
            del item["webhook_awaited"]
            return True
        case "end_unasked":
            settle(work, item, unread(item, "The webhook's body named no thread."), time.time())
        case "close":
            work.update(run_states.closed(item["run_id"], int(item["due_at"])))
    return False


def _ask(work: Work, items: list[Run]) -> None:
    """Ask one deployment about runs, record what is found, then judge those that it does not know."""
    server = work.launcher.server
    try:
        found = server.inspect_all(
            [_inspection(item) for item in items], _EACH_SECONDS, server.until(2 * _EACH_SECONDS)
        )
    except NoKeyError as problem:  # it is LangGraphUrl itself that has none
        for item in items:
            work.defer_without_key(item, problem)
        return
    except Problem as problem:  # the key can't be read
        for item in items:
            work.failed(item, problem)
        return
    gone: list[tuple[Run, Gone]] = []
    work.outages.note(server.url, has_answered=not all(isinstance(one, AgentServerError) for one in found))
    for item, one in zip(items, found, strict=True):
        if deadline.has_time():  # else it is due when its ticket ends
            _record(work, item, one, gone)
    is_refused = any(isinstance(one, AgentServerError) and one.slug == "api-key-refused" for one in found)
    give_up(work, gone, is_refused=is_refused)


def _record(work: Work, item: Run, found: Found | Exception, gone: list[tuple[Run, Gone]]) -> None:
    """Record what was found of one run, or what LangGraph did instead."""
    telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
    try:
        seen = _seen(work, item, found)
        if isinstance(seen, Gone) and "claim" not in item:
            gone.append((item, seen))
        elif seen is not None:
            record_finding(work, item, seen)
    except AgentServerError as problem:
        _unreached(work, item, problem)
    except Exception as error:  # noqa: BLE001 - a poisoned run never stops the others
        work.failed(item, error)


def _seen(work: Work, item: Run, found: Found | Exception) -> Found | None:
    """Return what was found, read alone where that is needed; None where there is nothing to record now."""
    try:
        if isinstance(found, TooLargeError | TimedOutError) and "claim" not in item:
            return read_alone(work, item)
        if isinstance(found, Exception):
            raise found
    except UnreadableError as error:
        unreadable(work, item, error)
        return None
    return found


def _unreached(work: Work, item: Run, problem: AgentServerError) -> None:
    try:
        if not work.is_overdue(item) or not take_status(work, item, problem.detail):
            work.failed(item, problem)
    except Exception as error:  # noqa: BLE001 - as above
        work.failed(item, error)


def _inspection(item: Run) -> Inspection:
    """Return what LangGraph is to be asked about a run."""
    question = next_step(item, int(item["due_at"])).question or "result"
    if question == "result" and (item["outcome"] != "settling" or item.get("disputed")):  # else its result is here
        return Inspection("result", item, _AT_ONCE_BYTES, reads_on=False)
    return Inspection(question, item)
