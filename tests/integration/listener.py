"""Whoever listens to the stack's bus: a rule with a queue behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.unit.test_events import validate

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Listener:
    """A queue that gets every event of Runledger."""

    sqs: Any
    url: str

    def heard(self) -> list[tuple[str, str]]:
        """Return detail-type and id of what came since the last time, each as its schema says."""
        return [(event["detail-type"], event["detail"]["id"]) for event in self.events()]

    def events(self) -> list[dict[str, Any]]:
        """Return what came since the last time."""
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                event = json.loads(message["Body"])
                assert event["source"] == "runledger"
                validate(event["detail-type"], json.dumps(event["detail"]))
                found.append(event)
            done = [{"Id": m["MessageId"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
            self.sqs.delete_message_batch(QueueUrl=self.url, Entries=done)
        return found


def listen(client: Callable[[str], Any], bus: str, name: str = "heard") -> Listener:
    """Put a rule for everything on the bus; `client` makes clients of the stack's AWS, `name` is the queue's."""
    events, sqs = client("events"), client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name=name, EventBusName=bus, EventPattern=json.dumps({"source": ["runledger"]}))
    events.put_targets(Rule=name, EventBusName=bus, Targets=[{"Id": "queue", "Arn": arn}])
    return Listener(sqs, url)
