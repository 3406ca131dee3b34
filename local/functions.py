"""Lambda: each function in processes of its own, one event at a time in each, as many as are needed at once."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.template import Function

MAX_EVENT_BYTES = 6_291_556
_CONCURRENCY = 8
_QUEUE_SECONDS = 30


class InvocationError(Exception):
    """The function did not answer: it raised, ended, ran out of time, or had no environment free."""


class EventTooLargeError(InvocationError):
    """The event is larger than Lambda takes; the function was not asked."""


def environment(function: Function, endpoint_url: str) -> dict[str, str]:
    """Return the environment that Lambda would give to a function; `endpoint_url` is where AWS is."""
    return {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
        **function.environment,
        "AWS_ENDPOINT_URL": endpoint_url,
    }


class Environment:
    """One process with the function imported."""

    def __init__(self, function: Function, variables: dict[str, str], log: Callable[[str, str], None]) -> None:
        """`log` gets the function's name and each line that the process prints."""
        ours, theirs = socket.socketpair()
        self._timeout, self._channel = function.timeout, ours
        path = os.pathsep.join(str(folder) for folder in function.code)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local.worker", function.handler, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                env={"PATH": os.defpath, "PYTHONUNBUFFERED": "1", "PYTHONPATH": path, **variables},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is the stack's, which ends it in order
            )
        self._lines = ours.makefile("rwb")
        ours.settimeout(function.timeout + 30)  # the first event waits for the import too
        self._reader = threading.Thread(target=self._read_log, args=(function.name, log), daemon=True)
        self._reader.start()

    def invoke(self, event: bytes) -> Any:
        """Return the handler's answer, or raise InvocationError."""
        try:
            self._lines.write(event + b"\n")
            self._lines.flush()
            line = self._lines.readline()
            self._channel.settimeout(self._timeout)
        except OSError as error:
            raise InvocationError(f"the function did not answer: {error}") from None
        if not line.endswith(b"\n"):  # nothing, or a part of an answer
            raise InvocationError("the function's process ended")
        reply = json.loads(line)
        if "error" in reply:
            raise InvocationError(reply["error"])
        return reply["answer"]

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def peak_memory(self) -> float:
        """Return the most that the process has used, in MB; on Linux alone."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def close(self) -> None:
        """End the process; also one that has ended, and more than once."""
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=5)
        with suppress(OSError):  # an event that it never took is still in the buffer
            self._lines.close()
        self._channel.close()
        if self._process.stdout:
            self._process.stdout.close()

    def _read_log(self, name: str, log: Callable[[str, str], None]) -> None:
        for line in self._process.stdout or ():
            log(name, line.rstrip("\n"))


class Pool:
    """The environments of one function: one at the start, more as calls overlap."""

    def __init__(self, function: Function, variables: dict[str, str], log: Callable[[str, str], None]) -> None:
        """`variables` is the whole environment of the processes but for their path; `ahead` moves their clocks."""
        self._new = functools.partial(Environment, function, variables, log)
        self._all = [self._new()]
        self._idle = list(self._all)
        self._changed = threading.Condition()
        self._is_closed = False
        self.ahead = 0  # seconds

    def invoke(self, event: dict[str, Any]) -> Any:
        """Run the function once; raise InvocationError where it does not answer."""
        line = json.dumps(event, separators=(",", ":")).encode()
        if len(line) > MAX_EVENT_BYTES:
            raise EventTooLargeError(f"the event has {len(line)} bytes, Lambda takes {MAX_EVENT_BYTES}")
        environment, has_answered = self._take(), False
        try:
            answer = environment.invoke(b"%d %b" % (self.ahead, line))
            has_answered = True
        finally:
            if not has_answered:
                environment.close()  # Lambda too starts afresh after a crash or a time-out
            with self._changed:
                if environment in self._all:
                    self._idle.append(environment)
                self._changed.notify()
        return answer

    def processes(self, *, busy: bool = False) -> list[int]:
        """Return the process ids of the environments that run now, or of those alone that have an event."""
        with self._changed:
            some = [one for one in self._all if one not in self._idle] if busy else self._all
            return [environment.pid for environment in some if environment.is_alive]

    def peak_memory(self) -> float:
        """Return the most that any of the processes has used, in MB; on Linux alone."""
        return max(environment.peak_memory() for environment in self._all)

    def _take(self) -> Environment:
        """Return an environment that is idle and alive, or a new one, or wait for one of these."""
        ends = time.monotonic() + _QUEUE_SECONDS
        with self._changed:
            while not self._is_closed:
                while self._idle:
                    environment = self._idle.pop()
                    if environment.is_alive:
                        return environment
                    environment.close()
                    self._all.remove(environment)
                if len(self._all) < _CONCURRENCY:
                    self._all.append(self._new())
                    return self._all[-1]
                if not self._changed.wait(ends - time.monotonic()):
                    raise InvocationError(f"no environment became free within {_QUEUE_SECONDS} s")
        raise InvocationError("the stack has stopped")

    def close(self) -> None:
        """End all processes, and begin no more."""
        with self._changed:
            self._is_closed = True
            environments = list(self._all)
            self._changed.notify_all()
        for environment in environments:
            environment.close()
