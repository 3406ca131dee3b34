"""events/ holds one real event for each trigger: API Gateway's routes, schedule, stream, queue and rotation."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any
from urllib.parse import parse_qsl

import pytest

from local import event, queue
from local.stream import matches
from local.template import ROOT
from runledger.adapters import stream
from runledger.domain.answers import parse_answer
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.launches import parse_launch
from runledger.domain.listings import parse_listing
from runledger.domain.messages import parse_message
from runledger.domain.tickets import parse_ticket
from tests.contract.source import FUNCTIONS

NOT_HTTP = {"launch-message", "work-message", "stream", "sweep", "rotate"}
EVENTS = sorted({path.stem for path in (ROOT / "events").glob("*.json")} - NOT_HTTP)
ROUTES = {f"{route.method} {route.path}" for function in FUNCTIONS for route in function.routes}
ALWAYS = {
    *("version", "routeKey", "rawPath", "rawQueryString", "headers", "requestContext"),
    "isBase64Encoded",
}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return found


def test_every_route_has_an_event() -> None:
    assert {read(name)["routeKey"] for name in EVENTS} == ROUTES


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_is_whole_and_agrees_with_itself(name: str) -> None:
    sent = read(name)
    context = sent["requestContext"]
    method = context["http"]["method"]
    assert set(sent) - {"queryStringParameters", "pathParameters"} == ALWAYS | ({"body"} if method == "POST" else set())
    assert sent["version"] == "2.0"
    assert sent["routeKey"] == context["routeKey"]
    assert sent["routeKey"].format(**sent.get("pathParameters", {})) == f"{method} {sent['rawPath']}"
    assert sent["rawPath"] == context["http"]["path"]
    assert dict(parse_qsl(sent["rawQueryString"])) == sent.get("queryStringParameters", {})
    assert int(sent["headers"].get("content-length", 0)) == len(sent.get("body", "").encode())
    assert all(header == header.lower() for header in sent["headers"])
    assert sent["headers"]["host"] == context["domainName"]
    assert ("authorizer" in context) == (name != "webhook")


def test_every_schedule_has_an_event() -> None:
    (scheduled,) = [function for function in FUNCTIONS if function.every_seconds]
    sent = read("sweep")
    assert (sent["source"], sent["detail-type"], sent["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")
    assert f"-{scheduled.name}EveryMinute-" in sent["resources"][0]


def test_every_stream_has_an_event() -> None:
    (source,) = [function.source for function in FUNCTIONS if function.source]
    (record,) = read("stream")["Records"]
    assert any(matches(pattern, record) for pattern in source.patterns)
    change = stream.read(record)
    delivery = parse_delivery(read("webhook")["body"].encode(), event.PLACEHOLDER)
    assert isinstance(delivery, Delivery)
    assert (change.run["run_id"], change.run["payload"]) == (delivery.run_id, delivery.payload.text)
    assert change.run["outcome"] == "settling"


def test_the_rotation_has_an_event() -> None:
    """Its first step, as Secrets Manager sends it; `make event EVENT=rotate` fills in the running stack's secret."""
    sent = read("rotate")
    assert set(sent) == {"Step", "SecretId", "ClientRequestToken"}
    assert sent["Step"] == "createSecret"
    assert sent["SecretId"].startswith("arn:aws:secretsmanager:us-east-1:123456789012:secret:KeyRingSecret-")
    assert str(uuid.UUID(sent["ClientRequestToken"])) == sent["ClientRequestToken"]


@pytest.mark.parametrize(("name", "streamed"), [("launch", False), ("launch-stream", True)])
def test_a_launch_event_is_a_launch_of_the_example_graph(name: str, *, streamed: bool) -> None:
    request = parse_launch(read(name)["body"].encode())
    assert (request.assistant_id, request.stream) == ("agent", streamed)
    assert request.options["input"] == {"task": "answer"}


def test_the_webhook_event_is_a_delivery_of_a_launch() -> None:
    sent = read("webhook")
    assert sent["queryStringParameters"] == {"token": event.PLACEHOLDER}
    assert sent["rawQueryString"] == f"token={event.PLACEHOLDER}"
    delivery = parse_delivery(sent["body"].encode(), event.PLACEHOLDER)
    assert isinstance(delivery, Delivery)
    assert (delivery.status, delivery.outcome) == ("success", "settling")
    assert event.PLACEHOLDER not in delivery.payload.text


def test_the_answer_event_is_one_to_a_single_question() -> None:
    answer = parse_answer(read("resume")["body"].encode(), '[{"id": "i", "value": "Shall I?"}]')
    assert answer.options == {"command": {"resume": {"i": "yes"}}}


def test_the_events_about_a_run_are_about_the_run_of_the_webhook_event() -> None:
    run = json.loads(read("webhook")["body"])
    assert read("get-run")["pathParameters"] == {"run_id": run["run_id"]}
    assert read("resume")["pathParameters"] == {"run_id": run["run_id"]}
    assert read("cancel")["pathParameters"] == {"run_id": run["run_id"]}
    assert read("get-launch")["pathParameters"] == {"launch_id": run["metadata"]["launch_id"]}
    assert parse_listing(read("list-runs")["rawQueryString"]).value == run["thread_id"]


def test_every_queue_has_an_event() -> None:
    for name, queue_name in (("launch-message", "LaunchQueue"), ("work-message", "WorkQueue")):
        (sent,) = read(name)["Records"]
        asked_for = {"MessageId": sent["messageId"], "ReceiptHandle": sent["receiptHandle"], "Body": sent["body"]}
        md5 = hashlib.md5(sent["body"].encode()).hexdigest()
        told = {**asked_for, "MD5OfBody": md5, "Attributes": sent["attributes"]}
        assert queue.record(told, sent["eventSourceARN"]) == sent  # what the local stack sends
        assert sent["eventSourceARN"].endswith(queue_name)
    assert {function.messages.queue for function in FUNCTIONS if function.messages} == {"LaunchQueue", "WorkQueue"}
    ticket = parse_ticket(sent["body"])
    assert (ticket.key, ticket.item_id) == ("run_id", stream.read(read("stream")["Records"][0]).run["run_id"])
    (sent,) = read("launch-message")["Records"]
    key, request = parse_message(sent["body"], sent["messageId"])
    assert (key, request.assistant_id) == ("nightly-2026-11-22", "agent")
