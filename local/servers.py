"""Servers that run as processes of their own: a free port, the wait until one answers, its end."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

_START_SECONDS = 90
_LEASH = Path(__file__).parent / "leash.py"


def free_port(host: str) -> int:
    """Return a port of `host` that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether nothing listens on a port; raise ValueError for an address that is not this machine's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise ValueError(f"BIND: {host} is no address of this machine ({error.strerror})") from None
    return True


def start(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a server on a leash: it ends when this process does, however. `options` are Popen's."""
    return subprocess.Popen(
        [sys.executable, "-P", str(_LEASH), *command],  # by its path: the server's own imports see nothing of ours
        stdin=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        **options,
    )


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when `url` answers; end the server and raise TimeoutError where it never does."""
    ends = time.monotonic() + _START_SECONDS
    with ExitStack() as otherwise:
        otherwise.callback(end, server)
        while time.monotonic() < ends and server.poll() is None:
            with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=2):
                otherwise.pop_all()
                return
            time.sleep(0.1)
    raise TimeoutError(f"the server that was to answer at {url} did not start")


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server that runs on a leash."""
    if server.stdin is not None:
        server.stdin.close()
    server.wait()
