"""What is due in a table, from the sharded sparse index, a page at a time."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain.ledger import SHARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runledger.adapters.dynamodb import Table


def longest_due(table: Table) -> Iterator[dict[str, Any]]:
    """Yield summaries of what is due, of each shard the longest due first; tell how long the longest is.

    Each minute begins with another shard, so that a pass which runs out of time starves none of them.
    """
    now = int(time.time())
    shards = [table.due((now // 60 + number) % SHARDS, now) for number in range(SHARDS)]
    firsts = [next(shard, None) for shard in shards]
    telemetry.gauge("oldest_due", now - min((int(first["due_at"]) for first in firsts if first), default=now))
    for first, rest in zip(firsts, shards, strict=True):
        if first:
            yield from itertools.chain([first], rest)
