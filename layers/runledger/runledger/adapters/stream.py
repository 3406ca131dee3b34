"""DynamoDB Streams, as Lambda hands their records over: what was written, and which records to repeat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.adapters.dynamodb import plain

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Change:
    """One write to the Runs table: the run as it was from then on, at epoch seconds `written_at`."""

    run: dict[str, Any]
    written_at: float
    sequence_number: str


def read(record: dict[str, Any]) -> Change:
    """Read one record of a stream with new images."""
    change = record["dynamodb"]
    return Change(plain(change["NewImage"]), float(change["ApproximateCreationDateTime"]), change["SequenceNumber"])


def to_repeat(changes: Iterable[Change]) -> dict[str, Any]:
    """Answer Lambda, which repeats from the first of these on (`ReportBatchItemFailures`)."""
    return {"batchItemFailures": [{"itemIdentifier": change.sequence_number} for change in changes]}
