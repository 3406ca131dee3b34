"""The log of a LangGraph server that did not start, as a person wants to read it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_LINES, _WIDTH = 8, 400
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_ENTRY = re.compile(r"(?:\d{4}-\d\d-\d\dT\S+| *)\[")  # begins an entry of the server's own, or ends a traceback in one
_TRACEBACK = "Traceback (most recent call last):"


def why_it_ended(log: str, folder: Path) -> str:
    """Return the last exception of a log, without its traceback but for the last place in `folder`; else its end."""
    lines = [line.rstrip()[:_WIDTH] for line in _COLOURS.sub("", log).splitlines() if line.strip()]
    starts = [number for number, line in enumerate(lines) if line.endswith(_TRACEBACK)]
    if not starts:
        return "\n".join(lines[-_LINES:])
    told = [line for line in lines[starts[-1] + 1 :] if not line.startswith("  ")]
    ends = next((number for number, line in enumerate(told) if _ENTRY.match(line)), len(told))
    exception = re.sub(r"^(?:\w+\.)+(?=\w+:)", "", "\n".join(told[:ends][:_LINES]))
    places = [line.strip() for line in lines if line.startswith(f'  File "{folder}/') and "site-packages" not in line]
    return "\n".join([exception, *places[-1:]])
