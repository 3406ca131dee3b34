"""Every minute: ask LangGraph about what is due, so that every run ends in the ledger (G1), and only once (G2, G4).

First launches whose launcher never came back, then runs: whose webhook never came, whose success is not settled, who
wait for a person, whose event has not left. Whatever fails is pushed back and stops nothing else; two of these at once
do no harm.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from reconcile.due_launches import DueLaunches
from reconcile.due_runs import DueRuns
from runledger import telemetry
from runledger.bootstrap import Once
from runledger.bootstrap.reconcile import build
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

_SPARE_SECONDS = 35  # of the function's time for what is under way when the pass is to end
_LAUNCHES_SHARE = 0.5  # of a pass at most; the rest is for runs

parts = Once(build)


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - the schedule says nothing
    """Work through what is due until it is done or the time is up."""
    telemetry.begin(context)
    seconds = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    begins, its = time.monotonic(), parts()
    passes = (
        (DueLaunches(its.launcher, its.launches, its.max_check_seconds), begins + seconds * _LAUNCHES_SHARE),
        (
            DueRuns(its.launcher, its.publisher, its.prover, its.runs, its.max_check_seconds, its.inline_payload_bytes),
            begins + seconds,
        ),
    )
    try:
        for due, ends in passes:
            try:
                due.work(ends)
            except Problem as problem:  # the ledger or a secret can't be read: nothing is done, the next minute tries
                telemetry.count("failed")
                telemetry.logger.error("a pass ends early", detail=problem.detail)
    finally:
        telemetry.end()
