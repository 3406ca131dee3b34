"""What each function's role allows, by action and resource, and which of it the Lambda service does in its name."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any

from tests.contract.source import FUNCTIONS, TEMPLATE, template

if TYPE_CHECKING:
    from local.template import Function

type Permission = tuple[str, str]  # an action, and the resource as template.yaml names it

STATE_MACHINES = "arn:aws:states:us-east-1:123456789012:stateMachine:*"  # of whoever launches; nobody knows them before
STREAM_BY_LAMBDA = {  # what Lambda does in the function's name, to bring it what was written
    "dynamodb:DescribeStream": "RunsTable.StreamArn",
    "dynamodb:GetRecords": "RunsTable.StreamArn",
    "dynamodb:GetShardIterator": "RunsTable.StreamArn",
    "dynamodb:ListStreams": "${RunsTable.Arn}/stream/*",
}
QUEUE_BY_LAMBDA = ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")  # and messages
LOG_BY_LAMBDA = ("logs:CreateLogStream", "logs:PutLogEvents")  # and to keep what it prints


def properties(function: Function) -> dict[str, Any]:
    """Return a function's properties."""
    found: dict[str, Any] = TEMPLATE.resources("AWS::Serverless::Function")[function.name]
    return found


def log_group(function: Function) -> str:
    """Return the log group of a function."""
    return str(properties(function)["LoggingConfig"]["LogGroup"])


def statements(function: Function, **parameters: str) -> list[tuple[set[str], set[str]]]:
    """Return the actions and resources of each statement of its role."""
    role = template(**parameters).resources("AWS::IAM::Role")[properties(function)["Role"].removesuffix(".Arn")]
    assert "ManagedPolicyArns" not in role
    return [
        (_set(statement["Action"]), _set(statement["Resource"]))
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]


def allowed(function: Function) -> list[Permission]:
    """Return what a function may do."""
    return [pair for actions, resources in statements(function) for pair in itertools.product(actions, resources)]


def by_lambda(function: Function) -> dict[str, str]:
    """Return what Lambda does in its name to bring it events, each with its resource."""
    queues = dict.fromkeys(QUEUE_BY_LAMBDA, f"{function.messages.queue}.Arn") if function.messages else {}
    given_up = {"sqs:SendMessage": "WorkDeadLetterQueue.Arn"} if function.source else {}
    return {**(STREAM_BY_LAMBDA if function.source else {}), **given_up, **queues}


@functools.cache
def for_code() -> dict[str, frozenset[Permission]]:
    """Return what each function's own code may do, by the function's name."""
    return {
        function.name: frozenset(allowed(function))
        - set(by_lambda(function).items())
        - {(action, f"{log_group(function)}.Arn") for action in LOG_BY_LAMBDA}
        for function in FUNCTIONS
    }


def _set(value: str | list[str]) -> set[str]:
    return {value} if isinstance(value, str) else set(value)
