"""`make down`: stop the stack that `make up` started."""

from __future__ import annotations

import os
import signal
import sys
import time

from local import running

_SECONDS = 30


def main() -> int:
    """Stop the stack; return the exit status."""
    description = running.read()
    if description is None:
        print("No stack runs here.")
        return 0
    os.kill(description["pid"], signal.SIGTERM)
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        if running.read() is None:
            print("The stack has stopped.")
            return 0
        time.sleep(0.1)
    print(f"The stack (process {description['pid']}) has not stopped within {_SECONDS} s.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
