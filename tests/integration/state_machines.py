"""A real state machine, of moto's Step Functions, with a task that waits for its token to come back."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

_ROLE = "arn:aws:iam::123456789012:role/any"


@dataclass
class Task:
    """One execution, which waits at its only task."""

    states: Any
    execution: str
    token: str

    def ended(self) -> tuple[str, Any]:
        """Wait for the end; return the error's name, or "" and the output as it reads."""
        for _ in range(200):
            told = self.states.describe_execution(executionArn=self.execution)
            if told["status"] == "SUCCEEDED":
                return "", json.loads(told["output"])
            if told["status"] != "RUNNING":
                return told["error"], None
            time.sleep(0.05)  # the machine runs in a thread of moto's
        raise AssertionError("the execution goes on")

    @property
    def waits(self) -> bool:
        return bool(self.states.describe_execution(executionArn=self.execution)["status"] == "RUNNING")


def wait_for_token(client: Callable[[str], Any]) -> Task:
    """Start an execution; its task hands its token over through a queue."""
    sqs, states = client("sqs"), client("stepfunctions")
    url = sqs.create_queue(QueueName="tokens")["QueueUrl"]
    body = {"QueueUrl": url, "MessageBody": {"token.$": "$$.Task.Token"}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken", "Parameters": body}
    definition = json.dumps({"StartAt": "Launch", "States": {"Launch": {**task, "TimeoutSeconds": 60, "End": True}}})
    made = {machine["name"]: machine["stateMachineArn"] for machine in states.list_state_machines()["stateMachines"]}
    if "waits" not in made:
        machine = states.create_state_machine(name="waits", definition=definition, roleArn=_ROLE)
        made["waits"] = machine["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=made["waits"], name=str(uuid.uuid4()))["executionArn"]
    for _ in range(200):
        for message in sqs.receive_message(QueueUrl=url).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return Task(states, execution, json.loads(message["Body"])["token"])
        time.sleep(0.05)
    raise AssertionError("the task has not begun")


def causes_sent(client: Any) -> list[dict[str, Any]]:
    """Note from now on the causes of the failures that a client sends, as they read: moto drops them."""
    causes: list[dict[str, Any]] = []
    client.meta.events.register(
        "provide-client-params.sfn.SendTaskFailure", lambda params, **_: causes.append(json.loads(params["cause"]))
    )
    return causes


def refuse(client: Any, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Step Functions refuse from now on whatever a client tells a task: moto refuses nothing of this."""

    def told(**_: object) -> None:
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "SendTask")

    for method in ("send_task_success", "send_task_failure"):
        monkeypatch.setattr(client, method, told)
