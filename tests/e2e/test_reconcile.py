"""Runs whose webhook never comes end in the ledger all the same, each with its own result (G1)."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.resources import scan
from tests.e2e.client import Ledger, eventually
from tests.e2e.watched import WatchedStack
from tests.integration.listener import listen

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A stack whose LangGraph server sends no webhook."""
    with WatchedStack(
        folder=tmp_path_factory.mktemp("silent"),
        langgraph_changes={"http": {"disable_webhooks": True}},
        triggers=False,
    ) as stack:
        yield Ledger(stack)


def values(ledger: Ledger, run_id: str) -> Any:
    return json.loads(ledger.payload(ledger.run(run_id)))["values"]


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        ({"task": "answer"}, "succeeded"),
        ({"task": "fail"}, "failed"),
        ({"task": "ask"}, "awaiting_input"),
        ({"task": "large", "bytes": 8_000_000}, "succeeded"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_g1_run_without_a_webhook_ends_in_the_ledger_with_its_result(
    silent: Ledger, given: dict[str, Any], outcome: str, *, stream: bool
) -> None:
    launched = silent.launch(input=given, stream=stream)
    silent.ended(launched)
    silent.stack.recover()
    item = silent.run(launched["run_id"])
    assert (item["outcome"], item["source"]) == (outcome, "reconcile")
    assert values(silent, launched["run_id"])["task"] == given["task"]
    assert "due_at" in item, "to be looked at again: the webhook may still come"
    assert json.loads(item.get("questions", "[]")) == (
        [{"id": json.loads(item["questions"])[0]["id"], "value": {"question": "Shall I go on?"}}]
        if outcome == "awaiting_input"
        else []
    )
    assert "token=k" not in silent.payload(item)
    silent.stack.recover()
    assert ("due_at" in silent.run(launched["run_id"])) == (outcome == "awaiting_input")


def test_g1_result_of_50_mb_is_recorded_within_the_functions_memory(silent: Ledger) -> None:
    launched = silent.launch(input={"task": "large", "bytes": 50_000_000})
    silent.ended(launched)
    silent.stack.recover()
    item = silent.run(launched["run_id"])
    assert item["outcome"] == "succeeded"
    assert len(values(silent, launched["run_id"])["result"]) == 50_000_000
    if Path("/proc").exists():
        assert silent.stack.pools["WorkerFunction"].peak_memory() < 1024 * 0.5


def test_g1_result_that_is_larger_is_left_to_langgraph_and_the_ledger_says_so(silent: Ledger) -> None:
    launched = silent.launch(input={"task": "large", "bytes": 60_000_000})
    silent.ended(launched)
    silent.stack.recover()
    item = silent.run(launched["run_id"])
    assert (item["outcome"], item["result_too_large"]) == ("succeeded", True)
    assert not {"payload", "payload_key"} & set(item)


def test_g1_run_that_is_not_over_is_looked_at_later(silent: Ledger) -> None:
    launched = silent.launch(input={"task": "slow", "seconds": 3})
    silent.ended(launched, "running")
    silent.stack.recover()
    item = silent.run(launched["run_id"])
    assert item["outcome"] == "pending"
    assert item["due_at"] > 1
    silent.ended(launched)
    silent.stack.recover()
    assert silent.run(launched["run_id"])["outcome"] == "succeeded"


def test_g1_run_cancelled_while_pending_is_cancelled_and_no_sign_of_lost_webhooks(silent: Ledger) -> None:
    first = silent.launch(input={"task": "slow", "seconds": 4})
    second = silent.launch(input={"task": "answer"}, thread_id=first["thread_id"], multitask_strategy="enqueue")
    silent.langgraph(lambda client: client.runs.cancel(second["thread_id"], second["run_id"]))
    silent.stack.recover()
    item = silent.run(second["run_id"])
    assert (item["status"], item["outcome"]) == ("interrupted", "cancelled")
    assert values(silent, second["run_id"]) is None


def test_g1_run_whose_thread_was_deleted_is_lost_after_three_misses(silent: Ledger) -> None:
    launched = silent.launch(input={"task": "slow", "seconds": 60})
    silent.ended(launched, "running")
    silent.langgraph(lambda client: client.threads.delete(launched["thread_id"]))
    for outcome in ("pending", "pending", "lost"):
        silent.stack.recover()
        assert silent.run(launched["run_id"])["outcome"] == outcome
    silent.stack.recover()
    assert not {"unpublished", "due_at"} & set(silent.run(launched["run_id"]))


def test_g1_rolled_back_run_is_known_by_its_successor(silent: Ledger) -> None:
    first = silent.launch(input={"task": "slow", "seconds": 60})
    silent.ended(first, "running")
    second = silent.launch(input={"task": "answer"}, thread_id=first["thread_id"], multitask_strategy="rollback")
    silent.ended(second)
    silent.stack.recover()
    assert silent.run(first["run_id"])["outcome"] == "rolled_back"
    assert silent.run(second["run_id"])["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("tasks", "outcomes"),
    [(("ask", "answer"), ("awaiting_input", "succeeded")), (("answer", "ask"), ("succeeded", "awaiting_input"))],
)
def test_g1_two_runs_on_one_thread_end_each_as_itself(
    silent: Ledger, tasks: tuple[str, str], outcomes: tuple[str, str]
) -> None:
    thread_id = str(uuid.uuid4())
    silent.langgraph(lambda client: client.threads.create(thread_id=thread_id))
    runs = [
        silent.launch(input={"task": task}, thread_id=thread_id, multitask_strategy="enqueue")["run_id"]
        for task in tasks
    ]
    silent.ended({"thread_id": thread_id, "run_id": runs[1]})
    silent.stack.recover()
    assert tuple(silent.run(run_id)["outcome"] for run_id in runs) == outcomes
    assert [values(silent, run_id)["task"] for run_id in runs] == list(tasks)


def test_waiting_run_is_answered_after_a_resume_and_abandoned_after_another_input(silent: Ledger) -> None:
    launches = [silent.launch(input={"task": "ask"}) for _ in range(2)]
    for launched in launches:
        silent.ended(launched)
    silent.stack.recover()
    answered, abandoned = launches
    command = silent.launch(command={"resume": "yes"}, assistant_id="agent", thread_id=answered["thread_id"])
    other = silent.launch(input={"task": "answer"}, thread_id=abandoned["thread_id"])
    for launched in (command, other):
        silent.ended(launched)
    silent.stack.recover()
    assert silent.run(answered["run_id"])["outcome"] == "answered"
    assert silent.run(answered["run_id"])["answered_by"] == command["run_id"]
    assert silent.run(abandoned["run_id"])["outcome"] == "abandoned"
    assert silent.run(command["run_id"])["outcome"] == "succeeded"


def test_g1_webhook_target_down_for_longer_than_langgraph_tries(ledger: Ledger) -> None:
    ledger.stack.apis["WebhookApi"].close()
    try:
        launched = ledger.launch(input={"task": "answer"})
        ledger.ended(launched)
        log = ledger.stack.folder / "langgraph.log"
        eventually(lambda: True if log.read_text().count(launched["run_id"]) and gave_up(log.read_text()) else None, 30)
    finally:
        ledger.stack.open_api("WebhookApi")
    assert ledger.run(launched["run_id"])["outcome"] == "pending"
    ledger.stack.recover()
    assert ledger.run(launched["run_id"])["outcome"] == "succeeded"


def gave_up(log: str) -> bool:
    return "webhook" in log.lower() and "connect" in log.lower()


@pytest.fixture(scope="module")
def unread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A stack whose stream nobody reads."""
    with WatchedStack(folder=tmp_path_factory.mktemp("unread"), triggers=False) as stack:
        yield Ledger(stack)


def test_g8_stream_dropped_and_every_run_is_settled_and_told_with_the_webhooks_payload_kept(unread: Ledger) -> None:
    listener = listen(unread.stack.client, unread.stack.template.names["EventBus"])
    runs = [unread.launch(input={"task": task})["run_id"] for task in ("answer", "ask", "fail")]
    payloads = [unread.payload(unread.landed(run_id)) for run_id in runs]
    assert listener.heard() == []
    for _ in range(2):
        unread.stack.recover()
    items = [unread.run(run_id) for run_id in runs]
    assert [item["outcome"] for item in items] == ["succeeded", "awaiting_input", "failed"]
    assert [item["source"] for item in items] == ["webhook"] * 3
    assert [unread.payload(item) for item in items] == payloads
    assert {event_id for _, event_id in listener.heard()} == {f"{item['run_id']}/{item['outcome']}" for item in items}


def test_g1_g2_langgraph_restarted_in_mid_run(unread: Ledger) -> None:
    launched = unread.launch(input={"task": "slow", "seconds": 3})
    unread.ended(launched, "running")
    unread.stack.langgraph.close()
    unread.stack.langgraph.start()
    unread.ended(launched)
    unread.stack.recover()
    assert unread.run(launched["run_id"])["outcome"] in ("succeeded", "settling")
    ours = [run for run in scan(unread.stack.table("RunsTable")) if run["launch_id"] == launched["launch_id"]]
    assert len(ours) == 1
