"""The reconcile function: what asks LangGraph about all that is due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.adapters import aws, settings
from runledger.adapters.eventbridge import Bus
from runledger.bootstrap.launching import launcher
from runledger.bootstrap.stores import tables
from runledger.use_cases.prove_server import Prover
from runledger.use_cases.publish import Publisher

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import LaunchesTable, RunsTable
    from runledger.use_cases.launcher import Launcher


@dataclass(frozen=True)
class Reconcile:
    """What the function is made of."""

    launcher: Launcher
    runs: RunsTable
    launches: LaunchesTable
    publisher: Publisher
    prover: Prover
    max_check_seconds: int
    inline_payload_bytes: int


def build() -> Reconcile:
    """Build it by the environment."""
    runs, launches = tables()
    starts = launcher(runs, launches)
    return Reconcile(
        starts,
        runs,
        launches,
        Publisher(runs, Bus(aws.client("events"), settings.text("EVENT_BUS")), starts.callbacks),
        Prover(runs, launches, starts.servers),
        settings.whole_number("MAX_CHECK_SECONDS"),
        settings.whole_number("INLINE_PAYLOAD_BYTES"),
    )
