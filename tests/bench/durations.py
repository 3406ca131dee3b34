"""How long functions are taken to run: an assumption, not a measurement, in one place.

A warm invocation waits for its calls, and computes on the share of a processor that its memory buys: Lambda gives a
whole one at 1,769 MB. Put in what CloudWatch's `Duration` says of your own functions, and make the tables anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.counts import Bill

WAITED_MS = {
    "UpdateItem": 8,
    "GetItem": 5,
    "Query": 8,
    "PutObject": 40,
    "PutEvents": 20,
    "SendMessageBatch": 10,
    "GetQueueAttributes": 5,
}
LANGGRAPH_MS = 60  # for each request, in the same region
COMPUTED_MS = 10  # of a whole processor, for each invocation
COMPUTED_MS_PER_ITEM = 3  # of a batch of the work queue, for each item; of a sweep, half of that
COMPUTED_MS_PER_MB = 60  # of a payload: read, digested, gzipped
WHOLE_PROCESSOR_MB = 1769


def milliseconds(bill: Bill, memory: int, payload_bytes: int = 0) -> float:
    """Return how long the invocation takes that makes these calls, one after the other, with so many MB of memory."""
    waited = sum(n * WAITED_MS.get(call, LANGGRAPH_MS) for call, n in bill.calls.items())
    computed = COMPUTED_MS + COMPUTED_MS_PER_MB * payload_bytes / 1024**2
    return waited + computed * max(1.0, WHOLE_PROCESSOR_MB / memory)
