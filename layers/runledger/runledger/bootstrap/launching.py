"""What starts runs, for the functions that do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.adapters import settings
from runledger.adapters.s3 import Bucket
from runledger.adapters.step_functions import Tasks
from runledger.bootstrap.keys import ring
from runledger.bootstrap.langgraph import deployments
from runledger.use_cases.call_back import Callbacks
from runledger.use_cases.launcher import Launcher
from runledger.use_cases.record_delivery import Recorder

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import LaunchesTable, RunsTable


def launcher(runs: RunsTable, launches: LaunchesTable) -> Launcher:
    """Return what starts runs and records them in these tables."""
    bucket, servers = Bucket(settings.text("PAYLOAD_BUCKET")), deployments()
    return Launcher(
        ledger_id=settings.text("LEDGER_ID"),
        server=servers.configured,
        servers=servers,
        recorder=Recorder(runs, bucket),
        runs=runs,
        launches=launches,
        bucket=bucket,
        callbacks=Callbacks(Tasks(), runs, launches, bucket),
        ring=ring(),
        webhook_url=settings.url("WEBHOOK_URL", may_be_insecure=settings.flag("ALLOW_INSECURE_URLS")),
        max_run_seconds=settings.whole_number("MAX_RUN_SECONDS"),
    )
