"""The programs of `local/` as processes, in a folder of their own: a stack that runs here is let alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
_SHARED = ("functions", "layers", "events", "template.yaml", ".tools")
_MOST_SECONDS = 90


@dataclass
class Programs:
    """Starts `python -m local …`; what still runs at the end is ended."""

    folder: Path
    exits: ExitStack = field(default_factory=ExitStack)

    def start(self, *arguments: str, python: str = "", **environment: str) -> subprocess.Popen[str]:
        program = self.exits.enter_context(
            subprocess.Popen(
                [sys.executable, *python.split(), "-m", "local", *arguments],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": "layers/runledger", "PYTHONUNBUFFERED": "1", **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        self.exits.callback(program.kill)
        last = threading.Timer(_MOST_SECONDS, program.kill)  # what is waited for in vain ends so
        last.start()
        self.exits.callback(last.cancel)
        return program

    def run(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Return the exit status and what was printed."""
        return ended(self.start(*arguments, **environment))


def ended(program: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = program.communicate(timeout=60)
    return program.returncode, printed


def interrupt(program: subprocess.Popen[str]) -> None:
    os.killpg(program.pid, signal.SIGINT)


def printed_until(program: subprocess.Popen[str], text: str) -> str:
    """Return what is printed up to the line with `text`."""
    lines: list[str] = []
    stdout: Any = program.stdout
    for line in stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"{text!r} was not printed, but: {''.join(lines)}")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    folder = tmp_path / "checkout"
    folder.mkdir()
    shutil.copytree(ROOT / "local", folder / "local", ignore=shutil.ignore_patterns("__pycache__"))
    for name in _SHARED:
        (folder / name).symlink_to(ROOT / name)
    programs = Programs(folder)
    with programs.exits:
        yield programs
