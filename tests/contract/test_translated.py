"""What CloudFormation gets: template.yaml as the SAM translator turns it out."""

from __future__ import annotations

import functools
import graphlib
import itertools
import json
import os
import re
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

import pytest
from cfnlint.api import lint
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

from local.stream import batches, matches
from local.template import ROOT, Template
from runledger.adapters.expressions import request
from runledger.domain.events import is_published
from runledger.domain.ledger import Update
from runledger.domain.messages import TRY_SECONDS, wait_seconds
from runledger.domain.outcomes import Outcome
from runledger.domain.retry import LEASE_SECONDS, TICKET_SECONDS
from runledger.domain.run_states import event
from tests.contract.source import FUNCTIONS, OPTIONS, TEMPLATE, named, template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from local.template import Function

CASES = {"defaults": {}, "everything": OPTIONS, "never rotated": {"KeyRotationDays": "0"}}
SAMPLES = ROOT / "events" / "samples"
PACKAGED = "s3://packaged-by-sam/code.zip"


class NoManagedPolicies:
    """Every policy is written out, so none has to be looked up in IAM."""

    def load(self) -> dict[str, str]:
        return {}


@functools.cache
def translated(case: str) -> dict[str, Any]:
    return translate(template(**CASES[case]))


def translate(source: Template) -> dict[str, Any]:
    code = source.document["Globals"]["Function"]
    layers = [one for one in source.document["Resources"].values() if one["Type"] == "AWS::Serverless::LayerVersion"]
    for properties, name in ((code, "CodeUri"), *((layer["Properties"], "ContentUri") for layer in layers)):
        if not properties[name].startswith("s3://"):
            properties[name] = PACKAGED
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))
        # A plain copy: the parser marks its text with line numbers, which only a linter of the source wants.
        document = json.loads(json.dumps(source.document))
        result: dict[str, Any] = transform(document, dict(source.parameters), NoManagedPolicies())
    return result


@pytest.mark.parametrize("case", CASES)
def test_the_translation_lints_clean(case: str) -> None:
    found = lint(json.dumps(translated(case)), regions=["us-east-1"])
    assert [f"{match.rule.id} {match.message} at {match.path}" for match in found] == []


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_samples_lint_clean_too(path: Path) -> None:
    document = json.loads(json.dumps(yaml_parse(path.read_text())))
    assert document["Parameters"].keys() <= TEMPLATE.document["Outputs"].keys()
    if "Transform" in document:
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
            document = transform(document, {}, NoManagedPolicies())
    found = lint(json.dumps(document), regions=["us-east-1"])
    assert [f"{match.rule.id} {match.message} at {match.path}" for match in found] == []


def test_g9_the_samples_role_is_for_this_accounts_schedules_which_may_send_to_the_queue() -> None:
    (role,) = Template({"LaunchQueueArn": "queue"}, path=SAMPLES / "schedule.yaml").resources("AWS::IAM::Role").values()
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    (policy,) = role["Policies"]
    assert policy["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "queue"}
    ]


def names(value: Any) -> Iterator[str]:
    """Yield the logical ids and parameters that a value depends on."""
    if isinstance(value, list):
        for item in value:
            yield from names(item)
    elif isinstance(value, dict):
        for key, argument in value.items():
            if key in ("Ref", "DependsOn"):
                yield from [argument] if isinstance(argument, str) else argument
            elif key == "Fn::GetAtt":
                yield (argument.split(".") if isinstance(argument, str) else argument)[0]
            elif key == "Fn::Sub":
                text, given = (argument, {}) if isinstance(argument, str) else argument
                yield from (name for name in re.findall(r"\$\{([\w:]+)[.\w]*\}", text) if name not in given)
                yield from names(given)
            else:
                yield from names(argument)


