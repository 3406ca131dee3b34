"""Runs a command and ends it, with all that it started, as soon as whoever started this goes away.

`python local/leash.py COMMAND…`: standard input is the leash. However the other end dies, it closes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the command given as arguments; exit with its status."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)

    def end() -> None:
        while os.read(0, 1024):  # not sys.stdin, whose lock would be in the way of the interpreter's end
            pass
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    threading.Thread(target=end, daemon=True).start()
    sys.exit(process.wait())


if __name__ == "__main__":
    main()
