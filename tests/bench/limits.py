"""Which limit is met at how many runs a second: AWS's quotas and this stack's own, over what a run needs of each.

What a run needs of DynamoDB is what `counts.py` states; how long a function is at it, `durations.py` assumes.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from runledger.adapters.aws import THREADS
from runledger.domain.ledger import SHARDS
from runledger.domain.retry import FIRST_CHECK_SECONDS, next_check
from tests.bench.counts import BILLS, CHECKPOINT, RUN, Bill
from tests.bench.durations import COMPUTED_MS_PER_ITEM, WAITED_MS, WHOLE_PROCESSOR_MB, milliseconds
from tests.contract.source import FUNCTIONS, TEMPLATE

PARTITION_UNITS = 1_000  # written in a second; no split helps where what is written is always the newest of its key
NEW_TABLE_UNITS = (
    4_000  # of a table on demand, and of each of its indexes; twice the highest so far, half an hour later
)
TABLE_QUOTA_UNITS = 40_000  # of a table with its indexes, by default
CONCURRENCY = 1_000  # of the account, by default; a function gets as many in ten seconds
ACCOUNT_REQUESTS = 10_000  # of all HTTP APIs in a second, by default
PUT_EVENTS = 10_000  # in a second, by default in us-east-1
IN_FLIGHT = 120_000  # messages of a queue
TABLE_PARTITIONS = NEW_TABLE_UNITS // PARTITION_UNITS  # and as many shards of its stream
STEPS = ("POST /runs", "POST /webhook, 2 KB", "a record to be settled, 2 KB", "a record to be told, 2 KB")
READ = "GET /runs/{run_id}, 2 KB"
(_SWEEP,) = (function for function in FUNCTIONS if function.every_seconds)
(_WORKER,) = (function for function in FUNCTIONS if function.source)
SPARE_SECONDS = 15  # of the sweep's code
SWEEP_SECONDS = _SWEEP.timeout - SPARE_SECONDS  # of work, each minute
LANES = 10  # for each shard of the stream: batches of the worker at the same time
BATCH = 10  # records in one, and messages of the work queue
FULL = 1_000  # messages that may wait for each worker, of the sweep's code
_MEMORY = 512
_WAIT_SECONDS = 900  # of a message that LangGraph does not take, at the most


@dataclass(frozen=True)
class Limit:
    """Met at so many runs a second, for as long as that goes on; `moved_by` says what raises it."""

    what: str
    runs_per_second: float
    moved_by: str


def parameter(name: str) -> int:
    """Return a parameter's default."""
    return int(TEMPLATE.document["Parameters"][name]["Default"])


def units(where: str, steps: tuple[str, ...] = STEPS) -> int:
    """Return the units that a run writes to a table or an index of it, from its launch to its event."""
    return sum(BILLS[step].written.get(where, 0) for step in steps)


def launch_seconds() -> float:
    """Return how long a launch is at work."""
    return milliseconds(BILLS["POST /runs"], _MEMORY) / 1000


def concurrency_seconds() -> float:
    """Return for how long a run keeps functions busy, all together, with one record in a batch."""
    return sum(milliseconds(BILLS[step], _MEMORY) for step in (*STEPS, READ)) / 1000


def stream_seconds() -> float:
    """Return for how long a run keeps one of the stream's lanes busy, with batches that are full.

    Successes are asked about all at once, and recorded one after the other; so are events sent.
    """
    settled, told = (BILLS[step] for step in STEPS[2:])
    asked = milliseconds(Bill({RUN: 1, CHECKPOINT: 1}), _WORKER.memory)
    written = milliseconds(replace(settled, calls={"UpdateItem": BATCH}), 1 << 20) + asked
    sent = milliseconds(replace(told, calls={call: n * BATCH for call, n in told.calls.items()}), _WORKER.memory)
    return (written + sent) / BATCH / 1000


def work_seconds(what: str) -> float:
    """Return how long a worker takes for one item of a full batch of the work queue. Runs are asked about at once."""
    bill = BILLS[f"work on {BATCH} {what}"]
    asked = {name: 1 for name in (RUN, CHECKPOINT) if name in bill.calls}
    own = milliseconds(Bill({**bill.calls, **asked}), _WORKER.memory)
    computed = BATCH * COMPUTED_MS_PER_ITEM * max(1.0, WHOLE_PROCESSOR_MB / _WORKER.memory)
    return (own + computed) / BATCH / 1000


def sweep_pace() -> float:
    """Return how many items a sweep puts into the work queue in a second: its processor's pace, or its threads'."""
    each = WAITED_MS["UpdateItem"] + WAITED_MS["SendMessageBatch"] / BATCH
    return 1000 / max(each / THREADS, COMPUTED_MS_PER_ITEM / 2)


