"""The running stack does as events/schemas/openapi.json says, whatever it is sent: Schemathesis makes the requests."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from local import resources
from local.openapi.document import FILE
from local.openapi.requests import event
from runledger.domain.tokens import KeyRing, sign
from tests.contract.beyond import BEYOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from schemathesis import APIOperation, Case

    from tests.e2e.client import Ledger

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
EXAMPLES = settings(
    max_examples=20,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],  # a failure is told as it came: each try to make it smaller would be a launch
    suppress_health_check=list(HealthCheck),
)
# Left out: ignored_auth, because nobody looks at signatures here (tokens have tests of their own); unsupported_method,
# because an HTTP API has no 405; use_after_free and ensure_resource_availability, because nothing can be deleted.
HELD = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    positive_data_acceptance,
]


def loaded() -> dict[str, APIOperation[Any, Any, Any, Any]]:
    """Return the operations of the document by route."""
    document = json.loads(FILE.read_text())
    schema = schemathesis.openapi.from_dict(document)
    schema.config.generation.with_security_parameters = False  # see above
    accepted = schema.config.checks.positive_data_acceptance
    accepted.expected_statuses = [*accepted.expected_statuses, "422"]  # LangGraph's own verdict; ours would be a 400
    return {
        f"{method.upper()} {path}": schema[path][method.upper()]
        for path, methods in document["paths"].items()
        for method in methods
    }


OPERATIONS = loaded()


def sent(
    ledger: Ledger,
    route: str,
    mode: GenerationMode,
    change: Callable[[Case[Any]], None] | None = None,
    params: dict[str, str] | None = None,
    **given_parts: Any,
) -> Counter[int]:
    """Make requests, `given_parts` as they are given, and look at each answer; return how often each status came."""
    stack = ledger.stack
    url = stack.webhook_url.removesuffix("/webhook") if route == "POST /webhook" else stack.apis["Api"].url
    seen: Counter[int] = Counter()

    @EXAMPLES
    @given(case=OPERATIONS[route].as_strategy(mode, **given_parts))
    def holds(case: Case[Any]) -> None:
        if mode is POSITIVE and route in ("POST /runs", "POST /runs/{run_id}/resume"):
            assume(not any(rule(case.body) for rule in BEYOND))
        if change:
            change(case)
        answer = case.call_and_validate(url, checks=HELD, params=params)
        seen[answer.status_code] += 1

    holds()
    return seen


@pytest.fixture(autouse=True, scope="module")
def _leave_nothing_to_do(ledger: Ledger) -> Iterator[None]:
    """Take away runs that LangGraph never had or begins in days: other tests look at what all is due."""
    table = ledger.stack.table("RunsTable")
    before = {run["run_id"] for run in resources.scan(table)}
    yield
    for run in resources.scan(table):
        if run["run_id"] not in before and run["outcome"] in ("pending", "settling"):
            table.delete_item(Key={"run_id": run["run_id"]})


def one_of_the_two(case: Case[Any]) -> None:
    """Send one of the two parameters of which just one is to be sent, and no cursor: OpenAPI can't say that."""
    case.query.pop("cursor", None)
    if "thread_id" in case.query:
        case.query.pop("outcome", None)
    else:
        case.query.setdefault("outcome", "failed")


def of_the_example(case: Case[Any]) -> None:
    """Make of a launch one of the example graph, on a thread of its own."""
    left = {name: value for name, value in _body(case).items() if name not in ("thread_id", "checkpoint_id", "command")}
    case.body = {"input": {"task": "answer"}, **left, "assistant_id": "agent"}


def with_an_answer(case: Case[Any]) -> None:
    """Answer: whether a run asks something is not for a schema to say."""
    case.body = {"resume": "yes", **_body(case)}


def _body(case: Case[Any]) -> dict[str, Any]:
    assert isinstance(case.body, dict)
    return dict(case.body)


@pytest.mark.parametrize("mode", [POSITIVE, NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("route", OPERATIONS)
def test_whatever_is_sent_is_answered_as_described(ledger: Ledger, route: str, mode: GenerationMode) -> None:
    """About ids that name nothing, and with no token."""
    change = one_of_the_two if (route, mode) == ("GET /runs", POSITIVE) else None
    seen = sent(ledger, route, mode, change)
    if "_id}" in route:
        assert set(seen) == {404}
    elif route == "POST /webhook":
        assert set(seen) == {401}
    elif mode is NEGATIVE:
        assert seen[400]  # one that is negative in headers of no meaning is taken
    else:
        assert seen[200] + seen[202] + seen[422]


def test_whatever_can_be_launched_is_launched(ledger: Ledger) -> None:
    assert sent(ledger, "POST /runs", POSITIVE, of_the_example)[202] > 5


def test_a_key_is_good_for_one_body(ledger: Ledger) -> None:
    seen = sent(ledger, "POST /runs", POSITIVE, of_the_example, headers={"Idempotency-Key": str(uuid.uuid4())})
    assert seen[409] > 5


def test_what_is_in_the_ledger_is_shown(ledger: Ledger) -> None:
    waits, over = ledger.launch(input={"task": "ask"}), ledger.launch(input={"task": "fail"})
    for launched in (waits, over):
        ledger.told(launched["run_id"])
        for route, name in (("GET /runs/{run_id}", "run_id"), ("GET /launches/{launch_id}", "launch_id")):
            assert set(sent(ledger, route, POSITIVE, path_parameters={name: launched[name]})) <= {200, 304}
    seen = sent(ledger, "GET /runs", POSITIVE, one_of_the_two, query={"thread_id": over["thread_id"]})
    assert set(seen) <= {200, 304}


def test_a_run_is_answered_once(ledger: Ledger) -> None:
    route = "POST /runs/{run_id}/resume"
    assert sent(ledger, route, NEGATIVE, path_parameters={"run_id": waiting(ledger)})[400] > 5
    seen = sent(ledger, route, POSITIVE, with_an_answer, path_parameters={"run_id": waiting(ledger)})
    assert set(seen) == {202, 409}


def test_a_run_is_cancelled_if_it_is_not_over(ledger: Ledger) -> None:
    later = ledger.launch(input={"task": "answer"}, after_seconds=3600)["run_id"]
    over = ledger.launch(input={"task": "fail"})["run_id"]
    assert ledger.told(over)["outcome"] == "failed"
    for run_id, status in ((waiting(ledger), 202), (later, 202), (later, 202), (over, 409)):
        assert sent(ledger, "POST /runs/{run_id}/cancel", POSITIVE, path_parameters={"run_id": run_id}) == {status: 1}


def waiting(ledger: Ledger) -> str:
    """Launch a run that asks something; return its id."""
    run_id: str = ledger.launch(input={"task": "ask"})["run_id"]
    assert ledger.told(run_id)["outcome"] == "awaiting_input"
    return run_id


def test_a_delivery_is_taken_whatever_it_holds(ledger: Ledger) -> None:
    names = ledger.stack.template.names
    ring = ledger.stack.client("secretsmanager").get_secret_value(SecretId=names["KeyRingSecret"])["SecretString"]
    launch_id = event("webhook")["metadata"]["launch_id"]
    token = {"token": sign(KeyRing.parse(ring), launch_id, int(time.time()) + 3600, time.time())}
    assert set(sent(ledger, "POST /webhook", POSITIVE, params=token)) == {202}
    assert sent(ledger, "POST /webhook", NEGATIVE, params=token)[400] > 5
