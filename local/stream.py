"""DynamoDB Streams: what is written to a table comes to its function, filtered and repeated as Lambda does it.

But one batch after the other, and without a failure destination: what is given up here is in the log alone.
"""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local.functions import EventTooLargeError, InvocationError
from local.triggers import in_background

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from local.template import Source

_POLL_SECONDS = 0.25
_RETRY_SECONDS = 1.0

type Record = dict[str, Any]
type Invoke = Callable[[dict[str, Any]], Any]


def follow(source: Source, client: Any, arn: str, invoke: Invoke) -> Callable[[], None]:
    """Bring what is written from now on to a function, until what is returned is called.

    `client` is boto3's of dynamodbstreams, `arn` the stream's.
    """
    (shard,) = client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]  # moto has one
    where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "LATEST"}
    iterator = client.get_shard_iterator(**where)["ShardIterator"]

    def run(stopped: threading.Event) -> None:
        nonlocal iterator
        while not stopped.wait(_POLL_SECONDS):
            try:
                answer = client.get_records(ShardIterator=iterator)
            except (BotoCoreError, ClientError):  # AWS has stopped, or this machine slept
                continue
            iterator = answer["NextShardIterator"]
            for batch in batches(source, answer["Records"]):
                _bring(source, batch, invoke, stopped)

    return in_background(run)


def batches(source: Source, records: Sequence[Record]) -> list[list[Record]]:
    """Return the records that the function is to see, as Lambda writes them, so many at a time."""
    wanted = (record for record in records if any(matches(pattern, record) for pattern in source.patterns))
    return [list(batch) for batch in itertools.batched(map(_as_lambda_writes, wanted), source.size, strict=False)]


def matches(pattern: dict[str, Any], value: Any) -> bool:
    """Whether an event pattern of exact texts fits: all of its members, of a list of texts the one that is there.

    A list or a set in a record matches nothing, because AWS documents no filter on one.
    """
    return isinstance(value, dict) and all(
        name in value and (_has_one(wanted, value[name]) if isinstance(wanted, list) else matches(wanted, value[name]))
        for name, wanted in pattern.items()
    )


def _has_one(wanted: list[Any], value: Any) -> bool:
    if not all(isinstance(one, str) for one in wanted):
        raise NotImplementedError(f"the local stack knows no patterns but exact texts: {wanted}")
    return isinstance(value, str) and value in wanted


def _as_lambda_writes(record: Record) -> Record:
    written_at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
    return {**record, "dynamodb": {**record["dynamodb"], "ApproximateCreationDateTime": written_at}}


def _bring(source: Source, batch: list[Record], invoke: Invoke, stopped: threading.Event) -> None:
    """Invoke the function, again from the first record on that failed, until none fails or they are too old."""
    while batch and not stopped.is_set():
        try:
            left = _left(batch, invoke({"Records": batch}))
        except EventTooLargeError:
            half = len(batch) // 2  # Lambda too sends fewer at a time; no record alone is too large
            for part in (batch[:half], batch[half:]) if half else ():
                _bring(source, part, invoke, stopped)
            return
        except InvocationError:  # it is in the log
            left = batch
        oldest = time.time() - source.max_age_seconds
        batch = [record for record in left if record["dynamodb"]["ApproximateCreationDateTime"] > oldest]
        if batch:
            stopped.wait(_RETRY_SECONDS)


def _left(batch: list[Record], answer: dict[str, Any]) -> list[Record]:
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    return list(itertools.dropwhile(lambda record: record["dynamodb"]["SequenceNumber"] not in failed, batch))
