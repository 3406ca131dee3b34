"""The notify function: what follows the stream of the Runs table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.adapters import aws, settings
from runledger.adapters.eventbridge import Bus
from runledger.adapters.s3 import Bucket
from runledger.adapters.sqs import Queue
from runledger.adapters.step_functions import Tasks
from runledger.bootstrap.langgraph import deployments
from runledger.bootstrap.stores import tables
from runledger.use_cases.call_back import Callbacks
from runledger.use_cases.publish import Publisher

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import LaunchesTable, RunsTable
    from runledger_langgraph.deployments import Deployments


@dataclass(frozen=True)
class Notify:
    """What the function is made of."""

    runs: RunsTable
    launches: LaunchesTable
    bucket: Bucket
    publisher: Publisher
    deployments: Deployments
    dead_letters: Queue


def build() -> Notify:
    """Build it by the environment."""
    runs, launches = tables()
    bucket = Bucket(settings.text("PAYLOAD_BUCKET"))
    bus = Bus(aws.client("events"), settings.text("EVENT_BUS"))
    publisher = Publisher(runs, bus, Callbacks(Tasks(), runs, launches, bucket))
    return Notify(runs, launches, bucket, publisher, deployments(), Queue(settings.text("DEAD_LETTER_QUEUE")))
