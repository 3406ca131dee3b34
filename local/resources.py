"""The tables, the bucket, the bus, the queues and the secrets of template.yaml, made by boto3 in moto."""

from __future__ import annotations

import json
import secrets
import string
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.template import Template

# What create_table takes; CloudFormation has the rest set by other calls, which nothing here depends on.
_QUEUE = ("VisibilityTimeout", "MessageRetentionPeriod")
_TABLE = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "StreamSpecification")


def session() -> boto3.Session:
    """Return a session with made-up credentials."""
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1")


def scan(table: Any, *names: str) -> Iterator[dict[str, Any]]:
    """Yield all items of a boto3 table, or those attributes of them."""
    only = {f"#{name}": name for name in names}
    wanted = {"ProjectionExpression": ", ".join(only), "ExpressionAttributeNames": only} if names else {}
    for page in table.meta.client.get_paginator("scan").paginate(TableName=table.name, **wanted):
        yield from page["Items"]


def create(template: Template, endpoint_url: str | None = None, api_key: str = " ") -> None:
    """Make every resource and note its physical name in `template.names`.

    Without `endpoint_url` the calls go to wherever boto3 sends them, as to moto's mock_aws. `api_key` stands where
    a person puts the key in AWS: in the secret that isn't generated.
    """

    def client(service: str) -> Any:
        return session().client(service, endpoint_url=endpoint_url)  # type: ignore[call-overload]

    dynamodb, s3, secretsmanager = client("dynamodb"), client("s3"), client("secretsmanager")
    for name, properties in template.resources("AWS::DynamoDB::Table").items():
        wanted = {key: properties[key] for key in _TABLE if key in properties}
        if stream := wanted.get("StreamSpecification"):
            wanted["StreamSpecification"] = {"StreamEnabled": True, **stream}  # which CloudFormation adds
        dynamodb.create_table(TableName=f"runledger-{name}", **wanted)
        dynamodb.update_time_to_live(
            TableName=f"runledger-{name}", TimeToLiveSpecification=properties["TimeToLiveSpecification"]
        )
        template.names[name] = f"runledger-{name}"
    for name in template.resources("AWS::S3::Bucket"):
        template.names[name] = f"runledger-{name.lower()}"
        s3.create_bucket(Bucket=template.names[name])
    for name, properties in template.resources("AWS::Events::EventBus").items():
        client("events").create_event_bus(Name=properties["Name"])
        template.names[name] = properties["Name"]
    _create_queues(template, client("sqs"))
    for name, properties in template.resources("AWS::SecretsManager::Secret").items():
        generated = properties.get("GenerateSecretString")
        text = _generate(generated) if generated else api_key
        created = secretsmanager.create_secret(Name=f"runledger-{name}", SecretString=text)
        template.names[name] = created["ARN"]


def queue_arn(sqs: Any, url: str) -> str:
    """Return the ARN of the queue at `url`."""
    return str(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"])


def _create_queues(template: Template, sqs: Any) -> None:
    queues = template.resources("AWS::SQS::Queue")
    for name, properties in queues.items():
        wanted = {key: str(properties[key]) for key in _QUEUE if key in properties}
        template.names[name] = sqs.create_queue(QueueName=f"runledger-{name}", Attributes=wanted)["QueueUrl"]
    for name, properties in queues.items():
        if policy := properties.get("RedrivePolicy"):
            target = template.names[policy["deadLetterTargetArn"].removesuffix(".Arn")]
            redrive = json.dumps({**policy, "deadLetterTargetArn": queue_arn(sqs, target)})
            sqs.set_queue_attributes(QueueUrl=template.names[name], Attributes={"RedrivePolicy": redrive})


def _generate(spec: dict[str, Any]) -> str:
    """Make a secret as CloudFormation does: a random string under one key of a JSON object."""
    alphabet = string.ascii_letters + string.digits
    key = "".join(secrets.choice(alphabet) for _ in range(spec["PasswordLength"]))
    head = spec["SecretStringTemplate"].rstrip().removesuffix("}")
    return f'{head}, "{spec["GenerateStringKey"]}": "{key}"}}'
