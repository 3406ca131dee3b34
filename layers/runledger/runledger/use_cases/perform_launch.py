"""The next step of a due launch: unfinished, notified, with a task that waits, or one that may be doubled."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import launch_states, run_states
from runledger.domain.deployments import NoKeyError
from runledger.domain.launch_states import Launch
from runledger.domain.problems import Problem
from runledger.domain.retry import deferred_until, is_stuck, next_check, next_try
from runledger.domain.steps import next_launch_step
from runledger.use_cases.confirm_runs import resolve
from runledger.use_cases.recover_launch import TakenError, adopt, go_on, watch
from runledger.use_cases.work import detail_of, is_unreached

if TYPE_CHECKING:
    from runledger.domain.ledger import Update
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.ports import Item
    from runledger.use_cases.work import Work


def perform_launch(work: Work, item: Item) -> None:
    """Perform one step. Where it fails, the launch is due later."""
    telemetry.about_only(launch_id=item["launch_id"])
    now, url = time.time(), work.launcher.servers.current(item.get("langgraph_url"))
    if work.outages.is_out(url):
        _defer(work, item, next_try(int(item.get("failures", 0)), now, work.max_check_seconds))
        return
    try:
        launch = Launch.read(item)
        _step(work, work.launcher.at(launch.langgraph_url), launch, int(item["due_at"]))
    except TakenError:
        return
    except NoKeyError as problem:
        telemetry.count("deployment_without_key")
        telemetry.logger.error("a launch is deferred", detail=problem.detail)
        _defer(work, item, deferred_until(now, work.max_check_seconds))
    except Exception as error:  # noqa: BLE001 - a poisoned item never stops the others
        work.outages.note(url, has_answered=not isinstance(error, Problem) or error.status not in (502, 504))
        _failed(work, item, error)
    else:
        work.outages.note(url, has_answered=True)


def _step(work: Work, launcher: Launcher, launch: Launch, was_due: int) -> None:
    now, until = time.time(), launcher.server.until(launcher.server.deadline)
    step = next_launch_step(launch, now)
    if step == "confirm":
        if not resolve(launcher, launch, until):
            later = next_check(launch.checks, now, work.max_check_seconds)
            launcher.launches.apply(launch_states.postponed(launch.launch_id, was_due, later))
            return
        step = next_launch_step(replace(launch, kept=()), now)
    match step:
        case "wait":  # somebody has taken it up since it was put into the queue
            return
        case "recover":
            go_on(launcher, launch, until, is_patient=True)
            return
        case "adopt":
            adopt(launcher, launch, until)
        case "watch":
            watch(launcher, launch, until)
    launcher.callbacks.settle(launch.launch_id)
    if launch.is_heard or step != "close":
        for run in launcher.runs.of_launch(launch.launch_id):
            launcher.runs.apply(run_states.due_now(run["run_id"], now))
    if launch.is_to_be_watched:  # a refused one, too: its earlier run may appear
        later = next_check(launch.watches, time.time(), work.max_check_seconds)
        launcher.launches.apply(launch_states.watched(launch, later))
    else:
        launcher.launches.apply(launch_states.checked(launch.launch_id, was_due))


def _defer(work: Work, item: Item, until: float) -> None:
    """Leave a launch for later whose deployment is not asked now; it counts as no check that failed."""
    _change(work, launch_states.deferred(item["launch_id"], until))


def _failed(work: Work, item: Item, error: Exception) -> None:
    """Work on a launch later, because this time it failed."""
    checks, failures = int(item.get("checks", 0)), int(item.get("failures", 0))
    telemetry.count("check_failed")
    if is_stuck(checks + failures):
        telemetry.count("stuck")
    telemetry.logger.warning("a launch could not be brought to its end now", detail=detail_of(error))
    now, launch_id, was_due = time.time(), item["launch_id"], int(item["due_at"])
    if is_unreached(error):
        _change(work, launch_states.unreached(launch_id, was_due, next_try(failures, now, work.max_check_seconds)))
    else:
        _change(work, launch_states.postponed(launch_id, was_due, next_check(checks, now, work.max_check_seconds)))


def _change(work: Work, update: Update) -> None:
    try:
        work.launcher.launches.apply(update)
    except Problem as problem:
        telemetry.logger.error("a launch is left until its ticket ends", detail=problem.detail)
