"""Parameters refuse what can't work and take their own defaults; secrets and stored data are as the code needs them."""

from __future__ import annotations

import re
from typing import Any

import boto3
import pytest
from moto import mock_aws

from runledger.adapters.secrets_manager import API_KEY_PLACEHOLDER
from runledger.domain.tokens import KeyRing
from tests.contract.source import OPTIONS, TEMPLATE, template

PARAMETERS: dict[str, dict[str, Any]] = TEMPLATE.document["Parameters"]
STORED = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SecretsManager::Secret")


def takes(name: str, value: str) -> bool:
    """Return whether CloudFormation would take the value."""
    spec = PARAMETERS[name]
    if spec["Type"] == "Number":
        number = float(value)
        if not spec.get("MinValue", number) <= number <= spec.get("MaxValue", number):
            return False
    if "AllowedValues" in spec and value not in map(str, spec["AllowedValues"]):
        return False
    each = value.split(",") if spec["Type"] == "CommaDelimitedList" else [value]
    return all(re.search(spec.get("AllowedPattern", ""), one) for one in each)


@pytest.mark.parametrize("name", [name for name, spec in PARAMETERS.items() if "Default" in spec])
def test_a_default_satisfies_its_own_constraints(name: str) -> None:
    assert takes(name, str(PARAMETERS[name]["Default"]))


def test_only_what_nobody_can_guess_has_no_default() -> None:
    assert {name for name, spec in PARAMETERS.items() if "Default" not in spec} == {"LangGraphUrl"}


@pytest.mark.parametrize("name", ["LangGraphUrl", "WebhookUrl"])
def test_g5_a_url_that_sends_keys_or_tokens_in_clear_is_deployed_only_where_it_is_wanted(name: str) -> None:
    """Parameter Store refuses a value that its own pattern does not fit; elsewhere the resource is not made."""
    guard = TEMPLATE.document["Resources"]["InsecureUrlsAreNotAllowed"]
    assert not re.search(guard["Properties"]["AllowedPattern"], guard["Properties"]["Value"])

    def is_refused(**parameters: str) -> object:
        return template(**parameters).resolve({"Condition": guard["Condition"]})

    assert not is_refused()
    assert not is_refused(**{name: "https://http.example.org"})
    assert is_refused(**{name: "http://10.0.0.7:8123"})
    assert not is_refused(**{name: "http://10.0.0.7:8123"}, AllowInsecureUrls="true")


@pytest.mark.parametrize("name", [name for name, spec in PARAMETERS.items() if spec["Type"] == "Number"])
def test_no_number_is_negative(name: str) -> None:
    assert not takes(name, "-1")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LangGraphUrl", "https://agents-0a1b2c.us.langgraph.app"),
        ("LangGraphUrl", "http://10.0.0.7:8123"),
        ("LangGraphUrl", "https://internal.example.org/agents/v1"),
        ("WebhookUrl", "https://hooks.example.org/webhook"),
        ("WebhookUrl", "http://127.0.0.1:3001/webhook"),
        ("AlarmTopicArn", "arn:aws-us-gov:sns:us-gov-west-1:123456789012:On_call-1"),
        ("MaxRunSeconds", "60"),
        ("InlinePayloadBytes", "0"),
        ("KeyRotationDays", "0"),
        *OPTIONS.items(),
    ],
)
def test_a_good_value_is_taken(name: str, value: str) -> None:
    assert takes(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LangGraphUrl", ""),
        ("LangGraphUrl", "agents.example.org"),
        ("LangGraphUrl", "ftp://agents.example.org"),
        ("LangGraphUrl", "https://"),
        ("LangGraphUrl", "https://agents.example.org/"),
        ("LangGraphUrl", "https://agents.example.org/v1/"),
        ("LangGraphUrl", "https://user:secret@agents.example.org"),
        ("LangGraphUrl", "https://agents.example.org?key=secret"),
        ("LangGraphUrl", "https://agents.example.org/#top"),
        ("LangGraphUrl", "https://agents.example.org /v1"),
        ("WebhookUrl", "hooks.example.org/webhook"),
        ("WebhookUrl", "https://hooks.example.org/webhook?token=mine"),
        ("WebhookUrl", "https://user@hooks.example.org/webhook"),
        ("WebhookUrl", "https://hooks.example.org/webhook#there"),
        ("AlarmTopicArn", "alarms"),
        ("AlarmTopicArn", "arn:aws:sqs:us-east-1:123456789012:alarms"),
        ("AcceptSharedTokens", "yes"),
        ("WebhookSourceCidrs", "203.0.113.7"),
        ("WebhookSourceCidrs", "example.org/24"),
        ("Tracing", "Disabled"),
        ("Architecture", "arm"),
        ("LogRetentionDays", "8"),
        ("MaxRunSeconds", "59"),
        ("InlinePayloadBytes", "409600"),
        ("KeyRotationDays", "366"),
    ],
)
def test_a_bad_value_is_refused(name: str, value: str) -> None:
    assert not takes(name, value)


@pytest.mark.parametrize(("subnets", "groups"), [("", ""), ("s", "g"), ("s,t", ""), ("", "g")])
def test_half_a_vpc_fails_at_deployment_and_not_in_silence(subnets: str, groups: str) -> None:
    given = template(SubnetIds=subnets, SecurityGroupIds=groups)
    assert given.resolve({"Condition": "HasVpc"}) is bool(subnets or groups)


def test_the_generated_ring_is_one_and_its_recipe_never_changes() -> None:
    """Another recipe would make CloudFormation generate the secret anew: every token of every run would be refused."""
    recipe = TEMPLATE.resources("AWS::SecretsManager::Secret")["KeyRingSecret"]["GenerateSecretString"]
    assert recipe == {
        "SecretStringTemplate": '{"current": "k0"}',
        "GenerateStringKey": "k0",
        "PasswordLength": 64,
        "ExcludePunctuation": True,
    }
    with mock_aws():
        client = boto3.client("secretsmanager", "us-east-1")
        made = client.get_random_password(PasswordLength=64, ExcludePunctuation=True)["RandomPassword"]
    ring = KeyRing.parse(f'{{"current": "k0", "{recipe["GenerateStringKey"]}": "{made}"}}')
    assert (ring.current, list(ring.signing), ring.shared) == ("k0", ["k0"], {})


def test_the_untouched_api_key_is_the_placeholder_that_the_code_knows() -> None:
    secret = TEMPLATE.resources("AWS::SecretsManager::Secret")["LangGraphApiKeySecret"]
    assert secret["SecretString"] == API_KEY_PLACEHOLDER


@pytest.mark.parametrize("name", [name for kind in STORED for name in TEMPLATE.resources(kind)])
def test_what_is_stored_outlives_the_stack_under_no_name_that_could_collide(name: str) -> None:
    resource = TEMPLATE.document["Resources"][name]
    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert not {"TableName", "BucketName", "Name"} & set(resource["Properties"])


@pytest.mark.parametrize("table", TEMPLATE.resources("AWS::DynamoDB::Table").values())
def test_tables_can_be_taken_back_in_time_and_cost_what_is_used(table: dict[str, Any]) -> None:
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_g5_the_bucket_is_encrypted_private_and_tls_only() -> None:
    bucket = TEMPLATE.resources("AWS::S3::Bucket")["PayloadBucket"]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] in ("AES256", "aws:kms")
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (policy,) = TEMPLATE.resources("AWS::S3::BucketPolicy").values()
    assert policy["Bucket"] == "PayloadBucket"
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == ["PayloadBucket.Arn", "${PayloadBucket.Arn}/*"]
