"""One execution environment of a function: imports the handler, then answers events one after the other.

Started by `local.functions` with the number of an inherited socket; events come and answers go as lines of JSON, each
event with how many seconds the clocks are to be ahead.
"""

from __future__ import annotations

import importlib
import json
import os
import socket
import sys
import time
import traceback
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Context:
    """What the handlers read of Lambda's context."""

    timeout: float
    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        """Start the invocation's clock."""
        self._ends = time.monotonic() + self.timeout

    def get_remaining_time_in_millis(self) -> int:
        """Return what is left of the function's time-out."""
        return max(0, int((self._ends - time.monotonic()) * 1000))


@dataclass
class Clocks:
    """The clocks of this process, which can be put ahead."""

    ahead: int = 0

    def start(self) -> None:
        """Take the place of the real ones, before anybody has a hold of them."""
        for name in ("time", "monotonic"):
            setattr(time, name, self._moved(getattr(time, name)))

    def _moved(self, clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + self.ahead


def main() -> None:
    """Serve until the other end of the socket closes."""
    clocks = Clocks()
    clocks.start()
    handler_path, descriptor = sys.argv[1], int(sys.argv[2])
    module, name = handler_path.rsplit(".", 1)
    handler = getattr(importlib.import_module(module), name)
    timeout = float(os.environ["AWS_LAMBDA_FUNCTION_TIMEOUT"])
    with socket.socket(fileno=descriptor) as channel, channel.makefile("rwb") as lines:
        for line in lines:
            ahead, _, event = line.partition(b" ")
            clocks.ahead = int(ahead)
            try:
                answer = {"answer": handler(json.loads(event), Context(timeout))}
            except Exception as error:  # noqa: BLE001 - as Lambda does: the error is the invocation's answer
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            lines.write(json.dumps(answer).encode() + b"\n")
            lines.flush()


if __name__ == "__main__":
    main()
