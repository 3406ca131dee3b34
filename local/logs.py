"""The functions' JSON log lines, as a person reads them."""

from __future__ import annotations

import json
from typing import Any

from rich.text import Text

_STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}
_PLUMBING = ("level", "location", "message", "timestamp", "service", "request_id", "exception", "exception_name")
_IDS = ("message_id", "launch_id", "run_id", "thread_id")


def parse(line: str) -> dict[str, Any] | None:
    """Return a log line's members; None for what is none, such as the metrics."""
    try:
        members = json.loads(line)
    except ValueError:
        return None
    return members if isinstance(members, dict) and "message" in members else None


def short(identifier: str) -> str:
    """Return the end of an id, which tells runs apart: LangGraph's ids begin with the time."""
    return f"…{identifier[-6:]}"


def render(function: str, line: str) -> Text | None:
    """Return one line for the terminal; None for a line of metrics, which count what the log says."""
    members = parse(line)
    if members is None:
        return None if '"CloudWatchMetrics"' in line else Text(f"         {function}  {line}", "dim")
    level = str(members.get("level", ""))
    text = Text()
    text.append(f"{str(members.get('timestamp', ''))[11:19]} ", "dim")
    text.append(f"{members.get('service', function):<9} ", "cyan")
    text.append(f"{members['message']}", _STYLES.get(level, ""))
    for name in _IDS:
        if name in members:
            text.append(f"  {name.removesuffix('_id')} ", "dim")
            text.append(short(str(members[name])))
    for name, value in members.items():
        if name not in _PLUMBING and name not in _IDS:
            text.append(f"  {name} ", "dim")
            text.append(str(value))
    if "exception" in members:
        text.append(f"\n{members['exception']}", "red")
    return text
