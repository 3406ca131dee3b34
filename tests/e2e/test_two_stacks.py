"""Two stacks on one LangGraph server never share a launch, a thread or a run (G12)."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.client import Ledger, eventually
from tests.e2e.watched import WatchedStack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def other(ledger: Ledger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Another stack, with tables and keys of its own, on the first one's LangGraph server."""
    with WatchedStack(
        folder=tmp_path_factory.mktemp("other"),
        langgraph_url=ledger.stack.langgraph_url,
        parameters={"AcceptSharedTokens": "true"},
    ) as stack:
        yield Ledger(stack)


def launch(ledger: Ledger, key: str, **body: Any) -> dict[str, Any]:
    url = f"{ledger.stack.apis['Api'].url}/runs"
    headers = {"content-type": "application/json", "idempotency-key": key}
    request = urllib.request.Request(url, json.dumps({"assistant_id": "agent", **body}).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        told: dict[str, Any] = json.loads(answer.read())
    return told


def test_g12_the_same_key_in_two_stacks_starts_two_runs_on_two_threads(ledger: Ledger, other: Ledger) -> None:
    """Also while the first one's run still goes on."""
    assert ledger.ledger_id != other.ledger_id
    first = launch(ledger, "order 4711", input={"task": "slow", "seconds": 3})
    second = launch(other, "order 4711", input={"task": "answer"})
    names = ("launch_id", "run_id", "thread_id")
    assert not {first[name] for name in names} & {second[name] for name in names}
    assert other.landed(second["run_id"])["source"] == "webhook"
    assert ledger.landed(first["run_id"])["source"] == "webhook"
    assert "payload" in other.run(second["run_id"])
    assert ledger.run(second["run_id"]) == other.run(first["run_id"]) == {}
    run: Any = ledger.langgraph(lambda client: client.runs.get(first["thread_id"], first["run_id"]))
    metadata = run["metadata"]
    assert (metadata["launch_id"], metadata["ledger_id"]) == (first["launch_id"], ledger.ledger_id)


def test_g12_what_another_stack_asks_and_answers_is_left_alone(ledger: Ledger, other: Ledger) -> None:
    """The first stack looks again and again at what it has, on the same server."""
    asked = launch(other, "question", input={"task": "ask"})
    eventually(lambda: other.run(asked["run_id"]).get("outcome") == "awaiting_input" or None)
    ledger.stack.recover()
    assert ledger.run(asked["run_id"]) == {}
    status, _ = ledger.post(f"/runs/{asked['run_id']}/resume", {"resume": "yes"})
    assert status == 404
    assert other.run(asked["run_id"])["outcome"] == "awaiting_input"
