"""events/schemas/openapi.json says what the template routes, what the code checks, and what it can answer."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from local.openapi import bodies, requests
from local.openapi.answers import HEADERS, PROBLEMS
from local.openapi.document import FILE, text
from local.openapi.operations import OPERATIONS as DESCRIBED
from local.template import ROOT
from runledger.domain import answers, listings, views
from runledger.domain.launch_fields import FIELDS
from runledger_langgraph import refusals
from tests.contract.source import FUNCTIONS, modules
from tests.contract.surface import DOCUMENT, OPERATIONS, body_of, judge, resolved

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUTES = {f"{route.method} {route.path}": route for function in FUNCTIONS for route in function.routes}
EVENTS = {
    event["routeKey"]: event
    for event in (json.loads(path.read_text()) for path in sorted((ROOT / "events").glob("*.json"), reverse=True))
    if "routeKey" in event
}


def test_the_document_is_what_the_code_says_now() -> None:
    assert FILE.read_text() == text(), "run make openapi"


def test_the_document_is_valid() -> None:
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []
    for schema in _schemas(DOCUMENT):
        Draft202012Validator.check_schema(schema)


def test_every_route_is_described_and_nothing_else() -> None:
    assert set(OPERATIONS) == set(ROUTES) == set(DESCRIBED)


@pytest.mark.parametrize("route", ROUTES)
def test_an_operation_is_of_its_api(route: str) -> None:
    """The one is signed, the other has a token and an address of its own."""
    operation = OPERATIONS[route]
    api = ROUTES[route].api
    assert operation["tags"] == [api]
    assert operation["security"] == [{"iam": []} if api == "Api" else {"token": []}]
    assert ("servers" in operation) == (api != "Api")
    assert ("application/json" in operation["responses"]["403"]["content"]) == (api == "Api")  # the gateway's own
    placed = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
    assert placed == {part[1:-1] for part in ROUTES[route].path.split("/") if part.startswith("{")}


@pytest.mark.parametrize(
    ("described", "checked"),
    [
        (requests.LAUNCH, FIELDS),
        (requests.RESUME, answers.FIELDS),
        (requests.LIST, listings.PARAMETERS),
    ],
)
def test_each_field_that_is_checked_is_described(described: dict[str, str], checked: dict[str, object]) -> None:
    assert list(described) == list(checked)


def test_each_member_that_is_shown_is_described_and_nothing_else() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    shown = {"Run": (views.RUN, {"payload_url", "questions_url", "links"}), "RunSummary": (views.SUMMARY, {"links"})}
    shown["Launch"] = (views.LAUNCH, {"outcome", "runs"})
    for name, (attributes, more) in shown.items():
        assert set(schemas[name]["properties"]) == {*attributes, *more}
    assert set(bodies.ATTRIBUTES) == {*views.RUN, *views.SUMMARY, *views.LAUNCH}


def test_every_component_is_used() -> None:
    used = {part["$ref"] for part in _objects(DOCUMENT) if isinstance(part.get("$ref"), str)}
    assert used == {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in _component(kind)}
    assert set(_component("headers")) == set(HEADERS)


def test_every_problem_that_the_code_makes_is_described_and_no_other() -> None:
    made = {(meaning.status, meaning.slug) for _, _, meaning in refusals.TABLE}
    for name, tree in modules().items():
        for node in ast.walk(tree):
            match node:
                case ast.Call(
                    func=ast.Name(id="Problem" | "NoKeyError" | "AgentServerError" | "TimedOutError"),
                    args=[ast.Constant(value=int(status)), ast.Constant(value=str(slug)), *_],
                ):
                    made.add((status, slug))
                case ast.Call(func=ast.Name(id="Problem" | "AgentServerError")):
                    made |= WORKED_OUT[f"{name}: {ast.unparse(node.args[1])}"]
                case ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Attribute(attr="slug"), *_]), *_], value=ast.Tuple() as to
                ):
                    made.add((503, ast.literal_eval(to.elts[0])))
    assert made == {(status, slug) for status, known in PROBLEMS.items() for slug in known}


WORKED_OUT: dict[str, set[tuple[int, str]]] = {  # problems whose names are no constants where they are made
    "runledger_langgraph.refusals: meaning.slug": set(),  # those of TABLE
    "runledger.use_cases.receive_delivery: f'token-{reason}'": {
        (401, f"token-{reason}") for reason in ("missing", "several", "malformed", "forged", "expired", "unknown-key")
    },
}


def test_every_problem_is_some_routes() -> None:
    assert {slug for one in DESCRIBED.values() for slug in one.problems} == {
        s for known in PROBLEMS.values() for s in known
    }


@pytest.mark.parametrize("route", ROUTES)
def test_the_event_of_a_route_is_what_the_document_says(route: str) -> None:
    event, operation = EVENTS[route], OPERATIONS[route]
    if "requestBody" in operation:
        assert not list(body_of(route).iter_errors(json.loads(event["body"])))
    else:
        assert event.get("body", "{}") == "{}"
    values = {
        "path": event.get("pathParameters", {}),
        "query": {n: int(v) if v.isdecimal() else v for n, v in parse_qsl(event["rawQueryString"])},
    }
    for place, found in values.items():
        schemas = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == place}
        for name, value in found.items():
            if name != "token":
                assert Draft202012Validator(schemas[name]).is_valid(value)


def test_every_example_is_one() -> None:
    seen = 0
    for reference, media in _media(DOCUMENT["paths"], "/paths"):
        for example in [*([media["example"]] if "example" in media else []), *media.get("examples", {}).values()]:
            value = example["value"] if "examples" in media else example
            assert not list(judge(f"{reference}/schema").iter_errors(value)), reference
            seen += 1
    assert seen > 8


def _component(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["components"][kind]
    return found


def _objects(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
    for member in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _objects(member)


def _schemas(part: Any) -> Iterator[dict[str, Any]]:
    yield from _component("schemas").values()
    for one in _objects(part):
        if isinstance(one.get("schema"), dict):
            yield one["schema"]


def _media(part: Any, reference: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each body's description with its JSON pointer in the document."""
    for name, member in part.items() if isinstance(part, dict) else ():
        escaped = name.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
        below = f"{reference}/{escaped}"
        if name.endswith("json") and "schema" in resolved(member):
            yield below, member
        yield from _media(member, below)
