"""The tables, which most functions use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.adapters import aws, settings
from runledger.adapters.dynamodb import LaunchesTable, RunsTable

if TYPE_CHECKING:
    from botocore.config import Config


def tables(more: Config | None = None) -> tuple[RunsTable, LaunchesTable]:
    """Return the Runs and the Launches table; `more` adds to their client's configuration."""
    client = aws.client("dynamodb", more)
    return RunsTable(client, settings.text("RUNS_TABLE")), LaunchesTable(client, settings.text("LAUNCHES_TABLE"))
