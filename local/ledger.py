"""`make ledger`: the running stack's Runs table, newest first, and the newest result."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.highlighter import JSONHighlighter
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from local import logs, resources, running

_NEWEST = 20
_LINES = 20  # of a result
_DOUBTS = ("unverified", "disputed")  # LangGraph has yet to confirm the outcome: it is shown with a question mark
_TIMES = ("created_at", "delivered_at")  # an unconfirmed run has the second alone


def main() -> int:
    """Print the ledger; return the exit status."""
    stack = running.read()
    if stack is None:
        print("No stack runs here; start one with make up.")
        return 1
    dynamodb = resources.session().resource("dynamodb", endpoint_url=stack["aws_endpoint_url"])
    runs = dynamodb.Table(stack["resources"]["RunsTable"])
    items = list(resources.scan(runs, "run_id", "outcome", "source", "payload_bytes", "payload_key", *_DOUBTS, *_TIMES))
    items.sort(key=_made, reverse=True)
    console = Console()
    if not items:
        console.print("No runs yet.")
        return 0
    console.print(table(items))
    for item in items[:_NEWEST]:
        if "payload_bytes" in item and "payload_key" not in item:
            payload = str(runs.get_item(Key={"run_id": item["run_id"]})["Item"]["payload"])
            _show_result(console, item["run_id"], json.loads(payload)["values"])
            break
    return 0


def table(items: list[dict[str, Any]]) -> Table:
    """Return the newest runs as a table of 80 columns at most."""
    caption = f"the newest {_NEWEST} of {len(items)}" if len(items) > _NEWEST else None
    shown = Table(box=box.SIMPLE_HEAD, padding=0, caption=caption)
    for column in ("run_id", "outcome", "source", "size", "created"):
        shown.add_column(column, no_wrap=True)
    for item in items[:_NEWEST]:
        size = _size(int(item["payload_bytes"])) if "payload_bytes" in item else ""
        doubt = "?" if item.get("unverified") or item.get("disputed") else ""
        cells = (item["run_id"], f"{item['outcome']}{doubt}", item["source"], size, _made(item)[11:19])
        shown.add_row(*(Text(logs.plain(str(cell))) for cell in cells))
    return shown


def _made(item: dict[str, Any]) -> str:
    """Return when a run was made, or an unconfirmed one was first reported."""
    return next(str(item[name]) for name in _TIMES if name in item)


def _size(size: int) -> str:
    return f"{size / 1e3:.1f}k" if size < 1e6 else f"{size / 1e6:.1f}M"  # noqa: PLR2004 - a million


def _show_result(console: Console, run_id: str, values: Any) -> None:
    console.print(f"The newest result that stands in its item, of {escape(logs.plain(run_id))}:")
    shown = json.dumps(values, indent=2, ensure_ascii=False)
    with console.capture() as capture:
        console.print(JSONHighlighter()(logs.plain(shown, keep="\n")), no_wrap=True)
    lines = capture.get().splitlines()
    print("\n".join(lines[:_LINES]))
    if len(lines) > _LINES:
        console.print(f"… and {len(lines) - _LINES} lines more")


if __name__ == "__main__":
    try:
        status = main()
    except BrokenPipeError:  # a reader that has seen enough
        sys.stderr.close()
        status = 0
    sys.exit(status)
