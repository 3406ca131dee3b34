"""COSTS.md, of what `costs.py` reckons: `make costs`."""

from __future__ import annotations

from tests.bench import prices
from tests.bench.costs import (
    ACCESS_BYTES,
    MEMORY,
    PLATFORM_BYTES,
    RUNS,
    USUAL,
    cheapest_inline_kb,
    dollars,
    fixed,
    found,
    kept,
    steps,
)
from tests.bench.counts import BILLS, PAYLOADS
from tests.bench.durations import COMPUTED_MS, COMPUTED_MS_PER_MB, LANGGRAPH_MS, WAITED_MS, WHOLE_PROCESSOR_MB
from tests.bench.markdown import Rows, table


def _totals() -> str:
    rows: Rows = []
    for size in PAYLOADS:
        for memory in MEMORY:
            x86, arm = (dollars(size, memory, architecture) for architecture in ("x86_64", "arm64"))
            most = max(x86, key=lambda service: x86[service])
            share = f"{most}, {x86[most] / sum(x86.values()):.0%}"
            rows.append((size, memory, *(f"{sum(it.values()):.2f}" for it in (x86, arm)), share))
    return table(("payload", "memory, MB", "x86_64", "arm64", "most of it (x86_64)"), rows)


def _services() -> str:
    each = {size: dollars(size, USUAL, "x86_64") for size in PAYLOADS}
    rows: Rows = [(service, *(f"{each[size][service]:.2f}" for size in PAYLOADS)) for service in each["2 KB"]]
    rows.append(("**together**", *(f"**{sum(each[size].values()):.2f}**" for size in PAYLOADS)))
    rows.append(("each month that they are kept", *(f"{kept(size):.2f}" for size in PAYLOADS)))
    return table(("", *PAYLOADS), rows)


def _units() -> str:
    names = ("launched", "webhook", "settled", "told", "read")
    rows: Rows = []
    for size in ("2 KB", "50 KB"):
        for name, step in zip(names, steps(size), strict=True):
            written = step.bill.written
            tables = sum(n for where, n in written.items() if " " not in where)
            calls = step.bill.aws_calls
            rows.append((size, name, calls, tables, sum(written.values()) - tables, step.bill.read))
    return table(("payload", "step", "calls to AWS", "units written: tables", "indexes", "units read"), rows)


def _more() -> str:
    invocations = len(steps("2 KB"))
    rows: Rows = []
    for memory in MEMORY:
        seconds = prices.GB_SECOND["x86_64"].of(RUNS * invocations * memory / 1024 / 10)
        rows.append((f"100 ms more in each of the {invocations} invocations, {memory} MB", f"{seconds:.2f}"))
    more = {
        "a KB more of a payload in the item, which is written three times": prices.WRITE_UNIT.of(3 * RUNS),
        "a payload in the bucket, put and read": prices.PUT.of(RUNS) + prices.GET.of(RUNS),
        "a run found by the worker: its writes and events alone, in place of a webhook's 16.00": found(),
        "a launch by the queue, with three requests to SQS": prices.MESSAGE.of(3 * RUNS),
        "a page by outcome": prices.READ_UNIT.of(BILLS["GET /runs?outcome=…"].read * RUNS),
        "a result of 1 MB that leaves AWS's network": prices.SENT_BYTE.of(RUNS * PAYLOADS["1 MB"]),
    }
    rows += [(what, f"{cost:.2f}") for what, cost in more.items()]
    return table(("a million times", "dollars"), rows)


def document() -> str:
    """Return COSTS.md."""
    fixed_rows: Rows = [(what, f"{cost:.2f}") for what, cost in fixed().items()]
    fixed_rows.append(("**together**", f"**{sum(fixed().values()):.2f}**"))
    price_rows: Rows = [
        (price.what, f"{price.dollars:.10f}".rstrip("0").rstrip("."), f"{price.per:,} {price.unit}", price.known)
        for price in prices.ALL
    ]
    inline = cheapest_inline_kb()
    waits = ", ".join(f"{call} {ms}" for call, ms in WAITED_MS.items())
    return f"""# What it costs
Made by `make costs`: what `tests/integration/test_cost.py` counts, times the prices below. Dollars, {prices.REGION},
list prices without the free tier. **Nobody has compared this with a bill; check the prices before you rely on it.**

## A million runs
Each launched by a request, told by its webhook, settled, told to the bus, and read once.

{_totals()}

By service, {USUAL} MB, x86_64:

{_services()}

What is counted:

{_units()}

## What adds to it
{_more()}

So a payload of up to {inline} KB costs no more in the item than in the bucket, and takes no further call:
`InlinePayloadBytes` is {inline * 1024} by default. Those of 32 KB above stand in the item, as with
`InlinePayloadBytes=32768`.

Left out: data that leaves AWS (the last line), LangGraph, NAT and endpoints in a VPC, rules and their targets,
requests that are refused or repeated, looks at runs that take longer than two minutes, and cold starts. What is
filtered out of the stream costs nothing.

## Each month, whatever runs
{table(("", "dollars"), fixed_rows)}

Each further metric is {prices.METRIC.dollars:.2f} in a month in which it occurs. More warm environments read the
secrets more often.

## How long functions run
**An assumption, not a measurement** (`tests/bench/durations.py`). Milliseconds waited for each call:
{waits}, LangGraph {LANGGRAPH_MS}.
Computed: {COMPUTED_MS} ms of a whole processor, and {COMPUTED_MS_PER_MB} for each MB of a webhook; memory buys a share
of one, {WHOLE_PROCESSOR_MB:,} MB a whole one. Log lines are counted, Lambda's own ({PLATFORM_BYTES} bytes) and the
gateway's ({ACCESS_BYTES}) assumed.

## Prices
{table(("what", "dollars", "for", "known to hold in"), price_rows)}
"""


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - what it is for