@pytest.mark.parametrize("case", CASES)
def test_no_resource_waits_for_itself(case: str) -> None:
    """A cycle is refused at deployment; `sam validate --lint` does not see one."""
    resources = translated(case)["Resources"]
    graph = {name: set(names(resource)) & set(resources) for name, resource in resources.items()}
    assert sum(map(len, graph.values())) > len(resources)
    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_no_environment_names_the_api_that_invokes_the_function(function: Function) -> None:
    variables = translated("defaults")["Resources"][function.name]["Properties"]["Environment"]["Variables"]
    assert not set(names(variables)) & {route.api for route in function.routes}


def operation(api: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = translated("defaults")["Resources"][api]["Properties"]["Body"]["paths"][path]["post"]
    return found


def test_g9_callers_sign_their_requests_and_langgraph_need_not() -> None:
    assert operation("Api", "/runs")["security"] == [{"AWS_IAM": []}]
    assert "security" not in operation("WebhookApi", "/webhook")


def with_jwt() -> Template:
    """Return the template with the README's lines for callers with a JWT."""
    lines = re.search(r"\n    Auth:\n(?:    .*\n)+", (ROOT / "README.md").read_text())
    assert lines
    source = template(**OPTIONS)
    source.document["Resources"]["Api"]["Properties"] |= yaml_parse(textwrap.dedent(lines[0]))
    return source


def test_browsers_may_send_and_read_each_header_of_the_api_with_the_lines_of_the_readme() -> None:
    """The gateway answers OPTIONS by itself, also where each route wants a JWT; a route of its own would want one too.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
    """
    body = translate(with_jwt())["Resources"]["Api"]["Properties"]["Body"]
    cors = body["x-amazon-apigateway-cors"]
    methods = {method for operations in body["paths"].values() for method in operations}
    assert "options" not in methods
    assert "x-amazon-apigateway-any-method" not in methods
    assert {method.upper() for method in methods} == set(cors["allowMethods"])
    assert cors["allowOrigins"] == ["https://app.example.org"], "a name to be replaced, and not everybody"
    assert "allowCredentials" not in cors, "a JWT is no cookie"
    sent, told = headers_of(json.loads((ROOT / "events/schemas/openapi.json").read_text()))
    assert set(cors["allowHeaders"]) == sent | {"authorization", "content-type"}
    assert set(cors["exposeHeaders"]) == told - {"cache-control"}, "which every browser shows"


def headers_of(document: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Return the headers that the callers' operations take, and those that they answer with, in lower case."""

    def of(value: dict[str, Any]) -> dict[str, Any]:
        if "$ref" not in value:
            return value
        return functools.reduce(lambda at, name: at[name], value["$ref"].split("/")[1:], document)

    operations = [one for path, methods in document["paths"].items() if path != "/webhook" for one in methods.values()]
    parameters = [of(one) for operation in operations for one in operation.get("parameters", [])]
    answers = [of(one) for operation in operations for one in operation["responses"].values()]
    return (
        {one["name"].lower() for one in parameters if one["in"] == "header"},
        {name.lower() for answer in answers for name in answer.get("headers", {})},
    )


def test_g9_the_lines_of_the_readme_have_callers_come_with_a_jwt() -> None:
    source = with_jwt()
    paths = translate(source)["Resources"]["Api"]["Properties"]["Body"]
    (name,) = paths["components"]["securitySchemes"]
    scheme = paths["components"]["securitySchemes"][name]["x-amazon-apigateway-authorizer"]
    assert scheme["type"] == "jwt"
    assert scheme["jwtConfiguration"]["issuer"].startswith("https://")
    secured = [method["security"] for methods in paths["paths"].values() for method in methods.values()]
    assert len(secured) == 6
    assert all(list(one) == [name] for (one,) in secured)
    assert lint(json.dumps(translate(source)), regions=["us-east-1"]) == []


@pytest.mark.parametrize(("api", "path"), [("Api", "/runs"), ("WebhookApi", "/webhook")])
def test_events_come_in_the_format_that_the_code_reads(api: str, path: str) -> None:
    integration = operation(api, path)["x-amazon-apigateway-integration"]
    assert (integration["type"], integration["payloadFormatVersion"]) == ("aws_proxy", "2.0")


@pytest.mark.parametrize("api", ["Api", "WebhookApi"])
def test_an_api_has_the_routes_of_the_template_and_no_default(api: str) -> None:
    paths = translated("defaults")["Resources"][api]["Properties"]["Body"]["paths"]
    routes = {route for function in FUNCTIONS for route in function.routes if route.api == api}
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == {
        (route.method, route.path) for route in routes
    }


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_functions_run_on_the_python_that_is_tested(function: Function) -> None:
    properties = translated("defaults")["Resources"][function.name]["Properties"]
    assert properties["Runtime"] == "python3.13"
    assert "AWS_ENDPOINT_URL" not in template().resolve(properties["Environment"]["Variables"])


@pytest.mark.parametrize("function", [function for function in FUNCTIONS if function.every_seconds], ids=named)
def test_g1_what_is_scheduled_runs_every_minute_and_is_never_retried(function: Function) -> None:
    """The next minute is the retry; one that comes late would only stand in its way."""
    resources = translated("defaults")["Resources"].values()
    (schedule,) = [r["Properties"] for r in resources if r["Type"] == "AWS::Scheduler::Schedule"]
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule.get("State", "ENABLED") == "ENABLED"
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": [function.name, "Arn"]}
    assert schedule["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    (invoked,) = [r["Properties"] for r in resources if r["Type"] == "AWS::Lambda::EventInvokeConfig"]
    assert invoked["FunctionName"] == {"Ref": function.name}
    assert invoked["MaximumRetryAttempts"] == 0


def test_g1_something_is_scheduled() -> None:
    assert [function.name for function in FUNCTIONS if function.every_seconds] == ["SweepFunction"]


def test_g8_the_worker_sees_each_write_that_is_an_event_or_to_be_settled_and_no_other() -> None:
    (source,) = [function.source for function in FUNCTIONS if function.source]
    outcomes: tuple[Outcome, ...] = get_args(Outcome)

    def seen(**attributes: Any) -> list[Any]:
        image = {"run_id": {"S": "a-run"}, **attributes}
        written_at = datetime.fromtimestamp(0, UTC)
        return batches(source, [{"dynamodb": {"NewImage": image, "ApproximateCreationDateTime": written_at}}])

    for outcome in outcomes:
        update = Update(key={"run_id": "a-run"}, when=(), set={"outcome": outcome}, add=event(outcome))
        written = {
            name.removeprefix(":"): value for name, value in request(update)["ExpressionAttributeValues"].items()
        }
        assert ("unpublished" in written) == is_published(outcome)
        assert bool(seen(**written)) == (is_published(outcome) or outcome in ("settling", "unconfirmed"))
        assert bool(seen(outcome={"S": outcome})) == (outcome in ("settling", "unconfirmed"))


def test_g8_the_streams_filter_matches_texts_alone_for_aws_documents_no_filter_on_a_set() -> None:
    (source,) = [function.source for function in FUNCTIONS if function.source]
    types = [kind for pattern in source.patterns for kind in pattern["dynamodb"]["NewImage"].values()]
    assert [list(kind) for kind in types] == [["S"], ["S"]]
    assert not matches({"unpublished": {"SS": ["failed"]}}, {"unpublished": {"SS": ["failed"]}}), "nor the local one"


def mapping_of(source: str, *, variant: str = "defaults") -> dict[str, Any]:
    """Return how Lambda brings a function what comes from a table or queue."""
    resources = translated(variant)["Resources"].values()
    found = [r["Properties"] for r in resources if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    (mapping,) = [mapping for mapping in found if mapping["EventSourceArn"]["Fn::GetAtt"][0] == source]
    return dict(mapping)


def test_g1_a_message_comes_alone_and_comes_again_when_nobody_is_at_work_on_it() -> None:
    mapping = mapping_of("LaunchQueue")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 1
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "LaunchQueueConcurrency"}}
    queue = TEMPLATE.resources("AWS::SQS::Queue")["LaunchQueue"]
    (launch,) = [function for function in TEMPLATE.functions() if function.name == "LaunchFunction"]
    assert queue["VisibilityTimeout"] >= 6 * launch.timeout  # AWS's advice
    assert queue["VisibilityTimeout"] > LEASE_SECONDS
    waits = itertools.accumulate(wait_seconds("any", receives) for receives in itertools.count(1))
    receives = 1 + sum(1 for _ in itertools.takewhile(lambda waited: waited < TRY_SECONDS, waits))
    assert receives < queue["RedrivePolicy"]["maxReceiveCount"] / 2
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == "LaunchDeadLetterQueue.Arn"


def test_g1_a_message_of_the_work_queue_comes_again_before_its_ticket_ends() -> None:
    mapping = mapping_of("WorkQueue")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 10
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "WorkerConcurrency"}}
    queue = TEMPLATE.resources("AWS::SQS::Queue")["WorkQueue"]
    (worker,) = [function for function in TEMPLATE.functions() if function.name == "WorkerFunction"]
    assert queue["VisibilityTimeout"] >= 6 * worker.timeout  # AWS's advice
    assert queue["VisibilityTimeout"] < TICKET_SECONDS < queue["MessageRetentionPeriod"]
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": "WorkDeadLetterQueue.Arn", "maxReceiveCount": 3}


