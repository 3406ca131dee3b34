"""What the functions need of template.yaml is there, and what is there they need."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools.shared import constants

from tests.contract.source import (
    FUNCTIONS,
    OPTIONS,
    TEMPLATE,
    calls,
    modules,
    named,
    reached,
    template,
    text_argument,
)

if TYPE_CHECKING:
    from local.template import Function

POWERTOOLS = {"POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME", "POWERTOOLS_LOG_LEVEL"}


STATES = (
    "oldest_due",
    "IteratorAge",
    "waiting",
    "ApproximateNumberOfMessagesVisible",
    "ApproximateAgeOfOldestMessage",
)  # metrics that say how it is, not what happened
LATE = {
    "oldest_due": (600, 2),
    "waiting": (900, 1),
    "ApproximateAgeOfOldestMessage": (900, 1),
    "IteratorAge": (300_000, 1),
}  # seconds, and how often one after the other
KINDS = {"count": "Sum", "gauge": "Maximum"}
WATCHED = {
    "launch": {
        "failed",
        "misconfigured",
        "unrecorded",
        "waiting",
        "dead_letter",
        "stale_secret",
        "forged",
        "unconfirmed",
    },
    "webhook": {"failed", "dropped", "contradicted", "conflict", "unknown_status", "stale_secret"},
    "query": {"failed"},
    "rotate": {"failed"},
    "sweep": {"failed", "oldest_due", "work_queue_full"},
    "worker": {
        "failed",
        "stale_secret",
        "stuck",
        "launch_refused",
        "unrecorded",
        "doubled",
        "recovered",
        "lost",
        "langgraph_forgets",
        "misconfigured",
        "deployment_without_key",
        "result_too_large",
        "oversized",
        "overdue",
        "forged",
        "unconfirmed",
        "corrected",
        "unreadable",
    },
}


def alarms(namespace: str) -> list[dict[str, Any]]:
    return [a for a in TEMPLATE.resources("AWS::CloudWatch::Alarm").values() if a.get("Namespace") == namespace]


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_the_handler_imports_to_a_callable_with_what_the_template_sets(function: Function) -> None:
    module, name = function.handler.rsplit(".", 1)
    code = f"import importlib; print(callable(getattr(importlib.import_module({module!r}), {name!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(map(str, function.code)),
            "AWS_DEFAULT_REGION": "us-east-1",  # Lambda's own
            **function.environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_a_function_has_the_settings_that_its_code_reads_and_no_others(function: Function) -> None:
    read = {text_argument(call) for _, call in calls(reached(function), "settings")}
    assert read
    assert set(function.environment) == read | POWERTOOLS


def test_settings_are_read_in_one_module_alone() -> None:
    """Else the test above looks in the wrong place."""
    readers = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        and getattr(node, "attr", getattr(node, "id", getattr(node, "name", ""))) in {"environ", "getenv"}
    }
    assert readers == {"runledger.adapters.settings"}


def test_powertools_knows_the_names_that_are_its_own() -> None:
    assert {value for value in vars(constants).values() if isinstance(value, str)} >= POWERTOOLS


def test_sam_local_may_pass_the_endpoint_on_and_aws_never_gets_one() -> None:
    """`sam local` drops what `--env-vars` sets unless the template names it."""
    variables = TEMPLATE.document["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["AWS_ENDPOINT_URL"] == {"Ref": "AWS::NoValue"}


def test_each_function_has_a_service_name_of_its_own() -> None:
    names = [function.environment["POWERTOOLS_SERVICE_NAME"] for function in FUNCTIONS]
    assert len(set(names)) == len(FUNCTIONS)


@pytest.mark.parametrize("function", FUNCTIONS, ids=named)
def test_alarms_watch_metrics_that_the_function_counts(function: Function) -> None:
    """Metrics that exist, under the names and dimensions that Powertools writes."""
    told = [(method, text_argument(call)) for method, call in calls(reached(function), "telemetry") if method in KINDS]
    counted = {name for _, name in told}
    service = {"Name": "service", "Value": function.environment["POWERTOOLS_SERVICE_NAME"]}
    watched = [a for a in alarms(function.environment["POWERTOOLS_METRICS_NAMESPACE"]) if service in a["Dimensions"]]
    assert "failed" in {alarm["MetricName"] for alarm in watched}
    assert {alarm["MetricName"] for alarm in watched} <= counted
    assert all(alarm["Dimensions"] == [service] for alarm in watched)
    for alarm in watched:
        assert {KINDS[method] for method, name in told if name == alarm["MetricName"]} == {alarm["Statistic"]}


def test_every_alarm_is_some_functions() -> None:
    ours = alarms("Runledger/local")
    assert {a["Dimensions"][0]["Value"] for a in ours} <= {f.environment["POWERTOOLS_SERVICE_NAME"] for f in FUNCTIONS}
    lambdas = alarms("AWS/Lambda")
    for metric in ("Errors", "Throttles"):
        watched = {a["Dimensions"][0]["Value"] for a in lambdas if a["MetricName"] == metric}
        assert watched == {f.name for f in FUNCTIONS}
    streamed = {a["Dimensions"][0]["Value"] for a in lambdas if a["MetricName"] == "IteratorAge"}
    assert streamed == {f.name for f in FUNCTIONS if any(e["Type"] == "DynamoDB" for e in events_of(f.name))}
    doors = {(a["MetricName"], *a["Dimensions"][0].values()) for a in alarms("AWS/ApiGateway")}
    assert doors == {("5xx", "ApiId", name) for name in TEMPLATE.resources("AWS::Serverless::HttpApi")}
    queues = {alarm["Dimensions"][0]["Value"].removesuffix(".QueueName") for alarm in alarms("AWS/SQS")}
    assert queues == set(TEMPLATE.resources("AWS::SQS::Queue"))
    counted = len(ours) + len(lambdas) + len(doors) + len(queues) + 1  # that of the rate of failures
    assert counted == len(TEMPLATE.resources("AWS::CloudWatch::Alarm"))


def events_of(function: str) -> list[dict[str, Any]]:
    return list(TEMPLATE.resources("AWS::Serverless::Function")[function].get("Events", {}).values())


def test_runs_that_fail_raise_an_alarm_by_their_rate_and_not_one_by_one() -> None:
    alarm = template(FailedRunsPercent="40").resources("AWS::CloudWatch::Alarm")["FailedRunsAlarm"]
    rate, failed, ended = alarm["Metrics"]
    assert rate["Expression"] == "IF(ended >= 5, 100 * failed, 0)"
    assert [one["Id"] for one in alarm["Metrics"] if one["ReturnData"]] == ["rate"]
    assert (failed["MetricStat"]["Stat"], ended["MetricStat"]["Stat"]) == ("Average", "SampleCount")
    for one in (failed, ended):
        watched = one["MetricStat"]["Metric"]
        assert (watched["Namespace"], watched["MetricName"]) == ("Runledger/local", "failed_runs")
        assert watched["Dimensions"] == [{"Name": "service", "Value": "ledger"}]
    assert str(alarm["Threshold"]) == "40"
    assert (alarm["ComparisonOperator"], alarm["TreatMissingData"]) == ("GreaterThanOrEqualToThreshold", "notBreaching")


def test_every_metric_that_needs_a_person_has_one_alarm() -> None:
    watched = sorted((a["Dimensions"][0]["Value"], a["MetricName"]) for a in alarms("Runledger/local"))
    assert watched == sorted((service, name) for service, names in WATCHED.items() for name in names)


def test_an_alarm_is_raised_by_the_first_of_its_kind_and_told_to_the_topic() -> None:
    """But for what is tried again by itself, and for a silence that is the fault itself."""
    for alarm in template(**OPTIONS).resources("AWS::CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [OPTIONS["AlarmTopicArn"]]
        if "Metrics" in alarm:  # a rate
            continue
        name = alarm["MetricName"]
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["Statistic"] == ("Maximum" if name in STATES else "Sum")
        assert alarm["TreatMissingData"] == ("breaching" if name == "oldest_due" else "notBreaching")
        assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == LATE.get(name, (1, 1))
