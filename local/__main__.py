"""`python -m local up`, and the Makefile's other programs by their names.

They import much before there is anything to stop: until then Ctrl-C ends them at once, without a traceback.
"""

from __future__ import annotations

import runpy
import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    runpy.run_module(f"local.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
