"""G9: each function has its own role, with the calls that it makes on the resources that it uses; G5 at the gateway."""

from __future__ import annotations

import ast
import json
import re
from typing import TYPE_CHECKING

import pytest

from local.template import ROOT, Route
from runledger.domain.ledger import payload_key, questions_key, request_key
from tests.contract.permissions import (
    LOG_BY_LAMBDA,
    QUEUE_BY_LAMBDA,
    STATE_MACHINES,
    allowed,
    by_lambda,
    for_code,
    properties,
    statements,
)
from tests.contract.source import (
    FUNCTIONS,
    OPTIONS,
    TEMPLATE,
    client_calls,
    indexes_queried,
    modules,
    named,
    reached,
    template,
    text_argument,
)
from tests.integration.needs import NEEDS

if TYPE_CHECKING:
    from local.template import Function

ANYWHERE = {  # what has no resource to be named, and why
    "xray:PutTraceSegments": "X-Ray knows no resources",
    "xray:PutTelemetryRecords": "X-Ray knows no resources",
    "ec2:CreateNetworkInterface": "Lambda makes the interfaces, under names that nobody knows before",
    "ec2:DescribeNetworkInterfaces": "as above",
    "ec2:DescribeSubnets": "as above",
    "ec2:DeleteNetworkInterface": "as above",
    "ec2:AssignPrivateIpAddresses": "as above",
    "ec2:UnassignPrivateIpAddresses": "as above",
}
SERVICES = {
    "change_message_visibility": "sqs",
    "describe_secret": "secretsmanager",
    "put_events": "events",
    "get_item": "dynamodb",
    "get_object": "s3",
    "get_secret_value": "secretsmanager",
    "put_object": "s3",
    "put_secret_value": "secretsmanager",
    "query": "dynamodb",
    "get_queue_attributes": "sqs",
    "send_message": "sqs",
    "send_message_batch": "sqs",
    "send_task_failure": "states",
    "send_task_success": "states",
    "update_item": "dynamodb",
    "update_secret_version_stage": "secretsmanager",
}
INDEXES = {
    "QueryFunction": {f"${{RunsTable.Arn}}/index/{name}" for name in ("by-launch", "by-thread", "by-outcome")},
    "LaunchFunction": {"${RunsTable.Arn}/index/by-launch"},
    "WebhookFunction": set(),
    "RotateFunction": set(),
    "SweepFunction": {"${RunsTable.Arn}/index/due", "${LaunchesTable.Arn}/index/due"},
    "WorkerFunction": {"${RunsTable.Arn}/index/by-launch", "${RunsTable.Arn}/index/by-outcome"},
}
OBJECTS = {
    "QueryFunction": {"s3:GetObject": {"runs/"}},
    "LaunchFunction": {"s3:PutObject": {"launches/", "runs/"}, "s3:GetObject": {"runs/"}},
    "WebhookFunction": {"s3:PutObject": {"runs/"}},
    "RotateFunction": {},
    "SweepFunction": {},
    "WorkerFunction": {"s3:PutObject": {"runs/"}, "s3:GetObject": {"launches/", "runs/"}},
}
LOGGED = {
    "requestId",
    "requestTime",
    "identity.sourceIp",
    "routeKey",
    "status",
    "responseLatency",
    "responseLength",
    "error.message",
    "integrationErrorMessage",
}


@pytest.mark.parametrize("key", ["Role", "LoggingConfig"])
def test_g9_roles_and_log_groups_are_not_shared(key: str) -> None:
    own = [json.dumps(properties(function)[key]) for function in FUNCTIONS]
    assert len(set(own)) == len(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_only_lambda_may_take_the_role(function: Function) -> None:
    role = TEMPLATE.resources("AWS::IAM::Role")[properties(function)["Role"].removesuffix(".Arn")]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}


def _calls_of(function: Function) -> set[str]:
    return {f"{SERVICES[method]}:{_action(method)}" for method in map(_called, client_calls(function))}


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_a_role_allows_the_calls_of_its_function_and_no_others(function: Function) -> None:
    made = _calls_of(function)
    assert made
    actions = {action for action, _ in allowed(function)}
    assert actions == made | set(by_lambda(function)) | set(LOG_BY_LAMBDA)


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_a_role_allows_nothing_that_no_test_shows_to_be_needed(function: Function) -> None:
    """The tests of `NEEDS` fail where they do not show it, and every test where a function is denied a call."""
    shown = set().union(*(made.get(function.name, set()) for made in NEEDS.values()))
    assert shown == for_code()[function.name]


@pytest.mark.parametrize("test", NEEDS)
def test_g9_what_is_to_show_it_is_there(test: str) -> None:
    name, _, function = test.partition("::")
    assert f"\ndef {function}(" in (ROOT / "tests/integration" / name).read_text()


