"""API Gateway events in, answers out; every fault becomes one of the answers that LangGraph and callers know."""

from __future__ import annotations

import base64
import io
import json
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Metrics
from hypothesis import given
from hypothesis import strategies as st

from runledger import telemetry
from runledger.adapters.gateway import Answer, Request, serve
from runledger.domain.problems import FieldError, Problem, invalid_request, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "k0.6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10.1795930000.MAC"
EVENT = {
    "version": "2.0",
    "routeKey": "POST /webhook",
    "rawPath": "/prod/webhook",
    "rawQueryString": f"token={SECRET}",
    "headers": {"Content-Type": "application/json", "IDEMPOTENCY-KEY": "a", "x-lower": "b"},
    "body": '{"a": "é"}',
    "requestContext": {"http": {"sourceIp": "203.0.113.7"}},
    "isBase64Encoded": False,
}
CONTEXT: Any = SimpleNamespace(aws_request_id="request-1", get_remaining_time_in_millis=lambda: 28_000)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged; metrics get the namespace that template.yaml gives them."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Runledger/unit")
    monkeypatch.setattr(telemetry, "metrics", Metrics(namespace="Runledger/unit", service="unit"))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(telemetry.logger.registered_formatter)
    telemetry.logger.addHandler(handler)
    yield stream
    logging.getLogger(telemetry.logger.name).removeHandler(handler)


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[float, dict[str, str]]]:
    """Return each metric that was written, by name or name and reason, with its dimensions."""
    found = {}
    for line in capsys.readouterr().out.splitlines():
        written = json.loads(line)
        for group in written.get("_aws", {}).get("CloudWatchMetrics", []):
            dimensions = {name: written[name] for name in group["Dimensions"][0]}
            for metric in group["Metrics"]:
                name = "/".join([metric["Name"], *([dimensions["reason"]] if "reason" in dimensions else [])])
                value = written[metric["Name"]]
                found[name] = (sum(value) if isinstance(value, list) else value, dimensions)
    return found


def request_of(**changes: Any) -> Request:
    seen: list[Request] = []

    def handle(http: Request) -> Answer:
        seen.append(http)
        return Answer(200, {})

    assert serve({**EVENT, **changes}, CONTEXT, handle)["statusCode"] == 200
    return seen[0]


def raising(fault: Exception) -> Callable[[Request], Answer]:
    def handle(_: Request) -> Answer:
        raise fault

    return handle


def test_an_event_becomes_a_request() -> None:
    http = request_of()
    assert (http.route, http.path, http.query) == ("POST /webhook", "/prod/webhook", f"token={SECRET}")
    assert http.parameters == {}
    assert request_of(pathParameters={"run_id": "1"}).parameters == {"run_id": "1"}
    assert http.headers == {"content-type": "application/json", "idempotency-key": "a", "x-lower": "b"}
    assert http.content() == '{"a": "é"}'.encode()


def test_an_event_without_query_headers_and_body_is_one_too() -> None:
    http = request_of(rawQueryString="", headers=None, body=None)
    assert (http.query, http.headers, http.content()) == ("", {}, b"")


def test_g5_a_requests_repr_shows_neither_query_nor_headers_nor_body() -> None:
    shown = repr(request_of(headers={"x-api-key": SECRET}, body=SECRET))
    assert SECRET not in shown
    assert "/prod/webhook" in shown


@given(st.binary())
def test_g3_a_base64_body_is_its_bytes(body: bytes) -> None:
    assert replace(request_of(), body=base64.b64encode(body).decode(), is_base64=True).content() == body


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [("e30", True), ("{}", True), ("e30=\n", True), ("e3*0", True), ("é", True), ("\ud800", True), ("\ud800", False)],
)
def test_a_body_that_is_neither_text_nor_base64_is_a_400(body: str, *, is_base64: bool) -> None:
    with pytest.raises(Problem) as caught:
        replace(request_of(), body=body, is_base64=is_base64).content()
    assert (caught.value.status, caught.value.errors[0].pointer) == (400, "")


def test_an_answer_becomes_json_that_nobody_caches() -> None:
    answer = serve(EVENT, CONTEXT, lambda _: Answer(202, {"outcome": "é"}, {"Location": "/runs/1"}))
    assert answer["statusCode"] == 202
    assert answer["headers"] == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "Location": "/runs/1",
    }
    assert json.loads(answer["body"]) == {"outcome": "é"}


