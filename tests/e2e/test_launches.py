"""POST /runs against a real LangGraph server."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain.launches import RESERVED

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from tests.e2e.client import Ledger


def test_g1_launch_and_run_are_recorded_at_once(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "answer"}, after_seconds=3600, metadata={"tenant": "a"})
    launch, run = ledger.launch_item(launched["launch_id"]), ledger.run(launched["run_id"])
    assert (launch["state"], launch["run_id"], launch["thread_id"]) == (
        "started",
        launched["run_id"],
        launched["thread_id"],
    )
    assert (run["outcome"], run["source"], run["launch_id"]) == ("pending", "launch", launched["launch_id"])
    assert int(run["due_at"]) > time.time() + 3600
    asked: Any = ledger.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
    assert asked["metadata"]["launch_id"] == launched["launch_id"]
    assert asked["metadata"]["tenant"] == "a"


def test_g2_no_metadata_that_a_run_inherits_stands_in_the_place_of_runledgers_own(ledger: Ledger) -> None:
    """LangGraph makes a run's metadata of its assistant's, its thread's, `config.metadata` and its own."""
    thread_id, inherited = str(uuid.uuid4()), dict.fromkeys(RESERVED, "inherited")
    ledger.langgraph(lambda client: client.threads.create(thread_id=thread_id, metadata={**inherited, "team": "blue"}))
    launched = ledger.launch(input={"task": "answer"}, thread_id=thread_id)
    run: Any = ledger.langgraph(lambda client: client.runs.get(thread_id, launched["run_id"]))
    nonce = ledger.launch_item(launched["launch_id"])["start_nonce"]
    own = {"launch_id": launched["launch_id"], "start_nonce": nonce, "answers_run_id": None, "answer_digest": None}
    assert {name: run["metadata"][name] for name in own} == own
    assert run["metadata"]["team"] == "blue", "it does inherit"


def test_streamed_run_can_be_joined_by_the_ids_in_the_answer(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "slow", "seconds": 2}, stream=True, stream_mode="values")

    async def join(client: LangGraphClient) -> list[Any]:
        stream = client.runs.join_stream(launched["thread_id"], launched["run_id"], last_event_id="-1")
        return [part async for part in stream]

    parts = ledger.langgraph(join)
    assert parts[0].data["run_id"] == launched["run_id"]
    assert parts[-1].data["result"] == "done at last"
    assert ledger.landed(launched["run_id"])["status"] == "success"


def test_streamed_run_that_starts_later_is_answered_at_once(ledger: Ledger) -> None:
    started = time.monotonic()
    launched = ledger.launch(input={"task": "answer"}, stream=True, after_seconds=3600)
    assert ledger.run(launched["run_id"])["outcome"] == "pending"
    assert time.monotonic() - started < 15


def test_runs_on_a_thread_of_the_callers_own_follow_each_other(ledger: Ledger) -> None:
    thread_id = str(uuid.uuid4())
    ledger.langgraph(lambda client: client.threads.create(thread_id=thread_id))
    launches = [
        ledger.launch(input={"task": task}, thread_id=thread_id, multitask_strategy="enqueue")
        for task in ("answer", "fail")
    ]
    assert [ledger.landed(launched["run_id"])["status"] for launched in launches] == ["success", "error"]


def test_busy_thread_is_409(ledger: Ledger) -> None:
    first = ledger.launch(input={"task": "slow", "seconds": 5})
    status, answer = ledger.post_run(
        input={"task": "answer"}, thread_id=first["thread_id"], multitask_strategy="reject", stream=True
    )
    assert (status, answer["type"]) == (409, "urn:runledger:thread-busy")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"assistant_id": str(uuid.uuid4())}, ["/assistant_id"]),
        ({"thread_id": str(uuid.uuid4())}, ["/assistant_id", "/thread_id"]),
        ({"assistant_id": "no-such-graph"}, []),
        ({"config": {"configurable": {"a": 1}}, "context": {"b": 2}}, []),
    ],
)
def test_what_langgraph_refuses_is_422(ledger: Ledger, body: dict[str, Any], pointers: list[str]) -> None:
    status, answer = ledger.post_run(input={"task": "answer"}, **body)
    assert status == 422, answer
    assert [error["pointer"] for error in answer.get("errors", [])] == pointers
    assert "token=" not in str(answer)


def test_g1_fifty_launches_at_once_all_land(ledger: Ledger) -> None:
    with ThreadPoolExecutor(50) as callers:
        launches = list(callers.map(lambda n: ledger.launch(input={"task": "answer"}, stream=n % 2 == 0), range(50)))
    items = [ledger.landed(launched["run_id"]) for launched in launches]
    assert [item["launch_id"] for item in items] == [launched["launch_id"] for launched in launches]
