"""Launches that are due: unfinished ones, those of which something was heard, and those that may be doubled."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reconcile.due_index import longest_due
from runledger import telemetry
from runledger.domain import launch_states, run_states
from runledger.domain.deployments import NoKeyError
from runledger.domain.launch_states import Launch
from runledger.domain.problems import Problem
from runledger.domain.retry import WATCHES, deferred_until, is_stuck, next_check
from runledger.use_cases.confirm_runs import resolve
from runledger.use_cases.recover_launch import TakenError, adopt, go_on, watch

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import LaunchesTable
    from runledger.use_cases.launcher import Launcher

_TOO_MANY = 3


@dataclass
class DueLaunches:
    """One pass over the due launches."""

    launcher: Launcher
    launches: LaunchesTable
    max_check_seconds: int

    def work(self, ends: float) -> None:
        """Take launch after launch until `ends` (monotonic seconds), or until no LangGraph deployment answers.

        One that does not answer costs the launches of the others no time; its own stay due.
        """
        failed: Counter[str] = Counter()  # one after the other, by deployment
        silent: set[str] = set()
        for keys in longest_due(self.launches):
            url = self.launcher.servers.current(keys.get("langgraph_url"))
            if time.monotonic() >= ends:
                return
            if url in silent:
                continue
            failed[url] = 0 if self._one(keys) else failed[url] + 1
            if failed[url] == _TOO_MANY:
                silent.add(url)
                if len(silent) >= self.launcher.servers.count():
                    return

    def _one(self, keys: dict[str, Any]) -> bool:
        """Look at one launch. One that fails is pushed back, and stops no other; return whether LangGraph answered."""
        launch_id = keys["launch_id"]
        telemetry.about_only(launch_id=launch_id)
        try:
            if item := self.launcher.launches.item(launch_id):
                self._look_at(Launch.read(item), int(keys["due_at"]))
        except TakenError:
            pass
        except NoKeyError as problem:
            self._defer(launch_id, problem)
        except Problem as problem:
            self._failed(keys, problem.detail)
            return problem.status not in (502, 504)
        except Exception:  # noqa: BLE001 - a poisoned item never stops the others
            telemetry.logger.exception("a launch could not be reconciled")
            self._failed(keys, "an unforeseen fault, logged above")
        return True

    def _look_at(self, launch: Launch, was_due: int) -> None:
        now, until = time.time(), self.launcher.server.until(self.launcher.server.deadline)
        if launch.state == "starting":
            if not launch.is_held(now):  # else somebody took it up since it was listed
                go_on(self.launcher.at(launch.langgraph_url), launch, until, is_patient=True)
            return
        if launch.kept and not resolve(self.launcher.at(launch.langgraph_url), launch, until):
            later = next_check(launch.checks, now, self.max_check_seconds)
            self.launcher.launches.apply(launch_states.postponed(launch.launch_id, later))
            return
        watches = launch.may_be_doubled and launch.watches < WATCHES
        if launch.state == "refused":
            adopt(self.launcher.at(launch.langgraph_url), launch, until)
        elif watches:
            watch(self.launcher.at(launch.langgraph_url), launch, until)
        self.launcher.callbacks.settle(launch.launch_id)
        if launch.is_heard or watches or launch.state == "refused":
            self._make_runs_due(launch, now)
        later = next_check(launch.watches, time.time(), self.max_check_seconds)
        done = launch_states.watched(launch, later) if watches else launch_states.checked(launch.launch_id, was_due)
        self.launcher.launches.apply(done)

    def _make_runs_due(self, launch: Launch, now: float) -> None:
        """Have a look at the runs of a launch of which something was heard."""
        for run in self.launcher.runs.of_launch(launch.launch_id):
            self.launcher.runs.apply(run_states.due_now(run["run_id"], now))

    def _defer(self, launch_id: str, problem: NoKeyError) -> None:
        """Leave a launch for later whose deployment must not be asked now; it counts as no check that failed."""
        telemetry.count("deployment_without_key")
        telemetry.logger.error("a launch is deferred", detail=problem.detail)
        update = launch_states.put_off(launch_id, deferred_until(time.time(), self.max_check_seconds))
        try:
            self.launcher.launches.apply(update)
        except Problem as fault:
            telemetry.logger.error("a launch could not be pushed back", detail=fault.detail)

    def _failed(self, keys: dict[str, Any], detail: str) -> None:
        telemetry.count("check_failed")
        if is_stuck(int(keys.get("checks", 0))):
            telemetry.count("stuck")
        telemetry.logger.warning("a launch could not be brought to its end now", detail=detail)
        later = next_check(int(keys.get("checks", 0)), time.time(), self.max_check_seconds)
        try:
            self.launcher.launches.apply(launch_states.postponed(keys["launch_id"], later))
        except Problem as problem:
            telemetry.logger.error("a launch could not be pushed back", detail=problem.detail)
