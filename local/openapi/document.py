"""The document: the routes of template.yaml, each with what `operations` says of it."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

from local.openapi import answers, bodies
from local.openapi.operations import OPERATIONS
from local.template import ROOT, Template

if TYPE_CHECKING:
    from local.openapi.operations import Operation
    from local.template import Route

FILE = ROOT / "events" / "schemas" / "openapi.json"
_ABOUT = (
    "Start LangGraph runs from AWS, and find every result in a ledger. Two APIs: one for callers, signed with IAM, and "
    "the webhook for LangGraph, whose token is in its URL. Errors of the functions are `application/problem+json` "
    "(RFC 9457); the gateway's own are `application/json` with a `message` alone, such as the 404 of a route that is "
    "none. Later versions may add members to answers."
)
_REGION = {"default": "us-east-1", "description": "the stack's region"}


def document() -> dict[str, Any]:
    """Return the document as plain JSON values."""
    template = Template({"LangGraphUrl": "https://langgraph.example.org"})
    template.names.update({name: name for name in template.document["Resources"]})
    apis = template.resources("AWS::Serverless::HttpApi")
    paths: dict[str, Any] = {}
    for route in (route for function in template.functions() for route in function.routes):
        signed = apis[route.api].get("Auth", {}).get("DefaultAuthorizer") == "AWS_IAM"
        operation = OPERATIONS[f"{route.method} {route.path}"]
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, operation, is_signed=signed)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Runledger", "version": _version(), "description": _ABOUT},
        "servers": [_server("Api")],
        "tags": [
            {"name": "Api", "description": "for callers; signed with IAM, permission `execute-api:Invoke`"},
            {"name": "WebhookApi", "description": "for LangGraph, at an address of its own"},
        ],
        "paths": paths,
        "components": {
            "schemas": bodies.SCHEMAS,
            "headers": answers.HEADERS,
            "securitySchemes": {
                "iam": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4 for the service `execute-api`",
                    "x-amazon-apigateway-authtype": "awsSigv4",
                },
                "token": {
                    "type": "apiKey",
                    "in": "query",
                    "name": "token",
                    "description": "speaks for one launch, and is part of the webhook URL that LangGraph was given; "
                    "or a shared key of the ring, where the stack accepts these",
                },
            },
        },
    }


def text() -> str:
    """Return the document as it is written down."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def _operation(route: Route, operation: Operation, *, is_signed: bool) -> dict[str, Any]:
    has_body = operation.body is not None
    return {
        "tags": [route.api],
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description,
        "security": [{"iam" if is_signed else "token": []}],
        **({} if is_signed else {"servers": [_server(route.api)]}),
        **({"parameters": list(operation.parameters)} if operation.parameters else {}),
        **({"requestBody": operation.body} if has_body else {}),
        "responses": {
            **operation.successes,
            **answers.errors(operation.problems, is_signed=is_signed, has_body=has_body, has_id="{" in route.path),
        },
    }


def _server(api: str) -> dict[str, Any]:
    return {
        "url": "https://{api_id}.execute-api.{region}.amazonaws.com",
        "description": f"the stack's `{api}`",
        "variables": {"api_id": {"default": "a1b2c3d4e5", "description": f"the id of `{api}`"}, "region": _REGION},
    }


def _version() -> str:
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
