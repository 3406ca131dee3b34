"""Gathers what is judged: from the tables, the bucket, LangGraph's own API, its deliveries, and the bus."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from local.resources import scan
from tests.chaos.judge import Evidence
from tests.e2e.client import Ledger

if TYPE_CHECKING:
    from local.stack import Stack
    from tests.chaos.callers import Launch
    from tests.integration.listener import Listener

_PAGE = 100


def record_deliveries(stack: Stack) -> dict[str, set[str]]:
    """Note each body that comes to the webhook, by run, whatever becomes of it there."""
    received: dict[str, set[str]] = defaultdict(set)
    pool = stack.pools["WebhookFunction"]
    invoke = pool.invoke

    def heard(event: dict[str, Any]) -> Any:
        text = base64.b64decode(event["body"]).decode() if event["isBase64Encoded"] else event["body"]
        received[json.loads(text)["run_id"]].add(text)
        return invoke(event)

    setattr(pool, "invoke", heard)  # noqa: B010 - in place of its method
    return received


def gather(stack: Stack, asked: list[Launch], received: dict[str, set[str]], listener: Listener) -> Evidence:
    """Return all that there is when the stack is at rest."""
    ledger = Ledger(stack)
    runs = {run["run_id"]: run for run in scan(stack.table("RunsTable"))}
    listed = {run["run_id"]: run for thread in _threads(stack) for run in _runs(stack, thread)}
    return Evidence(
        asked=asked,
        launches=list(scan(stack.table("LaunchesTable"))),
        runs=runs,
        payloads={
            run_id: ledger.payload(run) for run_id, run in runs.items() if {"payload", "payload_key"} & run.keys()
        },
        listed=listed,
        values={run_id: _values(stack, run) for run_id, run in listed.items()},
        received=received,
        events=[{**event["detail"], "detail-type": event["detail-type"]} for event in listener.events()],
    )


def _threads(stack: Stack) -> list[str]:
    found: list[str] = []
    while page := _ask(stack, "/threads/search", {"limit": _PAGE, "offset": len(found), "select": ["thread_id"]}):
        found += [thread["thread_id"] for thread in page]
    return found


def _runs(stack: Stack, thread_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _ask(stack, f"/threads/{thread_id}/runs?limit={_PAGE}")
    return found


def _values(stack: Stack, run: dict[str, Any]) -> Any:
    history = _ask(stack, f"/threads/{run['thread_id']}/history", {"limit": 1, "metadata": {"run_id": run["run_id"]}})
    return history[0]["values"] if history else None


def _ask(stack: Stack, path: str, body: Any = None) -> Any:
    """Ask LangGraph; every number of the answer stays as it is written."""
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{stack.langgraph_url}{path}", content, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read(), parse_float=str, parse_int=str)