@pytest.mark.parametrize("function", [function for function in FUNCTIONS if by_lambda(function)], ids=named)
def test_g9_lambda_reads_streams_and_queues_where_the_role_allows_it(function: Function) -> None:
    done = by_lambda(function)
    assert sorted(pair for pair in allowed(function) if pair[0] in done) == sorted(done.items())


def test_g9_lambda_puts_what_it_gives_up_where_the_role_allows_it() -> None:
    (function,) = [function for function in FUNCTIONS if function.source]
    event = properties(function)["Events"]["RunsWritten"]
    target = event["Properties"]["DestinationConfig"]["OnFailure"]["Destination"]
    assert ("sqs:SendMessage", target) in allowed(function)
    assert event["Properties"]["Stream"] == "RunsTable.StreamArn"


def test_g9_launch_hides_its_own_messages_and_sends_dead_letters_alone() -> None:
    (function,) = [function for function in FUNCTIONS if function.name == "LaunchFunction"]
    sends = {pair for pair in allowed(function) if pair[0].startswith("sqs:") and pair[0] not in QUEUE_BY_LAMBDA}
    assert sends == {
        ("sqs:ChangeMessageVisibility", "LaunchQueue.Arn"),
        ("sqs:SendMessage", "LaunchDeadLetterQueue.Arn"),
    }


def test_g9_aws_is_called_by_the_clients_of_the_adapters_alone() -> None:
    """Else the test above looks in the wrong place."""
    makers = {
        name
        for name, tree in modules().items()
        if any(isinstance(node, ast.Name) and node.id == "boto3" for node in ast.walk(tree))
    }
    assert makers == {"runledger.adapters.aws"}


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_a_role_reaches_what_the_environment_names_and_its_log(function: Function) -> None:
    resources = set.union(*(resources for _, resources in statements(function)))
    reachable = {re.sub(r"^\$\{|[.}].*$", "", resource) for resource in resources}
    services = ("DynamoDB::Table", "S3::Bucket", "SecretsManager::Secret", "Events::EventBus", "SQS::Queue")
    stored = {f"AWS::{service}" for service in services}
    used = {name for kind in stored for name in TEMPLATE.resources(kind) if name in function.environment.values()}
    brought = {resource.partition(".")[0] for resource in by_lambda(function).values() if resource.startswith("Work")}
    calls_back = {STATE_MACHINES} if "states:SendTaskSuccess" in _calls_of(function) else set()
    assert reachable == used | brought | {properties(function)["LoggingConfig"]["LogGroup"]} | calls_back


def test_g9_a_client_is_called_and_never_handed_on() -> None:
    """Else what is done with it elsewhere would not be seen."""
    for name, tree in modules().items():
        used = [
            node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("_client", "_signer")
        ]
        kept = [node for node in used if isinstance(node.ctx, ast.Store)]
        called = {id(node.func.value) for node in ast.walk(tree) if _is_method_call(node)}  # type: ignore[attr-defined]
        if name.startswith("runledger.adapters."):
            assert not [node for node in used if node not in kept and id(node) not in called], name


def _is_method_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_a_role_queries_the_indexes_that_its_function_does_and_no_table(function: Function) -> None:
    asked = [resources for actions, resources in statements(function) if "dynamodb:Query" in actions]
    indexes = set().union(*asked)
    assert indexes == INDEXES[function.name]
    assert {resource.rpartition("/index/")[2] for resource in indexes} == indexes_queried(function)


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_objects_are_written_and_read_where_the_role_allows_it(function: Function) -> None:
    objects: dict[str, set[str]] = {}
    for actions, resources in statements(function):
        for action in actions:
            if action.startswith("s3:"):
                objects[action] = {r.removeprefix("${PayloadBucket.Arn}/").removesuffix("*") for r in resources}
    assert objects == OBJECTS[function.name]
    assert payload_key("a-launch", "a-run", "a-digest").startswith("runs/")
    assert questions_key("a-launch", "a-run", "a-digest").startswith("runs/a-launch/a-run/")
    assert request_key("a-launch", "a-digest").startswith("launches/")


