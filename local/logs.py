"""The functions' JSON log lines, as a person reads them."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"DEBUG": "dim", "INFO": "green", "WARNING": "yellow", "ERROR": "bold red", "CRITICAL": "bold red"}
_PLUMBING = ("level", "location", "message", "timestamp", "service", "request_id", "exception", "exception_name")
_CONTROLS = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # what a terminal or a reader might obey, by Unicode's categories
_JOINERS = "\u200c\u200d"  # parts of words and of emoji
_INDENT = 9  # what stands before the name of the function
_LEAST = 20  # columns
_IDS = ("message_id", "launch_id", "run_id", "thread_id")


def parse(line: str) -> dict[str, Any] | None:
    """Return a log line's members; None for what is none, such as the metrics."""
    try:
        members = json.loads(line)
    except ValueError:
        return None
    return members if isinstance(members, dict) and "message" in members else None


def plain(text: str, keep: str = "") -> str:
    """Return `text` with its control characters, but those in `keep`, written out as Python writes them."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _CONTROLS and character not in _JOINERS + keep
        else character
        for character in text
    )


def say(console: Console, text: str | Text, *, markup: bool = True) -> None:
    """Print something for a person: in a terminal it is wrapped between words, elsewhere not at all."""
    console.print(text, soft_wrap=not console.is_terminal, markup=markup)


def show(console: Console, function: str, line: str) -> None:
    """Print one of a function's lines, if a person is to see it: in a terminal wrapped and indented."""
    text = render(function, line)
    if text is not None and console.is_terminal:
        lines = text[_INDENT:].wrap(console, max(console.width - _INDENT, _LEAST))
        text = text[:_INDENT] + Text("\n" + " " * _INDENT).join(lines)
    if text is not None:
        console.print(text, soft_wrap=True)


def short(identifier: str) -> str:
    """Return the end of an id, which tells runs apart: LangGraph's ids begin with the time."""
    return f"…{identifier[-6:]}"


def render(function: str, line: str) -> Text | None:
    """Return one line for the terminal; None for a line of metrics, which count what the log says."""
    members = parse(line)
    if members is None:
        return None if '"CloudWatchMetrics"' in line else Text(f"{'':{_INDENT}}{function}  {plain(line)}", "dim")
    level = str(members.get("level", ""))
    text = Text()
    text.append(f"{plain(str(members.get('timestamp', ''))[11:19]):<{_INDENT}}", "dim")
    text.append(f"{plain(str(members.get('service', function))):<9} ", "cyan")
    text.append(plain(str(members["message"])), _STYLES.get(level, ""))
    for name in _IDS:
        if name in members:
            text.append(f"  {name.removesuffix('_id')} ", "dim")
            text.append(short(plain(str(members[name]))))
    for name, value in members.items():
        if name not in _PLUMBING and name not in _IDS:
            text.append(f"  {plain(name)} ", "dim")
            text.append(plain(str(value)))
    if "exception" in members:
        text.append(f"\n{plain(str(members['exception']), keep='\n')}", "red")
    return text
