"""API Gateway: one HTTP API of template.yaml on loopback, with events in payload format 2.0."""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from local.functions import EventTooLargeError, InvocationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from local.functions import Pool
    from local.template import Route

_MAX_BODY_BYTES = 10 * 1024 * 1024
_TEXT = ("text/", "application/json", "application/javascript", "application/xml")


class HttpApi:
    """Serves the routes of one API until it is closed."""

    def __init__(self, name: str, host: str, port: int, routes: Mapping[Route, Pool]) -> None:
        """`routes` are those of the API `name`, each with its function; port 0 takes a free one."""
        self._routes = {f"{route.method} {route.path}": pool for route, pool in routes.items()}
        self._map = Map(
            [
                Rule(
                    route.path.replace("{", "<").replace("}", ">"),
                    methods=[route.method],
                    endpoint=f"{route.method} {route.path}",
                )
                for route in routes
            ]
        )
        self._name = name
        self._server = make_server(host, port, self._answer, threaded=True, request_handler=_Quiet)
        self.url = f"http://{host}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        request.max_content_length = _MAX_BODY_BYTES
        return self._respond(request)(environ, start_response)

    def _respond(self, request: Request) -> Response:
        try:
            route_key, parameters = self._map.bind_to_environ(request.environ).match()
            answer = self._routes[str(route_key)].invoke(self._event(request, str(route_key), dict(parameters)))
        except HTTPException as error:
            status = 404 if error.code == 405 else error.code or 500  # noqa: PLR2004 - an HTTP API has no 405
            return _own(status, {404: "Not Found", 413: "Request Entity Too Large"}.get(status, error.name))
        except EventTooLargeError:
            return _own(413, "Request Entity Too Large")
        except InvocationError:
            return _own(500, "Internal Server Error")
        body = answer.get("body") or ""
        content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
        return Response(content, answer["statusCode"], answer.get("headers") or {})

    def _event(self, request: Request, route_key: str, parameters: dict[str, str]) -> dict[str, Any]:
        body = request.get_data()
        is_text = (request.content_type or "").startswith(_TEXT)
        text, is_base64 = _text(body) if is_text else (base64.b64encode(body).decode(), True)
        headers = {name.lower(): value for name, value in request.headers.items()}
        now = time.time()
        event: dict[str, Any] = {
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": request.path,
            "rawQueryString": request.query_string.decode("latin-1"),
            "headers": headers,
            "requestContext": {
                "accountId": "123456789012",
                "apiId": self._name,
                "domainName": request.host,
                "domainPrefix": self._name,
                "http": {
                    "method": request.method,
                    "path": request.path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": request.remote_addr or "",
                    "userAgent": headers.get("user-agent", ""),
                },
                "requestId": str(uuid.uuid4()),
                "routeKey": route_key,
                "stage": "$default",
                "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
                "timeEpoch": int(now * 1000),
            },
            "isBase64Encoded": is_base64,
        }
        if body:
            event["body"] = text
        if request.args:
            event["queryStringParameters"] = {name: ",".join(request.args.getlist(name)) for name in request.args}
        if parameters:
            event["pathParameters"] = parameters
        return event


class _Quiet(WSGIRequestHandler):
    """Writes no access log: a request line of the webhook carries its token."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's own name
        """Say nothing."""


def _text(body: bytes) -> tuple[str, bool]:
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True


def _own(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")
