"""A scripted HTTP server in LangGraph's place, for what a real one can't be made to do."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable

CREATED_AT, ENDED_AT = "2026-11-22T06:00:00.500000+00:00", "2026-11-22T06:00:01.500000+00:00"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ASSISTANT_ID = "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


@dataclass
class Sent:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    text: str
    method: str = "POST"

    @property
    def step(self) -> str:
        """What is asked for, in a word or two, threads and runs left unnamed."""
        path = _ID.sub("…", self.path.partition("?")[0])
        return f"{self.method} {path}"

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
    """Answers about threads and runs as LangGraph does, unless told otherwise."""

    def __init__(self) -> None:
        self.requests: list[Sent] = []
        self.threads: Told | None = None  # the answer to threads.create
        self.runs: Told | None = None  # the answer to runs.create and runs.stream
        self.instead: Callable[[Sent], Told | None] = lambda _: None  # the answer to any request, None for the usual
        self.run_id = str(uuid.uuid4())  # of the newest run, or of the one to be created first
        self.known: dict[str, dict[str, Any]] = {}  # runs, the oldest first
        self.checkpoints: dict[str, str] = {}  # the histories of runs, as JSON text
        self.threads_deleted: list[str] = []
        self.unknown: set[str] = set()  # threads that it has not; whatever else it is asked about, it has
        self.inherited: dict[str, Any] = {}  # metadata of every thread, which its runs have too where they say nothing
        self.before_run: Callable[[Sent], object] = lambda _: None  # happens before a run's creation is answered
        self._over = threading.Event()
        double = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                double._answer(self)

            def do_POST(self) -> None:
                double._answer(self)

            def do_DELETE(self) -> None:
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

    def add(self, thread_id: str, *, status: str = "success", values: str = "{}", **changes: Any) -> str:
        """Have a run; `values` is the JSON text of its last checkpoint's, `next` and `tasks` are the checkpoint's too.

        Without a checkpoint where `values` is empty.
        """
        run_id = str(changes.pop("run_id", uuid.uuid4()))
        following, tasks = changes.pop("next", []), changes.pop("tasks", [])
        self.known[run_id] = {
            "run_id": run_id,
            "thread_id": thread_id,
            "assistant_id": ASSISTANT_ID,
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "metadata": {},
            "status": status,
            "kwargs": {"input": {}, "config": {}, "webhook": "https://webhook.example/webhook?token=a.secret-token"},
            "multitask_strategy": "reject",
            **changes,
        }
        if values:
            members = {"next": following, "tasks": tasks, "metadata": {"run_id": run_id}, "created_at": ENDED_AT}
            self.checkpoints[run_id] = f'[{{"values":{values},{json.dumps(members)[1:]}]'
        return run_id

    def make(self, sent: Sent) -> str:
        """Have the run that a creation asks for, whatever becomes of its answer."""
        if self.run_id in self.known:
            self.run_id = str(uuid.uuid4())
        thread_id, config = sent.path.split("/")[2], sent.body.get("config") or {}
        metadata = {**self.inherited, **config.get("metadata", {}), **sent.body["metadata"]}
        return self.add(thread_id, run_id=self.run_id, status="pending", values="", metadata=metadata)

    def _answer(self, handler: _Handler) -> None:
        sent = handler.sent()
        self.requests.append(sent)
        told = self.instead(sent) or self._usual(sent)
        if told.silent:
            self._over.wait(10)
        if told.cut or told.silent:
            handler.cut()
        else:
            handler.tell(told)

    def _usual(self, sent: Sent) -> Told:  # noqa: PLR0911 - one for each route
        parts = sent.path.partition("?")[0].strip("/").split("/")
        match sent.method, parts:
            case "POST", ["threads"]:
                self.unknown.discard(sent.body["thread_id"])
                return self.threads or Told(body={"thread_id": sent.body["thread_id"]})
            case _, ["threads", thread_id, *_] if thread_id in self.unknown:
                return Told(404, {"detail": f"Thread {thread_id} not found"})
            case "DELETE", ["threads", thread_id]:
                self.unknown.add(thread_id)
                self.threads_deleted.append(thread_id)
                self.known = {run_id: run for run_id, run in self.known.items() if run["thread_id"] != thread_id}
                return Told(204, "")
            case "POST", ["threads", thread_id, "history"]:
                return Told(body=self._history(sent.body))
            case "GET", ["threads", thread_id, "runs"]:
                return self._page(sent, thread_id)
            case "GET", ["threads", _, "runs", run_id] if run_id in self.known:
                return Told(body=self.known[run_id])
            case "POST", ["threads", _, "runs", run_id, "cancel"] if self._is_going_on(run_id):
                self.known[run_id]["status"] = "interrupted"
                return Told(202, "")
            case "POST", ["threads", _, "runs", *rest] if "cancel" not in rest:
                self.before_run(sent)
                return self.runs or self._started(sent)
        return Told(404, {"detail": "not found"})

    def _is_going_on(self, run_id: str) -> bool:
        return self.known.get(run_id, {}).get("status") in ("pending", "running")

    def _history(self, asked: dict[str, Any]) -> str:
        """Return a run's last checkpoint, or the newest one of all."""
        if "metadata" in asked:
            return self.checkpoints.get(asked["metadata"]["run_id"], "[]")
        assert asked["before"]["configurable"]["checkpoint_id"]
        return next(reversed(self.checkpoints.values()), "[]")

    def _page(self, sent: Sent, thread_id: str) -> Told:
        asked = parse_qs(urlsplit(sent.path).query)
        limit, offset = (int(asked[name][0]) for name in ("limit", "offset"))
        newest_first = [run for run in self.known.values() if run["thread_id"] == thread_id][::-1]
        page = newest_first[offset : offset + limit]
        return Told(body=[{name: run[name] for name in asked["select"]} for run in page])

    def _started(self, sent: Sent) -> Told:
        self.make(sent)
        if not sent.path.endswith("/stream"):
            return Told(body={"run_id": self.run_id, "assistant_id": ASSISTANT_ID, "status": "pending"})
        headers = {"Content-Type": "text/event-stream", "Content-Location": sent.path.removesuffix("/stream")}
        headers["Content-Location"] += f"/{self.run_id}"
        return Told(body=f'event: metadata\ndata: {{"run_id":"{self.run_id}"}}\n\n', headers=headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def sent(self) -> Sent:
        text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        return Sent(self.path, {name.lower(): value for name, value in self.headers.items()}, text, self.command)

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
