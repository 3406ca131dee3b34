"""The sweep puts what is due into the work queue, each item once; nothing is lost where a message is (G1)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain.problems import unavailable
from runledger.domain.retry import TICKET_SECONDS
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.support import CHECK, LEASE_ENDS, NOW, Recovery, claim, client_of, new_id

if TYPE_CHECKING:
    from runledger.domain.ledger import Update
    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.scene import Scene
    from tests.integration.support import Stream

TICKET = CHECK + TICKET_SECONDS


def sweep_at(scene: Scene, seconds: float) -> list[dict[str, Any]]:
    """Let the sweep run so many seconds after the beginning; return the messages that it sent."""
    scene.wall.now = NOW + seconds
    scene.reconcile.enqueue()
    return [record for batch in scene.reconcile.batches() for record in batch]


def bodies(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [json.loads(record["body"]) for record in records]


def test_g1_what_is_due_is_one_message_with_the_time_at_which_it_is_due_again(scene: Scene) -> None:
    run_id, launch_id = scene.launched(), new_id()
    scene.launcher.launches.apply(claim(launch_id, langgraph_url=scene.langgraph.url))
    later = scene.launched(after_seconds=60)
    sent = bodies(sweep_at(scene, 120))
    assert sent == [{"run_id": run_id, "due_at": TICKET}, {"launch_id": launch_id, "due_at": TICKET}]
    assert scene.run(run_id)["due_at"] == TICKET
    assert (scene.aws.launch(launch_id) or {})["due_at"] == TICKET
    assert scene.run(later)["due_at"] == CHECK + 60
    assert scene.output.counts == {}


def test_g1_a_backlog_does_not_grow_by_further_sweeps(scene: Scene) -> None:
    for _ in range(12):
        scene.launched()
    assert [len(sweep_at(scene, seconds)) for seconds in (120, 180, 600)] == [12, 0, 0]


def test_g4_of_two_sweeps_at_once_one_sends_an_item(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other moves each item a moment earlier."""
    for _ in range(3):
        scene.launched()
    apply = scene.reconcile.sweep.parts.runs.apply
    monkeypatch.setattr(scene.reconcile.sweep.parts.runs, "apply", lambda update: (apply(update), apply(update))[1])
    assert sweep_at(scene, 120) == []


def test_g4_a_message_that_comes_twice_is_worked_on_once(scene: Scene) -> None:
    run_id = scene.launched("running")
    records = sweep_at(scene, 120)
    for _ in range(3):
        assert scene.reconcile.bring(records) == []
    assert (scene.run(run_id)["checks"], scene.steps) == (1, ["GET /threads/…/runs/…"])
    assert scene.output.counts == {"superseded": 2}


def test_g4_a_message_that_comes_twice_counts_once_where_the_next_look_is_when_its_ticket_ends(
    load: Load, scene: Scene
) -> None:
    sweep = load("sweep", LangGraphUrl=scene.langgraph.url, MaxCheckSeconds=f"{TICKET_SECONDS}")
    scene.reconcile = Recovery(sweep, load("worker"), scene.aws)
    run_id = scene.launched(is_known=False)
    records = sweep_at(scene, 120)
    for _ in range(3):
        scene.reconcile.bring(records)
    assert (scene.run(run_id)["misses"], scene.run(run_id)["due_at"]) == (1, TICKET + 1)


def test_g1_what_a_webhook_has_ended_meanwhile_is_left_alone(scene: Scene) -> None:
    run_id = scene.launched("error")
    records = sweep_at(scene, 120)
    scene.delivered(run_id, "error")
    scene.reconcile.bring(records)
    assert (scene.run(run_id)["source"], scene.steps) == ("webhook", [])


def test_g1_an_item_that_was_removed_meanwhile_stops_no_other(scene: Scene) -> None:
    removed, other = scene.launched(), scene.launched()
    records = sweep_at(scene, 120)
    table = scene.aws.template.names["RunsTable"]
    scene.aws.client("dynamodb").delete_item(TableName=table, Key={"run_id": {"S": removed}})
    assert scene.reconcile.bring(records) == []
    assert scene.run(other)["outcome"] == "succeeded"
    assert scene.aws.run(removed) is None


def test_g1_where_a_message_is_lost_its_item_is_due_when_the_ticket_ends(scene: Scene) -> None:
    run_id = scene.launched()
    assert len(sweep_at(scene, 120)) == 1  # and no worker ever gets it
    assert scene.run(run_id)["outcome"] == "pending"
    scene.wall.now = float(TICKET)
    scene.reconcile.run()
    assert scene.run(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g1_where_the_queue_takes_nothing_items_are_due_when_their_tickets_end(
    scene: Scene, faults: Faults, kind: str
) -> None:
    runs = [scene.launched() for _ in range(3)]
    with faults.on(client_of(scene.reconcile.sweep.parts.queue), kind, skip=1):  # its depth is read first
        assert sweep_at(scene, 120) == []
    assert scene.output.counts == {"failed": 1}
    assert {scene.run(run_id)["due_at"] for run_id in runs} == {TICKET}
    scene.wall.now = float(TICKET)
    scene.reconcile.run()
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"succeeded"}


