"""Ending the Step Functions task that waits for a launch; once, and then its token is forgotten (G5)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states
from runledger.domain.callbacks import MAX_OUTPUT_BYTES, Report, is_over, refusal_of, removal_of, report_of
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.run import Run
    from runledger.use_cases.ports import PayloadStore, Store, Tasks


@dataclass(frozen=True)
class Callbacks:
    """What it takes to find out whether a launch is over, and to end its task."""

    tasks: Tasks
    runs: Store[Run]
    launches: Store[dict[str, Any]]
    bucket: PayloadStore

    def settle(self, launch_id: str) -> None:
        """End the task of a launch, if there is one and the launch is over or refused.

        A task that was ended by somebody who then died is ended again, which Step Functions answers with "gone". Raises
        a 503 Problem where that can't be done now.
        """
        launch = self.launches.item(launch_id)
        if launch is None or "task_token" not in launch:
            return
        report = self._report(launch)
        if report is None:
            return
        if self.tasks.end(launch["task_token"], report):
            telemetry.count("called_back")
            telemetry.logger.info("called back", error=report.error or None)
        else:
            telemetry.count("not_waited_for")
            telemetry.logger.warning("nobody waits for this launch any more")
        self.launches.apply(launch_states.called_back(launch_id, launch["task_token"]))

    def settle_or_defer(self, launch_id: str) -> None:
        """Do so, or have the worker do it later where Step Functions is unavailable or refuses the call.

        Raises a 503 Problem where not even that can be noted.
        """
        try:
            self.settle(launch_id)
        except Problem as problem:
            telemetry.logger.warning("a task is told later", detail=problem.detail)
            self.launches.apply(launch_states.call_later(launch_id, time.time()))

    def _report(self, launch: Mapping[str, Any]) -> Report | None:
        if launch["state"] == "refused":
            return refusal_of(launch)
        if "run_id" not in launch:
            return None
        run = self._last_run(launch["run_id"])
        if run is None:
            return removal_of(launch)
        if not is_over(run):
            return None
        return report_of(run, self._payload(run), self.bucket.name)

    def _last_run(self, run_id: str | None) -> Run | None:
        """Follow a launch's runs from the first to the one that nobody of ours has answered."""
        run = None
        while run_id:
            run = self.runs.item(run_id)
            run_id = run.get("answered_by") if run and "answer_digest" in run else None
        return run

    def _payload(self, run: Run) -> str | None:
        if run["outcome"] != "succeeded" or int(run.get("payload_bytes", 0)) > MAX_OUTPUT_BYTES:
            return None
        if "payload_key" in run:
            return self.bucket.fetch(run["payload_key"])
        text: str | None = run.get("payload")
        return text
