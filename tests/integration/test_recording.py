"""What the end-to-end tests see of functions' calls: who made them, what roles deny, what secret is in them."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from moto.moto_api import recorder

from tests.integration import recording
from tests.integration.calls import denied
from tests.integration.spellings import left_in, spellings
from tests.integration.support import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.integration.recording import Call
    from tests.integration.support import Aws

SECRET = "a-canary-of-more-than-31-characters"

type Client = Callable[[str, str], Any]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[Call]]]:
    """What was called until now, by moto's recorder; in place of the functions' own clients, which none makes here."""
    monkeypatch.setattr(recorder, "_location", str(tmp_path / "calls"))
    recorder.start_recording()
    yield lambda: recording.read(tmp_path / "calls")
    recorder.stop_recording()


@pytest.fixture
def client(aws: Aws) -> Client:
    """Make clients of a service as a function has them."""
    assert aws

    def make(function: str, service: str) -> Any:
        session = boto3.Session(aws_access_key_id=function, aws_secret_access_key="local", region_name="us-east-1")
        as_on_loopback = {"use_ssl": False, "config": Config(s3={"addressing_style": "path"})}
        return session.client(service, **as_on_loopback)  # type: ignore[call-overload]

    return make


def test_g9_a_call_that_the_role_denies_is_seen_whoever_else_may_make_it(
    aws: Aws, client: Client, calls: Callable[[], list[Call]]
) -> None:
    names, table = aws.template.names, aws.template.names["LaunchesTable"]
    key = {"launch_id": {"S": "none"}}
    for function in ("QueryFunction", "WebhookFunction", "local"):
        client(function, "dynamodb").get_item(TableName=table, Key=key)
    made = recording.made(calls(), names)
    assert made == {
        "QueryFunction": {("dynamodb:GetItem", "LaunchesTable.Arn")},
        "WebhookFunction": {("dynamodb:GetItem", "LaunchesTable.Arn")},
    }
    assert denied(made) == [("WebhookFunction", ("dynamodb:GetItem", "LaunchesTable.Arn"))]


def test_g9_each_service_is_called_on_something(aws: Aws, client: Client, calls: Callable[[], list[Call]]) -> None:
    names = aws.template.names
    bucket, key = names["PayloadBucket"], f"runs/{new_id()}/a b"
    client("WorkerFunction", "s3").put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"{}"))
    client("WorkerFunction", "s3").get_object(Bucket=bucket, Key=key)
    client("WorkerFunction", "secretsmanager").get_secret_value(SecretId=names["KeyRingSecret"])
    entry = {"EventBusName": names["EventBus"], "Source": "s", "DetailType": "t", "Detail": "{}"}
    client("WorkerFunction", "events").put_events(Entries=[entry])
    client("WorkerFunction", "sqs").send_message(QueueUrl=names["LaunchQueue"], MessageBody="{}")
    table = names["RunsTable"]
    with suppress(ClientError):
        client("WorkerFunction", "dynamodb").query(TableName=table, IndexName="due", KeyConditionExpression="a = :a")
    assert recording.made(calls(), names) == {
        "WorkerFunction": {
            ("s3:PutObject", "${PayloadBucket.Arn}/runs/*"),
            ("s3:GetObject", "${PayloadBucket.Arn}/runs/*"),
            ("secretsmanager:GetSecretValue", "KeyRingSecret"),
            ("events:PutEvents", "EventBus.Arn"),
            ("sqs:SendMessage", "LaunchQueue.Arn"),
            ("dynamodb:Query", "${RunsTable.Arn}/index/due"),
        }
    }


def test_g5_a_task_token_is_looked_for_everywhere_but_in_its_attribute(
    aws: Aws, client: Client, calls: Callable[[], list[Call]]
) -> None:
    update = {
        "TableName": aws.template.names["LaunchesTable"],
        "Key": {"launch_id": {"S": "any"}},
        "UpdateExpression": "SET task_token = :task_token, reason = :reason",
    }
    for reason in ("none", SECRET):
        values = {":task_token": {"S": SECRET}, ":reason": {"S": reason}}
        client("LaunchFunction", "dynamodb").update_item(**update, ExpressionAttributeValues=values)
    kept, told = (call.unguarded() for call in calls())
    assert left_in({"task": SECRET}, {"kept": kept, "told": told}) == {("task", "told")}


@pytest.mark.parametrize("offset", range(0, 40, 7))
def test_g5_what_is_left_is_found_however_it_is_spelt_and_wherever_it_stands(offset: int) -> None:
    for spelt in spellings(SECRET):
        places = {"here": "-" * offset + spelt, "there": json.dumps({"a": f"{'-' * offset}{spelt[:-1]}"})}
        assert left_in({"canary": SECRET, "other": SECRET[::-1]}, places) == {("canary", "here")}
