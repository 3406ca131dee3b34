"""Everything that the local stack keeps, sends and prints, as text."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local.resources import scan
from tests.integration.spellings import squeezed

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.integration.listener import Listener

READ_AT_ONCE = ("LaunchQueue", "WorkQueue")  # by functions
DEAD_LETTERS = ("LaunchDeadLetterQueue", "WorkDeadLetterQueue")
_HIDDEN_SECONDS = 2  # so that each message comes once, and is there again


@dataclass
class Evidence:
    """Where something can have been left; `lines` are what the functions have printed, logs and metrics."""

    stack: Stack
    listener: Listener
    lines: list[str]
    answers: list[str]
    heard: list[str] = field(default_factory=list)

    def task_tokens(self) -> dict[str, str]:
        """Return the task tokens that stand in their attribute, by launch."""
        found = scan(self.stack.table("LaunchesTable"), "launch_id", "task_token")
        return {launch["launch_id"]: launch["task_token"] for launch in found if "task_token" in launch}

    def places(self) -> dict[str, str]:
        """Return the text of each place; of the launches all but the attribute that has a task's token."""
        launches = list(scan(self.stack.table("LaunchesTable")))
        for launch in launches:
            launch.pop("task_token", None)
        self.heard += [_text(event) for event in self.listener.events()]
        return {
            "LaunchesTable": _text(launches),
            "RunsTable": _text(list(scan(self.stack.table("RunsTable")))),
            "PayloadBucket": _text(self._objects()),
            "stream": _text(self._stream()),
            "events": "\n".join(self.heard),
            "log": "\n".join(self.lines),
            "answers": "\n".join(self.answers),
            **{queue: _text(self._messages(queue)) for queue in (*READ_AT_ONCE, *DEAD_LETTERS)},
        }

    def _objects(self) -> list[Any]:
        s3, bucket = self.stack.client("s3"), self.stack.template.names["PayloadBucket"]
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        found = [s3.get_object(Bucket=bucket, Key=key) for key in keys]
        return [
            (key, it["Metadata"], squeezed(gzip.decompress(it["Body"].read()).decode()))
            for key, it in zip(keys, found, strict=True)
        ]

    def _stream(self) -> list[Any]:
        """Return every record of the Runs table's stream, from its beginning."""
        streams = self.stack.client("dynamodbstreams")
        (stream,) = streams.list_streams(TableName=self.stack.template.names["RunsTable"])["Streams"]
        arn = stream["StreamArn"]
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        where = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        iterator, records = streams.get_shard_iterator(**where)["ShardIterator"], []
        while found := (answer := streams.get_records(ShardIterator=iterator))["Records"]:
            iterator = answer["NextShardIterator"]
            records += found
        return records

    def _messages(self, queue: str) -> list[Any]:
        """Return the messages of a queue that nobody is at work on, and leave them there."""
        sqs, url = self.stack.client("sqs"), self.stack.template.names[queue]
        asked = {"MaxNumberOfMessages": 10, "VisibilityTimeout": _HIDDEN_SECONDS, "MessageAttributeNames": ["All"]}
        found: list[Any] = []
        while messages := sqs.receive_message(QueueUrl=url, **asked).get("Messages", []):
            found += messages
        return found


def _text(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
