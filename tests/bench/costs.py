"""What a million runs cost: the calls, units and bytes that `counts.py` states, times the list prices.

A run here is launched by a request, told by its webhook, settled, told to the bus, and read once by its id.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.bench import prices
from tests.bench.counts import BILLS, PAYLOADS, STORED, Bill
from tests.bench.durations import milliseconds
from tests.contract.source import FUNCTIONS, TEMPLATE

RUNS = 1_000_000
MEMORY = (256, 512, 1024)
USUAL = 512  # MB, the template's
(WORKER_MEMORY,) = (function.memory for function in FUNCTIONS if function.source)
_METERED_BYTES = 512 * 1024  # of one request, at the HTTP API's price
PLATFORM_BYTES = 400  # START, END and REPORT of an invocation: an assumption
ACCESS_BYTES = 400  # a line of the gateway's: an assumption
_MONTH_MINUTES = 30 * 24 * 60
_POLLS = 15  # of each queue in a minute: an assumption
_READERS = 5  # secrets kept by launch (2), webhook, worker (2), each in one warm environment
_METRICS = ("launched", "delivered", "spilled", "settled", "published", "oldest_due")  # that ordinary traffic has

type Dollars = dict[str, float]


@dataclass(frozen=True)
class Step:
    """One invocation in a run's life; `http_bytes` is the larger of request and answer, None without a door."""

    bill: Bill
    http_bytes: int | None
    payload_bytes: int = 0  # that it computes on
    memory: int | None = None  # of its function, where that is given


def steps(size: str) -> list[Step]:
    """Return the invocations of a run with a payload of that size."""
    length = PAYLOADS[size]
    is_inline = not BILLS[f"POST /webhook, {size}"].unpacked
    return [
        Step(BILLS["POST /runs"], 1024),
        Step(BILLS[f"POST /webhook, {size}"], length, length),
        Step(BILLS[f"a record to be settled, {size}"], None, memory=WORKER_MEMORY),
        Step(BILLS[f"a record to be told, {size}"], None, memory=WORKER_MEMORY),
        Step(BILLS[f"GET /runs/{{run_id}}, {size}"], length if is_inline else 1024),
    ]


def dollars(size: str, memory: int, architecture: str) -> Dollars:
    """Return what a million runs cost, by service, without what the ledger then keeps."""
    each: Dollars = {}

    def add(service: str, price: prices.Price, units: float) -> None:
        each[service] = each.get(service, 0.0) + price.of(units * RUNS)

    for step in steps(size):
        bill, is_http = step.bill, step.http_bytes is not None
        mb = step.memory or memory
        seconds = milliseconds(bill, mb, step.payload_bytes) / 1000
        add("DynamoDB, writes", prices.WRITE_UNIT, sum(bill.written.values()))
        add("DynamoDB, reads", prices.READ_UNIT, bill.read)
        add("Lambda, time", prices.GB_SECOND[architecture], seconds * mb / 1024)
        add("Lambda, invocations", prices.INVOCATION, 1)
        add("HTTP APIs", prices.HTTP_REQUEST, math.ceil((step.http_bytes or 0) / _METERED_BYTES))
        add("EventBridge", prices.EVENT, bill.calls.get("PutEvents", 0))
        add("CloudWatch Logs", prices.LOG_BYTE, bill.logged + PLATFORM_BYTES + (ACCESS_BYTES if is_http else 0))
        add("S3, requests", prices.PUT, bill.calls.get("PutObject", 0))
        add("S3, requests", prices.GET, 1 if bill.unpacked else 0)  # whoever follows the link
    return each


def cheapest_inline_kb() -> int:
    """Return the largest payload, in whole KB, that costs no more in the item than in the bucket, storage left out.

    An item is written three times with its payload, at a unit for each KB; with one of 2 KB it is counted.
    """
    in_bucket = sum(dollars("50 KB", USUAL, "x86_64").values())
    each = prices.WRITE_UNIT.of(3 * RUNS)
    return 2 + int((in_bucket - sum(dollars("2 KB", USUAL, "x86_64").values())) / each)


def kept(size: str) -> float:
    """Return what a million runs cost in each month that the ledger keeps them, at most: gzip takes less."""
    unpacked = BILLS[f"POST /webhook, {size}"].unpacked
    table = prices.TABLE_BYTE.of(RUNS * STORED[size]) + prices.RECOVERY_BYTE.of(RUNS * STORED[size])
    return table + prices.BUCKET_BYTE.of(RUNS * unpacked)


def found() -> float:
    """Return what a million runs cost at DynamoDB, queue and bus that the worker finds, publishes and closes."""
    visits = [BILLS[f"{what} 10 {step}"] for step in ("due", "told") for what in ("a sweep,", "work on")]
    units, events = (
        sum(n) / 10
        for n in ((sum(bill.written.values()) for bill in visits), (bill.calls.get("PutEvents", 0) for bill in visits))
    )
    messages = 2 * 3 / 10  # each visit's is sent, received and deleted together with nine others
    return prices.WRITE_UNIT.of(units * RUNS) + prices.EVENT.of(events * RUNS) + prices.MESSAGE.of(messages * RUNS)


def fixed() -> Dollars:
    """Return what the stack costs in a month without any run."""
    alarms, secrets = (
        len(TEMPLATE.resources(f"AWS::{kind}")) for kind in ("CloudWatch::Alarm", "SecretsManager::Secret")
    )
    (memory,) = (function.memory for function in FUNCTIONS if function.every_seconds)
    one = BILLS["a sweep, one due"]
    idle = Bill({name: one.calls[name] for name in ("Query", "GetQueueAttributes")}, read=one.read)
    seconds = milliseconds(idle, memory) / 1000
    each_pass = prices.GB_SECOND["x86_64"].of(seconds * memory / 1024) + prices.INVOCATION.of(1)
    each_pass += prices.SCHEDULED.of(1) + prices.READ_UNIT.of(idle.read) + prices.LOG_BYTE.of(2 * PLATFORM_BYTES)
    queues = sum(function.messages is not None for function in FUNCTIONS)
    polls = queues * _POLLS * _MONTH_MINUTES
    return {
        f"{alarms} alarms": prices.ALARM.of(alarms),
        f"{len(_METRICS)} custom metrics: {', '.join(_METRICS)}": prices.METRIC.of(len(_METRICS)),
        f"{secrets} secrets": prices.SECRET.of(secrets),
        f"their reads, {_READERS} every five minutes": prices.SECRET_READ.of(_READERS * _MONTH_MINUTES / 5),
        f"polls of {queues} queues by Lambda, five of 20 s at a time": prices.MESSAGE.of(polls),
        f"{_MONTH_MINUTES:,} sweeps with nothing due": _MONTH_MINUTES * each_pass,
    }
