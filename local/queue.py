"""SQS: the messages of a queue come to its function, and are deleted where it is done with them, as Lambda does it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local.functions import InvocationError
from local.triggers import in_background

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from local.template import Messages

_POLL_SECONDS = 0.25
_ATTRIBUTES = ("ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp")

type Invoke = Callable[[dict[str, Any]], Any]


def bring(source: Messages, client: Any, url: str, arn: str, invoke: Invoke) -> Callable[[], None]:
    """Bring the messages of a queue to a function, until what is returned is called. `client` is boto3's of SQS."""
    room = BoundedSemaphore(source.concurrency)

    def one(messages: Sequence[dict[str, Any]]) -> None:
        try:
            _hand_over(messages, client, url, arn, invoke)
        finally:
            room.release()

    def run(stopped: threading.Event) -> None:
        with ThreadPoolExecutor(source.concurrency) as workers:
            while not stopped.is_set():
                if not room.acquire(timeout=_POLL_SECONDS):
                    continue
                messages = receive(client, url, source.size)
                if messages:
                    workers.submit(one, messages)
                else:
                    room.release()
                    stopped.wait(_POLL_SECONDS)

    return in_background(run)


def drain(source: Messages, client: Any, url: str, arn: str, invoke: Invoke) -> None:
    """Bring the messages of a queue to a function until it is empty, whoever else does so."""
    while sum(_counts(client, url)):
        if messages := receive(client, url, source.size):
            _hand_over(messages, client, url, arn, invoke)
        else:
            time.sleep(_POLL_SECONDS)


def _hand_over(messages: Sequence[dict[str, Any]], client: Any, url: str, arn: str, invoke: Invoke) -> None:
    """Invoke the function with messages, and delete those that it is done with."""
    try:
        answer = invoke({"Records": [record(message, arn) for message in messages]})
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in failed:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    except (InvocationError, BotoCoreError, ClientError):  # it is in the log; the message comes again
        pass


def _counts(client: Any, url: str) -> list[int]:
    """Return how many messages wait, and how many are at a function."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = client.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return [int(told[name]) for name in names]


def record(message: dict[str, Any], arn: str) -> dict[str, Any]:
    """Write a message as Lambda hands it to a function."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: message["Attributes"][name] for name in _ATTRIBUTES if name in message["Attributes"]},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": "us-east-1",
    }


def receive(client: Any, url: str, size: int) -> list[dict[str, Any]]:
    """Receive up to `size` messages; none where AWS does not answer."""
    try:
        answer = client.receive_message(QueueUrl=url, MaxNumberOfMessages=size, AttributeNames=["All"])
    except (BotoCoreError, ClientError):  # AWS has stopped, or this machine slept
        return []
    received: list[dict[str, Any]] = answer.get("Messages", [])
    return received
