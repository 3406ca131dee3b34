"""The query function: what shows the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.adapters import settings
from runledger.adapters.s3 import Bucket
from runledger.bootstrap.stores import tables

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import LaunchesTable, RunsTable


@dataclass(frozen=True)
class Query:
    """What the function is made of."""

    runs: RunsTable
    launches: LaunchesTable
    bucket: Bucket


def build() -> Query:
    """Build it by the environment."""
    return Query(*tables(), Bucket(settings.text("PAYLOAD_BUCKET")))