@functools.cache
def looks(seconds: int) -> tuple[float, ...]:
    """Return when a run of that length is looked at while it goes on, in seconds after it began."""
    at, found = float(FIRST_CHECK_SECONDS), list[float]()
    while at < seconds:
        found.append(at)
        at = next_check(len(found), at, parameter("MaxCheckSeconds"))
    return tuple(found)


# What a run writes to the index `due` of Runs, and for how long it keeps functions busy: launch, webhook, worker.
DUE_UNITS = (units("Runs due", STEPS[:1]), units("Runs due", STEPS[1:2]), units("Runs due", STEPS[2:]))
FOUND_SECONDS = work_seconds("due") + work_seconds("told")  # by asking; and then once more: its webhook is missing
GOING_SECONDS = work_seconds("due")  # of a run that goes on, at the most
LAUNCH_SECONDS = work_seconds("unfinished launches")
STREAM_PACE = LANES / stream_seconds()  # runs settled and published in a second, for each shard of the stream
SECONDS = (*(milliseconds(BILLS[step], _MEMORY) / 1000 for step in STEPS[:2]), stream_seconds())


def limits() -> list[Limit]:
    """Return all of them, the one that is met first first."""
    workers, share = parameter("WorkerConcurrency"), SWEEP_SECONDS / 60
    inline_kb = parameter("InlinePayloadBytes") // 1024
    large = 1 + 3 * (inline_kb + 1)  # the item, at its launch and three times with its payload
    api, webhook = parameter("ApiRequestsPerSecond"), parameter("WebhookRequestsPerSecond")
    in_all = sum(units(where) for where in ("Runs", "Runs by-launch", "Runs by-thread", "Runs by-outcome", "Runs due"))
    queue, grows = parameter("LaunchQueueConcurrency"), "grows by itself, twofold in half an hour; warm throughput"
    found = [
        Limit("throttle of `POST /runs`: 429 to callers", api, "`ApiRequestsPerSecond`"),
        Limit(
            "launches of the queue at the same time: messages wait",
            queue / launch_seconds(),
            "`LaunchQueueConcurrency`",
        ),
        Limit("throttle of the webhook: deliveries are left to the workers", webhook, "`WebhookRequestsPerSecond`"),
        Limit("workers, if no webhook came at all", workers / FOUND_SECONDS, "`WorkerConcurrency`"),
        Limit(
            "workers, if every run took ten minutes",
            workers / GOING_SECONDS / len(looks(600)),
            "`WorkerConcurrency`; later looks only make lost runs late",
        ),
        Limit("workers, if every launch had to be started over", workers / LAUNCH_SECONDS, "`WorkerConcurrency`"),
        Limit(
            "sweep, if no webhook came at all",
            share * sweep_pace() / 2,
            "nothing: one sweep a minute, on one processor",
        ),
        Limit(
            "messages in flight, while LangGraph takes none",
            IN_FLIGHT / _WAIT_SECONDS,
            "a quota of SQS; beyond it messages wait unread",
        ),
        Limit(
            f"Runs table, new, payloads of {inline_kb} KB in the item",
            NEW_TABLE_UNITS / large,
            "`InlinePayloadBytes`; " + grows,
        ),
        Limit(
            f"Runs table and indexes, payloads of {inline_kb} KB in the item",
            TABLE_QUOTA_UNITS / (in_all - units("Runs") + large),
            "`InlinePayloadBytes`; DynamoDB's quota for a table",
        ),
        Limit("Runs table, new", NEW_TABLE_UNITS / units("Runs"), grows),
        Limit("index due of Runs, new", NEW_TABLE_UNITS / units("Runs due"), grows),
        Limit("index by-outcome, new", NEW_TABLE_UNITS / units("Runs by-outcome"), grows),
        Limit("index due of Runs, a shard's partition", SHARDS * PARTITION_UNITS / units("Runs due"), "`SHARDS`"),
        Limit("index by-outcome, the partition of `pending` in a shard", SHARDS * PARTITION_UNITS / 2, "`SHARDS`"),
        Limit(
            "index due of Launches, a shard's partition", SHARDS * PARTITION_UNITS / units("Launches due"), "`SHARDS`"
        ),
        Limit("Runs table and indexes", TABLE_QUOTA_UNITS / in_all, "DynamoDB's quota for a table"),
        Limit(
            "worker, on a new table's stream: events late",
            TABLE_PARTITIONS * STREAM_PACE,
            "grows with the table's partitions; `ParallelizationFactor` is at its most",
        ),
        Limit(
            "executions at the same time",
            CONCURRENCY / concurrency_seconds(),
            "Lambda's quota; `WebhookReservedConcurrency` keeps some for the webhook",
        ),
        Limit("requests to all HTTP APIs: launch, webhook, one read", ACCOUNT_REQUESTS / 3, "API Gateway's quota"),
        Limit("events on the bus", PUT_EVENTS, "EventBridge's quota, lower in most other regions"),
    ]
    return sorted(found, key=lambda limit: limit.runs_per_second)
