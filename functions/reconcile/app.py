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
from runledger.adapters import aws, settings, telemetry
from runledger.adapters.bucket import Bucket
from runledger.adapters.bus import Bus
from runledger.adapters.callbacks import Callbacks
from runledger.adapters.recorder import Recorder
from runledger.adapters.secrets import Secret, api_keys, key_ring
from runledger.adapters.step_functions import Tasks
from runledger.adapters.tables import Table
from runledger.adapters.telling import Telling
from runledger.domain.problems import Problem
from runledger_langgraph.deployments import Deployments
from runledger_langgraph.launcher import Launcher

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

MAX_CHECK_SECONDS = settings.whole_number("MAX_CHECK_SECONDS")
INLINE_PAYLOAD_BYTES = settings.whole_number("INLINE_PAYLOAD_BYTES")
_SPARE_SECONDS = 35  # of the function's time for what is under way when the pass is to end
_LAUNCHES_SHARE = 0.5  # of a pass at most; the rest is for runs

_MAY_BE_INSECURE = settings.flag("ALLOW_INSECURE_URLS")

_dynamodb, _secretsmanager = aws.client("dynamodb"), aws.client("secretsmanager")
_runs = Table(_dynamodb, settings.text("RUNS_TABLE"))
_launches = Table(_dynamodb, settings.text("LAUNCHES_TABLE"))
_bucket = Bucket(settings.text("PAYLOAD_BUCKET"))
_deployments = Deployments(
    settings.url("LANGGRAPH_URL", may_be_insecure=_MAY_BE_INSECURE),
    settings.urls("LANGGRAPH_FORMER_URLS"),
    Secret(_secretsmanager, settings.text("LANGGRAPH_API_KEY_SECRET"), api_keys),
    may_be_insecure=_MAY_BE_INSECURE,
)
launcher = Launcher(
    ledger_id=settings.text("LEDGER_ID"),
    recorder=Recorder(_runs, _bucket),
    langgraph=_deployments.configured.langgraph,
    api_key=_deployments.configured.api_key,
    deployments=_deployments,
    runs=_runs,
    launches=_launches,
    bucket=_bucket,
    callbacks=Callbacks(Tasks(), _runs, _launches, _bucket),
    ring=Secret(_secretsmanager, settings.text("KEY_RING_SECRET"), key_ring),
    webhook_url=settings.url("WEBHOOK_URL", may_be_insecure=_MAY_BE_INSECURE),
    max_run_seconds=settings.whole_number("MAX_RUN_SECONDS"),
)
telling = Telling(_runs, Bus(aws.client("events"), settings.text("EVENT_BUS")), launcher.callbacks)


def handler(event: dict[str, Any], context: LambdaContext) -> None:  # noqa: ARG001 - the schedule says nothing
    """Work through what is due until it is done or the time is up."""
    telemetry.begin(context)
    seconds = context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    begins = time.monotonic()
    passes = (
        (DueLaunches(launcher, MAX_CHECK_SECONDS), begins + seconds * _LAUNCHES_SHARE),
        (DueRuns(launcher, telling, MAX_CHECK_SECONDS, INLINE_PAYLOAD_BYTES), begins + seconds),
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
