"""SQS: the queues of what could not be done, for a person to see."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger.adapters import aws
from runledger.core.problems import unavailable
from runledger.core.requests import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_MAX_REASON = 1_000  # characters
_REFUSED = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what SQS takes in no text


class DeadLetters:
    """The dead-letter queue of a function."""

    def __init__(self, url: str) -> None:
        """`url` is the queue's."""
        self._url = url

    @cached_property
    def _client(self) -> SQSClient:
        """Made when there is a letter: most calls leave none."""
        client: SQSClient = aws.client("sqs")
        return client

    def leave(self, letter: str, reason: str) -> None:
        """Put a letter into the queue, the reason as an attribute beside it; a 503 Problem where that fails."""
        room = (MAX_MESSAGE_BYTES - len(letter.encode()) - len("reasonString")) // 4  # characters of four bytes at most
        told = _REFUSED.sub("\N{REPLACEMENT CHARACTER}", reason)[: min(room, _MAX_REASON)]
        attributes = {"reason": {"DataType": "String", "StringValue": told}} if told else {}
        try:
            self._client.send_message(QueueUrl=self._url, MessageBody=letter, MessageAttributes=attributes)  # type: ignore[arg-type]
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The dead-letter queue can't be reached ({type(error).__name__}).") from error
