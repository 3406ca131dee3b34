"""Which stack runs here: a lock that it holds, and what `.runledger/stack.json` says of it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from local.stack import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.stack import Stack

_FILE = FOLDER / "stack.json"
CONTAINER_FILE = FOLDER / "container-env.json"
_LOCK = FOLDER / "lock"
_LOOK_SECONDS = 0.2


class RunsAlreadyError(Exception):
    """A stack runs here, or starts or stops."""


@contextmanager
def alone() -> Iterator[None]:
    """Be the one stack that runs here, or raise RunsAlreadyError.

    The lock is the kernel's, which frees it however this process ends; processes that it starts don't inherit it.
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    with _LOCK.open("a") as lock:
        ends = time.monotonic() + _LOOK_SECONDS  # for as long, at most, somebody may be looking
        while not _locked(lock.fileno(), fcntl.LOCK_EX):
            if time.monotonic() > ends:
                raise RunsAlreadyError
            time.sleep(_LOOK_SECONDS / 10)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        _forget()  # what one that was killed has left
        try:
            yield
        finally:
            _forget()


def process() -> int | None:
    """Return the number of the process whose stack runs, starts or stops here, or None."""
    try:
        with _LOCK.open() as lock:
            return None if _locked(lock.fileno(), fcntl.LOCK_SH) else int(lock.read() or 0) or None
    except FileNotFoundError:
        return None


def read() -> dict[str, Any] | None:
    """Return the description of the stack that runs here, or None."""
    if process() is None:
        return None
    try:
        description: dict[str, Any] = json.loads(_FILE.read_text())
    except FileNotFoundError:  # it starts or stops
        return None
    return description


def write(stack: Stack) -> None:
    """Write the descriptions down, each whole or not at all."""
    for path, content in ((_FILE, stack.describe()), (CONTAINER_FILE, stack.container_environment())):
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(content, indent=2) + "\n")
        draft.rename(path)


def _forget() -> None:
    _FILE.unlink(missing_ok=True)
    CONTAINER_FILE.unlink(missing_ok=True)


def _locked(file: int, kind: int) -> bool:
    """Take a lock where nobody is in the way, and say whether."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
