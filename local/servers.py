"""Servers that run as processes of their own: a free port, the wait until one answers, its end."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_START_SECONDS = 90


def free_port(host: str) -> int:
    """Return a port of `host` that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    """Return when `url` answers; end the server and raise TimeoutError where it never does."""
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    end(server)
    raise TimeoutError(f"the server that was to answer at {url} did not start")


def end(server: subprocess.Popen[bytes]) -> None:
    """End a server that runs on a leash."""
    if server.stdin is not None:
        server.stdin.close()
    server.wait()