def test_g9_only_who_shows_or_tells_of_a_run_reads_it_by_key() -> None:
    """A run's item has its payload; everybody else has enough in the indexes."""
    readers = {
        (function.name, resource)
        for function in FUNCTIONS
        for actions, resources in statements(function)
        if "dynamodb:GetItem" in actions
        for resource in resources
    }
    assert readers == {
        ("LaunchFunction", "RunsTable.Arn"),
        ("LaunchFunction", "LaunchesTable.Arn"),
        ("QueryFunction", "RunsTable.Arn"),
        ("QueryFunction", "LaunchesTable.Arn"),
        ("WorkerFunction", "LaunchesTable.Arn"),
        ("WorkerFunction", "RunsTable.Arn"),
    }


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_g9_no_wildcard_but_where_there_is_nothing_to_name(function: Function) -> None:
    for actions, resources in statements(function, **OPTIONS):
        assert not [action for action in actions if "*" in action]
        if "*" in resources:
            assert actions <= set(ANYWHERE)
        assert not [resource for resource in resources if resource.startswith("*") and resource != "*"]


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_the_vpc_is_for_those_who_call_langgraph(function: Function) -> None:
    chosen = template(**OPTIONS)
    calls_langgraph = any(name.startswith("runledger_langgraph") for name in reached(function))
    vpc = chosen.resources("AWS::Serverless::Function")[function.name].get("VpcConfig")
    assert (vpc is not None) == calls_langgraph
    actions = set.union(*(actions for actions, _ in statements(function, **OPTIONS)))
    assert ("ec2:CreateNetworkInterface" in actions) == calls_langgraph
    assert "VpcConfig" not in properties(function)


def test_g9_only_this_accounts_secrets_manager_invokes_the_function_that_alone_may_write_the_key_ring() -> None:
    (permission,) = TEMPLATE.resources("AWS::Lambda::Permission").values()
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": "RotateFunction.Arn",
        "Principal": "secretsmanager.amazonaws.com",
        "SourceAccount": "123456789012",
    }
    writers = {
        (function.name, resource)
        for function in FUNCTIONS
        for actions, resources in statements(function)
        if {"secretsmanager:PutSecretValue", "secretsmanager:UpdateSecretVersionStage"} & actions
        for resource in resources
    }
    assert writers == {("RotateFunction", "KeyRingSecret")}


def test_every_log_group_forgets_in_time() -> None:
    groups = TEMPLATE.resources("AWS::Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {TEMPLATE.parameters["LogRetentionDays"]}
    used = {properties(function)["LoggingConfig"]["LogGroup"] for function in FUNCTIONS}
    used |= {
        api["AccessLogSettings"]["DestinationArn"].removesuffix(".Arn")
        for api in TEMPLATE.resources("AWS::Serverless::HttpApi").values()
    }
    assert used == set(groups)


@pytest.mark.parametrize("api", ["Api", "WebhookApi"])
def test_g5_the_access_log_has_no_place_for_a_query(api: str) -> None:
    logged = TEMPLATE.resources("AWS::Serverless::HttpApi")[api]["AccessLogSettings"]["Format"]
    assert set(re.findall(r"\$context\.([\w.]+)", logged)) == LOGGED
    line = json.loads(re.sub(r"\$context\.[\w.]+", "-", logged))
    assert set(line.values()) == {"-"}


def test_the_routes_are_those_of_the_design() -> None:
    assert {route: function.name for function in FUNCTIONS for route in function.routes} == {
        Route("Api", "POST", "/runs"): "LaunchFunction",
        Route("Api", "POST", "/runs/{run_id}/resume"): "LaunchFunction",
        Route("Api", "POST", "/runs/{run_id}/cancel"): "LaunchFunction",
        Route("Api", "GET", "/runs/{run_id}"): "QueryFunction",
        Route("Api", "GET", "/runs"): "QueryFunction",
        Route("Api", "GET", "/launches/{launch_id}"): "QueryFunction",
        Route("WebhookApi", "POST", "/webhook"): "WebhookFunction",
    }


@pytest.mark.parametrize("name", ["Webhook", "Launch", "Query"])
@pytest.mark.parametrize(("given", "kept"), [("0", None), ("50", "50")])
def test_g10_a_function_keeps_executions_for_itself_where_it_is_told_to_and_can_take_no_more(
    name: str, given: str, kept: str | None
) -> None:
    functions = template(**{f"{name}ReservedConcurrency": given}).resources("AWS::Serverless::Function")
    reserved = {one: properties.get("ReservedConcurrentExecutions") for one, properties in functions.items()}
    assert reserved == {one: kept if one == f"{name}Function" else None for one in functions}


@pytest.mark.parametrize("api", ["Api", "WebhookApi"])
def test_g10_both_doors_are_throttled(api: str) -> None:
    settings = TEMPLATE.resources("AWS::Serverless::HttpApi")[api]["DefaultRouteSettings"]
    assert int(settings["ThrottlingRateLimit"]) > 0
    assert int(settings["ThrottlingBurstLimit"]) > 0


def _called(call: ast.Call) -> str:
    """Return the client's method; of a link, which is signed without a call, the one that whoever follows it makes."""
    assert isinstance(call.func, ast.Attribute)
    return text_argument(call) if call.func.attr == "generate_presigned_url" else call.func.attr


def _action(method: str) -> str:
    return "".join(word.capitalize() for word in method.removesuffix("_batch").split("_"))  # one action for both
