"""LOAD.md, of what `limits.py` reckons and `load.py` lives through: `make load`, some twenty seconds."""

from __future__ import annotations

from tests.bench import limits
from tests.bench.load import (
    BURST_SECONDS,
    BURST_TIMES,
    BURSTS,
    DAY,
    LENGTHS,
    OUTAGE,
    SCHEDULED,
    TOLD_IN,
    Setting,
    World,
    minutes_after_an_outage,
)
from tests.bench.markdown import Rows, table

SETTINGS = (
    Setting("a million runs, the template as it is", runs=1_000_000),
    Setting("the template as it is"),
    Setting("`WorkerConcurrency` 50", workers=50),
    Setting("`ApiRequestsPerSecond` 2500", api=2500),
    Setting("and `WebhookRequestsPerSecond` 5000", api=2500, webhook=5000),
    Setting("and warm throughput for 20,000 units", api=2500, webhook=5000, warm=20_000),
    Setting("and 32 shards", api=2500, webhook=5000, warm=20_000, shards=32),
    Setting(
        "no webhook at all, `WorkerConcurrency` 50, `ApiRequestsPerSecond` 2500",
        api=2500,
        workers=50,
        has_webhooks=False,
    ),
)
_WORKERS, _LEFT = 50, 60_000
_HEAD = (
    "ten million runs, and",
    "launched",
    "callers wait, s",
    "messages wait, s",
    "deliveries lost",
    "found late by, min",
    "events late by, s",
    "units in the fullest shard",
    "executions",
)


def row(setting: Setting) -> tuple[object, ...]:
    """Return what a day comes to."""
    seen = World(setting).live()
    counts = f"{seen.launched:,}", f"{seen.waited:,.0f}", f"{seen.queued:,.0f}", f"{seen.lost:,}"
    return setting.name, *counts, f"{seen.overdue / 60:,.0f}", seen.late, seen.units, f"{seen.at_once:,.0f}"


def met() -> str:
    """Return the limits, the one that is met first first."""
    rows: Rows = [
        (one.what, f"{one.runs_per_second:,.0f}", f"{one.runs_per_second * DAY / 1e6:,.1f}", one.moved_by)
        for one in limits.limits()
    ]
    return table(("limit", "runs a second", "million a day, evenly", "moved by"), rows)


def document() -> str:
    """Return LOAD.md."""
    lengths = ", ".join(f"{share:.0%} take {seconds} s" for seconds, share in LENGTHS.items())
    days: Rows = [row(setting) for setting in SETTINGS]
    found, running, launches = (
        f"{_WORKERS * 60 / each:,.0f}" for each in (limits.FOUND_SECONDS, limits.GOING_SECONDS, limits.LAUNCH_SECONDS)
    )
    of_a_thread = limits.PARTITION_UNITS / limits.units("Runs by-thread")
    after = minutes_after_an_outage(_LEFT, _WORKERS)
    return f"""# What it handles
Made by `make load`. **A model, not a measurement**: limits are AWS's default quotas in us-east-1 and this stack's own;
what a run writes is what `tests/integration/test_cost.py` counts; how long functions are at it is assumed
(`tests/bench/durations.py`).

## Which limit is met first
For as long as so many runs a second go on, with results of 2 KB where it does not say otherwise. Ten million a day are
{10_000_000 / DAY:,.0f} a second on average, and {BURST_TIMES} times that in a burst.

{met()}

A new table on demand takes {limits.NEW_TABLE_UNITS:,} units a second, and twice what it has taken before half an hour
later. A partition takes {limits.PARTITION_UNITS:,}, and no split helps an index whose newest entries are the ones
written: that is what the shards are for. A thread takes {of_a_thread:,.0f} runs a second of its own.

## Recovery
A sweep puts up to {60 * limits.sweep_pace():,.0f} items a minute into the work queue. At `WorkerConcurrency`
{_WORKERS} the workers, in a minute,
- find and record {found} runs of which no webhook came,
- or look at {running} runs that go on,
- or start {launches} launches over.

After an outage of ten minutes at 100 launches a second, {_LEFT:,} launches are unfinished. The last of them is started
{after:,.0f} minutes after its end.

## A day
By day half more than on average, by night half less; {BURSTS} bursts of {BURST_SECONDS} s with {BURST_TIMES} times as
many; {SCHEDULED:.0%} come by the queue, at the full hour. Of the runs {lengths}. From
{OUTAGE.start // 3600}:00 on, LangGraph ends no run for {len(OUTAGE) // 60} minutes, then tells of all of them within
{TOLD_IN} s. Callers repeat a 429 until it is taken; LangGraph tries a webhook three times within some four seconds. The
launched and the lost are the day's sums, the rest its highest.

{table(_HEAD, days)}

Nothing is lost for good: a delivery that is refused three times is a run that a worker finds, "late" being the time
from when it was due until it was looked at. Left out: what DynamoDB saves up for bursts, other users of the account,
LangGraph's own limits, callers who give up, cold starts.
"""


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - what it is for
