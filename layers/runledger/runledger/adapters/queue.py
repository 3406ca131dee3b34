"""SQS: the launch queue, as Lambda hands its messages over."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from runledger.adapters import aws, telemetry

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Message:
    """One message: when it was sent and first received, in epoch seconds; how often, this time counted."""

    message_id: str
    receipt: str = field(repr=False)
    text: str = field(repr=False)
    receives: int
    sent_at: float
    first_at: float

    @classmethod
    def read(cls, record: dict[str, Any]) -> Message:
        """Read one record of an event."""
        told = record["attributes"]
        return cls(
            message_id=record["messageId"],
            receipt=record["receiptHandle"],
            text=record["body"],
            receives=int(told["ApproximateReceiveCount"]),
            sent_at=int(told["SentTimestamp"]) / 1000,
            first_at=int(told["ApproximateFirstReceiveTimestamp"]) / 1000,
        )


class Queue:
    """The queue whose messages Lambda brings, and deletes where they are done with."""

    def __init__(self, url: str) -> None:
        """`url` is the queue's."""
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        """Made when a message has to wait."""
        client: SQSClient = aws.client("sqs")
        return client

    def put_off(self, message: Message, seconds: int) -> None:
        """Have a message come again so much later; where that fails, it comes when its time to be hidden is over."""
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        except (BotoCoreError, ClientError) as error:
            telemetry.logger.warning("a message comes again earlier than it should", error=type(error).__name__)


def to_repeat(messages: list[Message]) -> dict[str, Any]:
    """Answer Lambda, which deletes all messages but these (`ReportBatchItemFailures`)."""
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in messages]}