@pytest.mark.parametrize("text", ['{"sum": 0.30000000000000004, "one": 1.0, "large": 9223372036854775808}', "[]"])
def test_g3_json_text_is_sent_as_it_is(text: str) -> None:
    answer = serve(EVENT, CONTEXT, lambda _: Answer(200, text, {"Cache-Control": "private, no-cache"}))
    assert answer["body"] == text
    assert answer["headers"] == {"Content-Type": "application/json", "Cache-Control": "private, no-cache"}


def test_an_answer_without_a_body_has_no_type() -> None:
    answer = serve(EVENT, CONTEXT, lambda _: Answer(304, None, {"ETag": '"a"'}))
    assert answer == {"statusCode": 304, "headers": {"Cache-Control": "no-store", "ETag": '"a"'}}


def test_a_bad_query_parameter_is_named_as_one(logged: io.StringIO) -> None:
    problem = invalid_request(FieldError("limit", "too large", is_parameter=True))
    answer = serve(EVENT, CONTEXT, raising(problem))
    assert json.loads(answer["body"])["errors"] == [{"parameter": "limit", "detail": "too large"}]
    assert "limit: too large" in logged.getvalue()


def test_a_callers_fault_is_answered_as_a_problem_and_counted_by_reason(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = serve(EVENT, CONTEXT, raising(invalid_request(FieldError("/input", "missing"))))
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (400, "application/problem+json")
    assert json.loads(answer["body"])["errors"] == [{"pointer": "/input", "detail": "missing"}]
    metrics = counted(capsys)
    assert {name: value for name, (value, _) in metrics.items()} == {"refused": 1, "refused/invalid-request": 1}
    assert metrics["refused/invalid-request"][1] == {"service": telemetry.logger.service, "reason": "invalid-request"}
    line = json.loads(logged.getvalue())
    assert (line["level"], line["reason"], line["request_id"]) == ("WARNING", "invalid-request", "request-1")


def test_g6_a_fault_of_ours_is_answered_5xx_with_when_to_repeat_and_counted(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = serve(EVENT, CONTEXT, raising(unavailable("The ledger can't be written (X).", 7)))
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "7")
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert counted(capsys) == {"failed": (1, {"service": "unit"})}
    assert json.loads(logged.getvalue())["level"] == "ERROR"


def test_a_5xx_that_is_a_refusal_raises_no_alarm(logged: io.StringIO, capsys: pytest.CaptureFixture[str]) -> None:
    problem = unavailable("The token's key is not known here yet.")
    problem.slug, problem.refusal = "token-unknown-key", True
    assert serve(EVENT, CONTEXT, raising(problem))["statusCode"] == 503
    assert set(counted(capsys)) == {"refused", "refused/token-unknown-key"}
    assert json.loads(logged.getvalue())["level"] == "WARNING"


@pytest.mark.parametrize(
    ("event", "fault"),
    [(EVENT, KeyError("payload_sha256")), (EVENT, RecursionError()), ({"body": SECRET}, ValueError("never reached"))],
)
def test_g6_what_nobody_foresaw_is_a_500_that_is_logged_and_counted(
    event: dict[str, Any], fault: Exception, logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = serve(event, CONTEXT, raising(fault))
    assert (answer["statusCode"], answer["headers"]["Content-Type"]) == (500, "application/problem+json")
    assert json.loads(answer["body"])["type"] == "urn:runledger:internal"
    assert counted(capsys) == {"failed": (1, {"service": "unit"})}
    line = json.loads(logged.getvalue())
    assert (line["message"], line["request_id"]) == ("unforeseen fault", "request-1")
    assert "Traceback" in line["exception"]
    assert SECRET not in logged.getvalue() + json.dumps(answer)


def test_log_lines_carry_their_ids_and_the_next_invocation_starts_clean(logged: io.StringIO) -> None:
    def handle(_: Request) -> Answer:
        telemetry.about(run_id="R")
        telemetry.about(launch_id="L", run_id=None)
        telemetry.logger.info("delivered")
        return Answer(200, {})

    serve(EVENT, CONTEXT, handle)
    serve(EVENT, CONTEXT, raising(invalid_request()))
    first, second = (json.loads(line) for line in logged.getvalue().splitlines())
    assert (first["launch_id"], first["run_id"]) == ("L", "R")
    assert not {"launch_id", "run_id"} & set(second)


def test_an_invocation_that_counts_nothing_writes_no_metric(
    logged: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    serve(EVENT, CONTEXT, lambda _: Answer(200, {}))
    assert counted(capsys) == {}
    assert not logged.getvalue()
