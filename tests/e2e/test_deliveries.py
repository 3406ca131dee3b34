"""Each way in which a real run ends and sends a webhook, and what the ledger then says (G1, G3, G4, G5)."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local.resources import scan
from tests.e2e.client import JOB_SECONDS, eventually

if TYPE_CHECKING:
    from tests.e2e.client import Ledger


@pytest.fixture(scope="module", autouse=True)
def crons(ledger: Ledger) -> dict[str, str]:
    """Create crons as early as can be, because they run on the next full minute: by what becomes of their threads."""

    def create(keeps: Any) -> str:
        created: Any = ledger.langgraph(
            lambda client: client.crons.create(
                "agent",
                schedule="* * * * *",
                input={"task": "answer"},
                webhook=ledger.shared_webhook,
                on_run_completed=keeps,
            )
        )
        return str(created["cron_id"])

    return {keeps: create(keeps) for keeps in ("delete", "keep")}


def result_of(ledger: Ledger, item: dict[str, Any]) -> Any:
    return json.loads(ledger.payload(item))["values"]


@pytest.mark.parametrize("stream", [False, True])
def test_g1_finished_run_lands_with_its_result(ledger: Ledger, *, stream: bool) -> None:
    launched = ledger.launch(input={"task": "answer"}, stream=stream)
    item = ledger.landed(launched["run_id"])
    assert (item["status"], item["launch_id"]) == ("success", launched["launch_id"])
    assert ledger.told(launched["run_id"])["outcome"] == "succeeded"
    assert result_of(ledger, item)["result"]["sum"] == 0.1 + 0.2
    assert "9223372036854775807" in ledger.payload(item)


def test_g1_run_that_asks_a_person_is_awaiting_input_not_succeeded(ledger: Ledger) -> None:
    item = ledger.told(ledger.launch(input={"task": "ask"})["run_id"])
    assert (item["status"], item["outcome"], item["source"]) == ("success", "awaiting_input", "webhook")
    assert item["due_shard"]


def test_g1_failed_run_lands_with_its_error(ledger: Ledger) -> None:
    item = ledger.landed(ledger.launch(input={"task": "fail"})["run_id"])
    assert (item["status"], item["outcome"]) == ("error", "failed")
    assert item["error"] == {"type": "ValueError", "message": "the task was to fail"}


def test_g1_run_over_the_servers_limit_lands_as_timed_out(ledger: Ledger) -> None:
    item = ledger.landed(ledger.launch(input={"task": "slow", "seconds": JOB_SECONDS * 20})["run_id"], JOB_SECONDS * 8)
    assert (item["status"], item["outcome"]) == ("timeout", "timed_out")


def test_g1_cancelled_run_lands_as_cancelled(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "slow", "seconds": 60})
    wait_until_running(ledger, launched)
    ledger.langgraph(lambda client: client.runs.cancel(launched["thread_id"], launched["run_id"]))
    item = ledger.landed(launched["run_id"])
    assert (item["status"], item["outcome"]) == ("interrupted", "cancelled")


@pytest.mark.parametrize(
    ("strategy", "status", "outcome"),
    [("interrupt", "interrupted", "cancelled"), ("rollback", "rollback", "rolled_back")],
)
def test_g1_superseded_run_and_its_successor_both_land(
    ledger: Ledger, strategy: str, status: str, outcome: str
) -> None:
    first = ledger.launch(input={"task": "slow", "seconds": 60})
    wait_until_running(ledger, first)
    second = ledger.launch(input={"task": "answer"}, thread_id=first["thread_id"], multitask_strategy=strategy)
    assert [ledger.landed(first["run_id"])[name] for name in ("status", "outcome")] == [status, outcome]
    assert ledger.told(second["run_id"])["outcome"] == "succeeded"


def test_g1_stateless_run_with_a_shared_token_lands_as_succeeded(ledger: Ledger) -> None:
    run = ledger.langgraph(
        lambda client: client.runs.create(None, "agent", input={"task": "answer"}, webhook=ledger.shared_webhook)
    )
    item = ledger.landed(run["run_id"])
    assert (item["status"], item["outcome"]) == ("success", "succeeded")
    assert "launch_id" not in item
    assert result_of(ledger, item) is None


def test_g6_run_of_another_client_on_a_launched_thread_lands_too(ledger: Ledger) -> None:
    """A run inherits its thread's metadata; it must not look as if it were the launch's."""
    launched = ledger.launch(input={"task": "answer"})
    ledger.landed(launched["run_id"])
    other = ledger.langgraph(
        lambda client: client.runs.create(
            launched["thread_id"], "agent", input={"task": "answer"}, webhook=ledger.shared_webhook
        )
    )
    assert "launch_id" not in ledger.landed(other["run_id"])


@pytest.mark.parametrize(("size", "place"), [(100, "payload"), (10_000, "payload_key"), (3_000_000, "payload_key")])
def test_g3_small_results_stand_in_the_item_and_large_ones_in_the_bucket(ledger: Ledger, size: int, place: str) -> None:
    item = ledger.landed(ledger.launch(input={"task": "large", "bytes": size})["run_id"])
    assert place in item
    text = ledger.payload(item)
    assert len(text.encode()) == item["payload_bytes"]
    assert json.loads(text)["values"]["result"] == "x" * size


def test_g5_token_is_neither_in_the_ledger_nor_in_the_answer(ledger: Ledger) -> None:
    launched = ledger.launch(input={"task": "answer"})
    item = ledger.landed(launched["run_id"])
    stored = f"{item} {ledger.payload(item)} {ledger.launch_item(launched['launch_id'])} {launched}"
    run = ledger.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
    sent: Any = run
    token = sent["kwargs"]["webhook"].partition("token=")[2]
    assert token.split(".")[1] == launched["launch_id"]
    assert token.split(".")[3] not in stored
    assert json.loads(ledger.payload(item))["kwargs"]["webhook"] == f"{ledger.stack.webhook_url}?token="


def test_the_question_of_a_run_of_another_client_is_answered_by_a_launch(ledger: Ledger) -> None:
    thread = ledger.langgraph(lambda client: client.threads.create())
    asked = ledger.langgraph(
        lambda client: client.runs.create(
            thread["thread_id"], "agent", input={"task": "ask"}, webhook=ledger.shared_webhook
        )
    )
    assert ledger.told(asked["run_id"])["outcome"] == "awaiting_input"
    status, reply = ledger.post(f"/runs/{asked['run_id']}/resume", {"resume": "yes"})
    assert status == 202
    item = ledger.told(reply["run_id"])
    assert (item["outcome"], item["launch_id"]) == ("succeeded", reply["launch_id"])
    assert result_of(ledger, item)["result"] == "A person said: yes"
    assert ledger.launch_item(reply["launch_id"])["run_id"] == reply["run_id"]
    first = ledger.told(asked["run_id"])
    assert (first["outcome"], first["answered_by"]) == ("answered", reply["run_id"])
    assert "launch_id" not in first


@pytest.mark.parametrize(("keeps", "result"), [("delete", False), ("keep", True)])
def test_g1_cron_with_a_shared_token_lands_and_has_its_result_where_its_thread_is_kept(
    ledger: Ledger, crons: dict[str, str], keeps: str, *, result: bool
) -> None:
    """The last test here, so that the minute is over."""
    cron = crons[keeps]

    def of_the_cron() -> dict[str, Any] | None:
        for item in scan(ledger.stack.table("RunsTable")):
            is_written = "payload" in item  # moto shows an item while it is being made
            if is_written and "launch_id" not in item and cron in ledger.payload(item):
                return dict(item)
        return None

    item = ledger.told(eventually(of_the_cron, 90)["run_id"])
    assert (item["status"], item["outcome"]) == ("success", "succeeded")
    assert (result_of(ledger, item) is not None) is result


def wait_until_running(ledger: Ledger, launched: dict[str, Any]) -> None:
    """A run that is cancelled before it begins sends no webhook."""

    def running() -> bool | None:
        run = ledger.langgraph(lambda client: client.runs.get(launched["thread_id"], launched["run_id"]))
        return run["status"] == "running" or None

    assert eventually(running)
    assert uuid.UUID(launched["run_id"])
