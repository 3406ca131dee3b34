"""Lambda's runtime client in SnapStart's order: init, snapshot, restore, calls. The emulator knows no snapshots."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.artefact.emulator import RUNTIME, built_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from local.template import Function

_RESTORE = "/2018-06-01/runtime/restore/next"
_SECONDS = 30


class _Api(BaseHTTPRequestHandler):
    """Lambda's runtime API, as far as it goes: whoever asks for a restore or an event waits until there is one."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        if self.path == _RESTORE:
            self.server.is_initialised.set()
            self.server.may_go_on.wait(_SECONDS)
            self._answer(200, b"")
        else:
            event = self.server.events.get(timeout=_SECONDS)
            sent = {"Aws-Request-Id": "1", "Deadline-Ms": int(1000 * (time.time() + _SECONDS))}
            named = {f"Lambda-Runtime-{name}": value for name, value in sent.items()}
            self._answer(200, event.encode(), {"Content-Type": "application/json", **named})

    def do_POST(self) -> None:
        said = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answers.put(json.loads(said))
        self._answer(202, b"")

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, status: int, body: bytes, headers: dict[str, Any] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Api)
        self.is_initialised, self.may_go_on = threading.Event(), threading.Event()
        self.events: queue.Queue[str] = queue.Queue()
        self.answers: queue.Queue[Any] = queue.Queue()


class Snapshot:
    """One process of a built function, stopped where Lambda would take its snapshot; inside `with`."""

    def __init__(self, function: Function, variables: dict[str, str], log: Path, more: tuple[Path, ...] = ()) -> None:
        """`more` are folders on the process's path beside the function's own."""
        self._function, self._variables, self._log = function, variables, log
        self._path = [*built_path(function), *more]

    def __enter__(self) -> Self:
        self._server = _Server()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(RUNTIME), "-m", "awslambdaric", self._function.handler],
                cwd=self._path[0],
                env={
                    "PATH": os.defpath,
                    "PYTHONPATH": os.pathsep.join(map(str, self._path)),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
                    "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start",
                    "AWS_LAMBDA_FUNCTION_NAME": self._function.name,
                    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory),
                    "LAMBDA_TASK_ROOT": str(self._path[0]),
                    "AWS_DEFAULT_REGION": "us-east-1",
                    "AWS_ACCESS_KEY_ID": "local",
                    "AWS_SECRET_ACCESS_KEY": "local",
                    **self._variables,
                },
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        assert self._server.is_initialised.wait(_SECONDS), self._log.read_text()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The runtime API's."""
        return self._server.server_port

    def restore(self) -> None:
        """Let the process go on, as a copy of the snapshot would."""
        self._server.may_go_on.set()

    def invoke(self, event: str) -> Any:
        """Return the handler's answer, or the error that the runtime reports."""
        self._server.events.put(event)
        return self._server.answers.get(timeout=_SECONDS)

    def peers(self) -> set[int]:
        """Return the ports that the process has TCP connections to."""
        opened = {str(link.readlink()) for link in Path(f"/proc/{self._process.pid}/fd").iterdir()}
        lines = [line.split() for line in Path(f"/proc/{self._process.pid}/net/tcp").read_text().splitlines()[1:]]
        return {int(line[2].split(":")[1], 16) for line in lines if f"socket:[{line[9]}]" in opened}

    def remembered(self, texts: Iterable[str]) -> set[str]:
        """Return which of the texts stand anywhere in the process's memory that it can write to."""
        found = set()
        with Path(f"/proc/{self._process.pid}/mem").open("rb", buffering=0) as memory:
            for line in Path(f"/proc/{self._process.pid}/maps").read_text().splitlines():
                where, flags, *_ = line.split()
                if flags.startswith("rw"):
                    start, end = (int(part, 16) for part in where.split("-"))
                    memory.seek(start)
                    part = memory.read(end - start)
                    found |= {text for text in texts if text.encode() in part}
        return found
