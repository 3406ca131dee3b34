"""API Gateway HTTP APIs (payload format 2.0): events in, answers out, problems in one place."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain.fields import UUID
from runledger.domain.problems import FieldError, Problem, internal, invalid_request, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request.

    `route` is the API's own, such as `GET /runs/{run_id}`, and `parameters` has what stood in its braces. `query` is
    the raw query string, header names are in lower case, `source` is the sender's address, `seconds_left()` is what the
    function has left.
    """

    route: str
    path: str
    parameters: Mapping[str, str]
    query: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: str | None = field(repr=False)
    is_base64: bool
    source: str
    seconds_left: Callable[[], float] = field(repr=False)

    @property
    def prefix(self) -> str:
        """Return what stands before the route in the path: a base path mapping of any text, `/runs` too, or nothing."""
        return self.path.rsplit("/", self.route.count("/"))[0]

    def content(self) -> bytes:
        """Return the body's bytes; a 400 Problem where they can't be had."""
        try:
            if self.is_base64:
                return base64.b64decode(self.body or "", validate=True)
            return (self.body or "").encode()
        except ValueError:
            raise invalid_request(FieldError("", "neither UTF-8 text nor valid base64")) from None

    def identifier(self, name: str) -> str:
        """Return the id in the path, in the ledger's spelling; a 404 Problem for what is no UUID and names nothing."""
        value = self.parameters[name].lower()
        if UUID.check(value):
            raise unknown(f"{name.removesuffix('_id')} with this id, which is no UUID")
        telemetry.about(**{name: value})
        return value


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer with a JSON body: an object, or JSON text that is sent as it is, or none (None)."""

    status: int
    body: Mapping[str, object] | str | None
    headers: Mapping[str, str] = field(default_factory=dict)


def serve(event: dict[str, Any], context: LambdaContext, handle: Callable[[Request], Answer]) -> dict[str, Any]:
    """Answer one event with `handle`.

    A Problem becomes its RFC 9457 answer: 4xx is counted as `refused` with its reason, 5xx as `failed`. Any other
    exception is a fault of ours: logged, counted as `failed`, answered 500 so that the sender repeats (G6).
    """
    telemetry.start(context)
    try:
        answer = handle(_request(event, context))
        return _response(answer.status, "application/json", answer.body, answer.headers)
    except Problem as problem:
        telemetry.report(problem)
        return _problem_response(problem)
    except Exception:  # noqa: BLE001 - the one place that keeps a bug from becoming a lost delivery
        telemetry.logger.exception("unforeseen fault")
        telemetry.count("failed")
        return _problem_response(internal())
    finally:
        telemetry.flush()


def _request(event: dict[str, Any], context: LambdaContext) -> Request:
    return Request(
        route=event["routeKey"],
        path=event["rawPath"],
        parameters=event.get("pathParameters") or {},
        query=event.get("rawQueryString") or "",
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        body=event.get("body"),
        is_base64=bool(event.get("isBase64Encoded")),
        source=event["requestContext"]["http"]["sourceIp"],
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000,
    )


def _problem_response(problem: Problem) -> dict[str, Any]:
    return _response(problem.status, "application/problem+json", problem.body(), problem.headers)


def _response(
    status: int, content_type: str, body: Mapping[str, object] | str | None, headers: Mapping[str, str]
) -> dict[str, Any]:
    response: dict[str, Any] = {"statusCode": status, "headers": {"Cache-Control": "no-store", **headers}}
    if body is not None:
        response["headers"]["Content-Type"] = content_type
        response["body"] = body if isinstance(body, str) else json.dumps(body)
    return response