def test_g1_messages_that_the_queue_refuses_are_not_taken_for_sent(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.launched()
    refused = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    monkeypatch.setattr(client_of(scene.reconcile.sweep.parts.queue), "send_message_batch", lambda **_: refused)
    sweep_at(scene, 120)
    assert scene.output.counts == {"failed": 1}
    assert any("InternalError" in line.get("detail", "") for line in scene.output.logs)


def test_g1_a_full_queue_takes_no_more_and_the_rest_stays_due(scene: Scene) -> None:
    sweep = scene.reconcile.sweep
    sweep.parts = replace(sweep.parts, most=5)
    runs = [scene.launched() for _ in range(8)]
    scene.wall.now = NOW + 120
    scene.reconcile.enqueue()
    assert sorted(scene.run(run_id)["due_at"] for run_id in runs) == [CHECK] * 3 + [TICKET] * 5
    scene.reconcile.enqueue()
    assert scene.output.counts == {"work_queue_full": 1}
    assert len([record for batch in scene.reconcile.batches() for record in batch]) == 5


def test_g1_a_sweep_without_time_moves_nothing(scene: Scene) -> None:
    run_id = scene.launched()
    scene.wall.now = NOW + 120
    scene.reconcile.enqueue(seconds=15)
    assert scene.run(run_id)["due_at"] == CHECK
    assert scene.output.gauges("oldest_due") == [0, 0]


@pytest.mark.parametrize("body", ["", "null", "[]", '{"run_id": 1, "due_at": 1}', '{"run_id": "a"}', "{"])
def test_g1_a_message_that_is_no_ticket_becomes_a_dead_letter_and_stops_no_other(scene: Scene, body: str) -> None:
    run_id = scene.launched()
    records = sweep_at(scene, 120)
    odd = {**records[0], "messageId": "odd", "body": body}
    assert scene.reconcile.bring([odd, *records]) == [body]
    assert scene.run(run_id)["outcome"] == "succeeded"
    assert scene.output.counts["failed"] == 1


def test_g1_an_outage_makes_no_launch_wait_longer_than_five_minutes_after_its_end(scene: Scene) -> None:
    """However long it lasted: it says nothing about a launch."""
    launches = [new_id() for _ in range(12)]
    for launch_id in launches:
        scene.launcher.launches.apply(claim(launch_id, langgraph_url=scene.langgraph.url))
    scene.langgraph.instead = lambda _: Told(503, "down")
    for minute in range(1, 41):
        scene.pass_at(60 * minute)
    assert {(scene.aws.launch(launch_id) or {})["state"] for launch_id in launches} == {"starting"}
    assert all("checks" not in (scene.aws.launch(launch_id) or {}) for launch_id in launches)
    due = {int((scene.aws.launch(launch_id) or {})["due_at"]) for launch_id in launches}
    assert max(due) <= LEASE_ENDS + 60 * 39 + 300
    scene.langgraph.instead = lambda _: None
    scene.pass_at(60 * 40 + 300)
    assert {(scene.aws.launch(launch_id) or {})["state"] for launch_id in launches} == {"started"}


def test_g10_an_outage_is_asked_about_three_times_and_then_not_for_a_moment(scene: Scene) -> None:
    for _ in range(30):
        scene.launcher.launches.apply(claim(new_id(), langgraph_url=scene.langgraph.url))
    scene.langgraph.instead = lambda _: Told(503, "down")
    scene.pass_at(60)
    assert len(scene.steps) == 3
    scene.pass_at(60 + 300)
    assert len(scene.steps) == 1, "later one asks, and all others wait for it"


def test_g10_what_is_in_the_work_queue_is_not_worked_on_from_the_stream_too(scene: Scene, notify: Stream) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    notify.batches()  # nobody reads them
    scene.wall.now = NOW + 120
    records = sweep_at(scene, 240)
    for batch in notify.batches():
        notify.bring(batch)
    assert (scene.steps, scene.run(run_id)["outcome"]) == ([], "settling")
    scene.reconcile.bring(records)
    assert scene.run(run_id)["outcome"] == "succeeded"
    (change,) = notify.batches()
    notify.bring(change)
    assert "unpublished" not in scene.run(run_id)


def test_g10_a_ledger_that_cannot_be_written_is_no_outage_of_langgraph(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [scene.launched("error") for _ in range(5)]

    def failing(_: Update) -> None:
        raise unavailable("The ledger can't be written (InternalServerError).")

    scene.wall.now = NOW + 120
    scene.reconcile.enqueue()
    (batch,) = scene.reconcile.batches()
    with monkeypatch.context() as patch:
        patch.setattr(scene.launcher.runs, "apply", failing)
        for record in batch:
            scene.reconcile.bring([record])
    assert scene.steps.count("POST /threads/…/history") == len(runs)
