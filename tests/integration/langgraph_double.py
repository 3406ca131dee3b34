"""A scripted HTTP server in LangGraph's place, for what a real one can't be made to do."""

from __future__ import annotations

import json
import socket
import struct
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

ASSISTANT_ID = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


@dataclass
class Sent:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Told:
    """How to answer: with a status, a body (JSON or text) and headers; by cutting the connection; or not at all."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False


class LangGraphDouble:
    """Answers `/threads` and runs as LangGraph does, unless told otherwise."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.threads: Told | None = None  # the answer to threads.create
        self.runs: Told | None = None  # the answer to runs.create and runs.stream
        self.run_id = str(uuid.uuid4())
        self.before_run: Callable[[Sent], object] = lambda _: None  # happens before a run's creation is answered
        self._over = threading.Event()
        double = self

        class Handler(_Handler):
            def do_POST(self) -> None:
                double._answer(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def thread_request(self) -> Sent:
        (sent,) = (sent for sent in self.requests if sent.path == "/threads")
        return sent

    @property
    def run_request(self) -> Sent:
        (sent,) = (sent for sent in self.requests if sent.path != "/threads")
        return sent

    def _answer(self, handler: _Handler) -> None:
        sent = handler.sent()
        self.requests.append(sent)
        if sent.path == "/threads":
            told = self.threads or Told(body={"thread_id": sent.body["thread_id"]})
        else:
            self.before_run(sent)
            told = self.runs or self._started(sent)
        if told.silent:
            self._over.wait(10)
        if told.cut or told.silent:
            handler.cut()
        else:
            handler.tell(told)

    def _started(self, sent: Sent) -> Told:
        if not sent.path.endswith("/stream"):
            return Told(body={"run_id": self.run_id, "assistant_id": ASSISTANT_ID, "status": "pending"})
        headers = {"Content-Type": "text/event-stream", "Content-Location": sent.path.removesuffix("/stream")}
        headers["Content-Location"] += f"/{self.run_id}"
        return Told(body=f'event: metadata\ndata: {{"run_id":"{self.run_id}"}}\n\n', headers=headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def sent(self) -> Sent:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        return Sent(self.path, {name.lower(): value for name, value in self.headers.items()}, text)

    def tell(self, told: Told) -> None:
        body = (told.body if isinstance(told.body, str) else json.dumps(told.body)).encode()
        self.send_response(told.status)
        for name, value in {"Content-Type": "application/json", **told.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
