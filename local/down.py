"""`make down`: stop the stack that `make up` started."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

from local import running

_SECONDS = 30


def main() -> int:
    """Stop the stack, also one that is only starting; return the exit status."""
    process = running.process()
    if process is None:
        print("No stack runs here.")
        return 0
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGTERM)
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if running.process() is None:
            print("The stack has stopped.")
            return 0
        time.sleep(0.1)
    print(f"The stack (process {process}) has not stopped within {_SECONDS} s.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
