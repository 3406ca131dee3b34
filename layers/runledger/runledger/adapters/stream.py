"""DynamoDB Streams, as Lambda hands their records over: what was written, and which records to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from runledger.adapters.dynamodb import plain
from runledger.domain.ledger import Change

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.run import Run


def read(record: dict[str, Any]) -> Change:
    """Read one record of a stream with new images."""
    change = record["dynamodb"]
    return Change(
        cast("Run", plain(change["NewImage"])), float(change["ApproximateCreationDateTime"]), change["SequenceNumber"]
    )


def to_repeat(changes: Iterable[Change]) -> dict[str, Any]:
    """Answer Lambda, which repeats from the first of these on (`ReportBatchItemFailures`)."""
    return {"batchItemFailures": [{"itemIdentifier": change.sequence_number} for change in changes]}
