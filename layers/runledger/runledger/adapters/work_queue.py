"""SQS: the work queue, as the sweep fills it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.adapters import aws
from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient


class WorkQueue:
    """The queue of items that are owed a step."""

    at_once = 10  # the most that SQS takes

    def __init__(self, url: str) -> None:
        """`url` is the queue's."""
        self._client: SQSClient = aws.client("sqs", Config(max_pool_connections=aws.THREADS))
        self._url = url

    def send(self, texts: Sequence[str]) -> None:
        """Send up to `at_once` messages; a 503 Problem where not all of them could be."""
        deadline.check()
        entries: list[Any] = [{"Id": str(number), "MessageBody": text} for number, text in enumerate(texts)]
        try:
            answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The work queue can't be reached ({type(error).__name__}).") from error
        if failed := answer.get("Failed"):
            raise unavailable(f"The work queue has not taken {len(failed)} messages ({failed[0]['Code']}).")

    def waiting(self) -> int:
        """Return about how many messages no worker has taken yet; a 503 Problem where that can't be had."""
        try:
            answer = self._client.get_queue_attributes(
                QueueUrl=self._url, AttributeNames=["ApproximateNumberOfMessages"]
            )
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The work queue can't be reached ({type(error).__name__}).") from error
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])
