"""The sweep function: what puts what is due into the work queue."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from botocore.config import Config

from runledger.adapters import aws, settings
from runledger.adapters.work_queue import WorkQueue
from runledger.bootstrap.stores import tables
from runledger.use_cases.sweep import Sweep

_MESSAGES_FOR_EACH = (
    1_000  # that may wait for each worker: more than it does in a minute, fewer than in a ticket's time
)


def build() -> Sweep:
    """Build it by the environment."""
    runs, launches = tables(Config(max_pool_connections=aws.THREADS))
    return Sweep(
        runs,
        launches,
        WorkQueue(settings.text("WORK_QUEUE")),
        ThreadPoolExecutor(aws.THREADS).map,
        most=_MESSAGES_FOR_EACH * settings.whole_number("WORKER_CONCURRENCY"),
    )
