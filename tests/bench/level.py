"""Stands before the local AWS and has each answer take the same time.

Its UpdateItem takes five times as long as its PutItem, where DynamoDB takes the same for both; and after a longer wait
a process needs up to twice the processor's time for the same work, with its caches gone cold.
"""

from __future__ import annotations

import http.client
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER_SECONDS = 0.03  # more than the local AWS takes for any call of the subjects
_DROPPED = ("transfer-encoding", "connection", "content-length", "server", "date")


class Level(BaseHTTPRequestHandler):
    """Passes requests on to `port` of this machine."""

    protocol_version = "HTTP/1.1"
    port = 0

    def setup(self) -> None:
        """Keep one connection behind each one before."""
        super().setup()
        self._behind = http.client.HTTPConnection("127.0.0.1", self.port)

    def pass_on(self) -> None:
        """Pass one request on, and its answer back, ANSWER_SECONDS after it came."""
        came = time.monotonic()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._behind.request(self.command, self.path, body, dict(self.headers))
        answer = self._behind.getresponse()
        content = answer.read()
        headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _DROPPED]
        head = "".join(f"{name}: {value}\r\n" for name, value in [*headers, ("Content-Length", str(len(content)))])
        time.sleep(max(0.0, came + ANSWER_SECONDS - time.monotonic()))
        self.wfile.write(f"HTTP/1.1 {answer.status} {answer.reason}\r\n{head}\r\n".encode() + content)

    do_GET = do_POST = do_PUT = pass_on  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    listen, Level.port = int(sys.argv[1]), int(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", listen), Level).serve_forever()
