"""What `.runledger/stack.json` says of a running stack."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from local.stack import FOLDER

if TYPE_CHECKING:
    from local.stack import Stack

_FILE = FOLDER / "stack.json"
CONTAINER_FILE = FOLDER / "container-env.json"


def read() -> dict[str, Any] | None:
    """Return the description of the stack that runs here, or None. What a killed stack left behind is removed."""
    try:
        description: dict[str, Any] = json.loads(_FILE.read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not _is_stack(int(description["pid"])):
        forget()
        return None
    return description


def write(stack: Stack) -> None:
    """Write the descriptions down, each whole or not at all."""
    for path, content in ((_FILE, stack.describe()), (CONTAINER_FILE, stack.container_environment())):
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=2) + "\n")
        draft.rename(path)


def forget() -> None:
    """Remove the descriptions."""
    _FILE.unlink(missing_ok=True)
    CONTAINER_FILE.unlink(missing_ok=True)


def _is_stack(pid: int) -> bool:
    """Whether `pid` is a stack still, and not another program that got the same number since."""
    if pid == os.getpid():
        return True
    listing = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return "local.up" in listing.stdout
