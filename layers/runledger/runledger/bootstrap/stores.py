"""The tables, which most functions use."""

from __future__ import annotations

from runledger.adapters import aws, settings
from runledger.adapters.dynamodb import LaunchesTable, RunsTable


def tables() -> tuple[RunsTable, LaunchesTable]:
    """Return the Runs and the Launches table."""
    client = aws.client("dynamodb")
    return RunsTable(client, settings.text("RUNS_TABLE")), LaunchesTable(client, settings.text("LAUNCHES_TABLE"))