def test_g9_rules_of_this_account_may_send_to_the_launch_queue_and_nobody_else() -> None:
    (policy,) = TEMPLATE.resources("AWS::SQS::QueuePolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert policy["Queues"] == ["LaunchQueue"]
    assert statement["Principal"] == {"Service": "events.amazonaws.com"}
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == "LaunchQueue.Arn"
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_g8_a_record_is_given_up_in_the_end_and_holds_up_a_part_of_its_shard_alone() -> None:
    mapping = mapping_of("RunsTable")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BisectBatchOnFunctionError"] is True
    assert 0 < mapping["MaximumRetryAttempts"] <= 100
    assert 60 < mapping["MaximumRecordAgeInSeconds"] <= 600
    assert mapping["ParallelizationFactor"] > 1
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": ["RunsTable", "StreamArn"]}
    assert mapping["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["WorkDeadLetterQueue", "Arn"]}


def test_g7_the_key_ring_is_rotated_by_its_function_on_a_schedule() -> None:
    resources = translated("defaults")["Resources"]
    (schedule,) = [r for r in resources.values() if r["Type"] == "AWS::SecretsManager::RotationSchedule"]
    assert schedule["Properties"] == {
        "SecretId": {"Ref": "KeyRingSecret"},
        "RotationLambdaARN": {"Fn::GetAtt": ["RotateFunction", "Arn"]},
        "RotateImmediatelyOnUpdate": False,
        "RotationRules": {"AutomaticallyAfterDays": {"Ref": "KeyRotationDays"}},
    }
    waits_for = resources[schedule["DependsOn"]]
    assert (waits_for["Type"], waits_for["Properties"]["FunctionName"]) == (
        "AWS::Lambda::Permission",
        {"Fn::GetAtt": ["RotateFunction", "Arn"]},
    )


@pytest.mark.parametrize(("days", "is_rotated"), [("0", False), ("1", True), ("30", True)])
def test_g7_no_days_are_no_schedule(days: str, *, is_rotated: bool) -> None:
    resource = template().document["Resources"]["KeyRotationSchedule"]
    assert template(KeyRotationDays=days).resolve({"Condition": resource["Condition"]}) is is_rotated


def test_g7_a_key_is_kept_as_long_as_launch_and_worker_sign_tokens_for() -> None:
    given = {f.name: f.environment.get("MAX_RUN_SECONDS") for f in template(MaxRunSeconds="4711").functions()}
    assert given["RotateFunction"] == given["LaunchFunction"] == given["WorkerFunction"] == "4711"
