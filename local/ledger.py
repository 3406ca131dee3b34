"""`make ledger`: the running stack's Runs table, newest first, and the newest result."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich import box
from rich.console import Console
from rich.json import JSON
from rich.table import Table

from local import resources, running

_NEWEST = 20


def main() -> int:
    """Print the ledger; return the exit status."""
    stack = running.read()
    if stack is None:
        print("No stack runs here; start one with make up.")
        return 1
    dynamodb = resources.session().resource("dynamodb", endpoint_url=stack["aws_endpoint_url"])
    items: list[dict[str, Any]] = dynamodb.Table(stack["resources"]["RunsTable"]).scan()["Items"]
    items.sort(key=lambda item: str(item["created_at"]), reverse=True)
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("run_id", "outcome", "status", "bytes", "created_at"):
        table.add_column(column, no_wrap=True)
    for item in items[:_NEWEST]:
        size = str(item.get("payload_bytes", ""))
        table.add_row(item["run_id"], item["outcome"], item["status"], size, str(item["created_at"])[:19])
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(table)
    for item in items:
        if "payload" in item:
            console.print(f"The newest result in the table, of {item['run_id']}:")
            console.print(JSON(json.dumps(json.loads(str(item["payload"]))["values"])))
            break
    return 0


if __name__ == "__main__":
    sys.exit(main())
