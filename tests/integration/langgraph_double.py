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
        self.left: dict[str, dict[str, Any]] = {}  # threads: their status and interrupts, where they are not idle
        self.is_newest_first = True  # in which order it lists runs
        self.threads_deleted: list[str] = []
        self.threads_made: set[str] = set()
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

        self._server = _Server(("127.0.0.1", 0), Handler)
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
        made = CREATED_AT.replace(".500000", f".{500_000 + len(self.known):06}")  # one after the other
        self.known[run_id] = {
            "run_id": run_id,
            "thread_id": thread_id,
            "assistant_id": ASSISTANT_ID,
            "created_at": made,
            "updated_at": made,
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

    def _usual(self, sent: Sent) -> Told:  # noqa: C901, PLR0911 - one for each route
        parts = sent.path.partition("?")[0].strip("/").split("/")
        match sent.method, parts:
            case "GET", ["ok"]:
                return Told(body={"ok": True})
            case "POST", ["threads"]:
                self.unknown.discard(sent.body["thread_id"])
                self.threads_made.add(sent.body["thread_id"])
                return self.threads or Told(body={"thread_id": sent.body["thread_id"]})
            case _, ["threads", thread_id, *_] if thread_id in self.unknown:
                return Told(404, {"detail": f"Thread {thread_id} not found"})
            case "GET", ["threads", thread_id] if thread_id in self.threads_made:
                return Told(body={"thread_id": thread_id})
            case "DELETE", ["threads", thread_id]:
                self.unknown.add(thread_id)
                self.threads_deleted.append(thread_id)
                self.known = {run_id: run for run_id, run in self.known.items() if run["thread_id"] != thread_id}
                return Told(204, "")
            case "POST", ["threads", "search"]:
                return Told(body=self._found(sent.body))
            case "POST", ["threads", _, "history"]:
                return Told(body=self.checkpoints.get(sent.body["metadata"]["run_id"], "[]"))
            case "GET", ["threads", thread_id, "history"]:
                return self._checkpoint_before(sent, thread_id)
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

    def _checkpoint_before(self, sent: Sent, thread_id: str) -> Told:
        """Return the newest checkpoint of a thread; what stands before it is a text, in the query."""
        assert _ID.fullmatch(parse_qs(urlsplit(sent.path).query)["before"][0])
        of_thread = [text for run_id, text in self.checkpoints.items() if self._thread_of(run_id) == thread_id]
        return Told(body=of_thread[-1] if of_thread else "[]")

    def _thread_of(self, run_id: str) -> str | None:
        return self.known.get(run_id, {}).get("thread_id")

    def _found(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the threads that are searched for by their ids, as they were left."""
        idle = {"status": "idle", "interrupts": {}}
        told = [{"thread_id": one, **idle, **self.left.get(one, {})} for one in asked["ids"] if one not in self.unknown]
        return [{name: thread[name] for name in asked["select"]} for thread in told]

    def _page(self, sent: Sent, thread_id: str) -> Told:
        asked = parse_qs(urlsplit(sent.path).query)
        limit, offset = (int(asked[name][0]) for name in ("limit", "offset"))
        runs = [run for run in self.known.values() if run["thread_id"] == thread_id]
        page = (runs[::-1] if self.is_newest_first else runs)[offset : offset + limit]
        return Told(body=[{name: run[name] for name in asked["select"]} for run in page])

    def _started(self, sent: Sent) -> Told:
        self.make(sent)
        if not sent.path.endswith("/stream"):
            return Told(body={"run_id": self.run_id, "assistant_id": ASSISTANT_ID, "status": "pending"})
        headers = {"Content-Type": "text/event-stream", "Content-Location": sent.path.removesuffix("/stream")}
        headers["Content-Location"] += f"/{self.run_id}"
        return Told(body=f'event: metadata\ndata: {{"run_id":"{self.run_id}"}}\n\n', headers=headers)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of who left before the end of a large answer."""


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
