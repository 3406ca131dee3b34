"""Many at once, on the running stack: one run for one key, one transition for one delivery (G2, G4)."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from tests.e2e.client import post

if TYPE_CHECKING:
    from tests.e2e.client import Ledger

CALLERS, DELIVERIES = 50, 20


def test_g2_fifty_callers_with_one_key_start_one_run(ledger: Ledger) -> None:
    body = {"assistant_id": "agent", "input": {"task": "answer"}}
    headers = {"idempotency-key": str(uuid.uuid4())}

    def launch(_: int) -> tuple[int, dict[str, Any]]:
        return post(f"{ledger.stack.apis['Api'].url}/runs", body, headers)

    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(launch, range(CALLERS)))
    assert {status for status, _ in answers} <= {202, 409}
    accepted = [answer for status, answer in answers if status == 202]
    refused = [answer for status, answer in answers if status == 409]
    assert {answer["type"] for answer in refused} <= {"urn:runledger:launch-in-progress"}
    assert len({answer["run_id"] for answer in accepted}) == 1
    status, again = launch(0)
    assert (status, {**again, "outcome": "pending"}) == (202, accepted[0]), "it may have gone on"
    (run,) = ledger.langgraph(lambda client: client.runs.list(accepted[0]["thread_id"]))
    assert run["run_id"] == accepted[0]["run_id"]
    ledger.landed(run["run_id"])


def test_g4_twenty_duplicates_at_once_are_one_transition(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "answer"}, after_seconds=3600)  # LangGraph itself stays silent
    run: dict[str, Any] = dict(
        ledger.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
    )
    body = {**run, "status": "error", "values": {"result": 42}}

    def deliver(_: int) -> tuple[int, dict[str, Any]]:
        return post(run["kwargs"]["webhook"], body)

    with ThreadPoolExecutor(DELIVERIES) as senders:
        answers = list(senders.map(deliver, range(DELIVERIES)))
    assert {status for status, _ in answers} == {200}
    assert sorted(answer["duplicate"] for _, answer in answers) == [False] + [True] * (DELIVERIES - 1)
    item = ledger.run(launched["run_id"])
    assert (item["outcome"], item["source"]) == ("failed", "webhook")
    assert json.loads(ledger.payload(item))["values"] == {"result": 42}
    assert "other_count" not in item
