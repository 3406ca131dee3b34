"""SQS: the queues of launches and of work, as Lambda hands their messages over, and that of dead letters."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline, telemetry
from runledger.adapters import aws
from runledger.domain.messages import Message
from runledger.domain.problems import unavailable
from runledger.domain.requests import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_REASON = 1_000  # characters
_REFUSED = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what SQS takes in no text


def read(record: dict[str, Any]) -> Message:
    """Read one record of an event."""
    told = record["attributes"]
    return Message(
        message_id=record["messageId"],
        receipt=record["receiptHandle"],
        text=record["body"],
        receives=int(told["ApproximateReceiveCount"]),
        sent_at=int(told["SentTimestamp"]) / 1000,
        first_at=int(told["ApproximateFirstReceiveTimestamp"]) / 1000,
    )


class Queue:
    """A queue: the launch queue, whose messages Lambda brings and deletes, or one of dead letters."""

    def __init__(self, url: str) -> None:
        """`url` is the queue's."""
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        """Made when something goes wrong: most calls need none."""
        client: SQSClient = aws.client("sqs")
        return client

    def hide(self, message: Message, seconds: int) -> None:
        """Have a message come again so much later; where that fails, it comes when its time to be hidden is over."""
        deadline.check()
        try:
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=message.receipt, VisibilityTimeout=seconds
            )
        except (BotoCoreError, ClientError) as error:
            telemetry.logger.warning("a message comes again earlier than it should", error=type(error).__name__)

    def send(self, letter: str, reason: str) -> None:
        """Put a dead letter into the queue, the reason as an attribute beside it; a 503 Problem where that fails."""
        deadline.check()
        room = (MAX_MESSAGE_BYTES - len(letter.encode()) - len("reasonString")) // 4  # characters of four bytes at most
        told = _REFUSED.sub("\N{REPLACEMENT CHARACTER}", reason)[: min(room, _MAX_REASON)]
        attributes = {"reason": {"DataType": "String", "StringValue": told}} if told else {}
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=letter, MessageAttributes=attributes)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The dead-letter queue can't be reached ({type(error).__name__}).") from error


def to_repeat(messages: list[Message]) -> dict[str, Any]:
    """Answer Lambda, which deletes all messages but these (`ReportBatchItemFailures`)."""
    return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in messages]}
