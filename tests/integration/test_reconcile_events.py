"""G8: each outcome is an event on the bus, sent at least once, in order, and none is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import answer_states, run_states
from tests.integration import faults as kinds
from tests.integration.listener import Listener, listen
from tests.integration.support import CHECK, NOW, client_of

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.scene import Scene


@pytest.fixture
def listener(scene: Scene) -> Listener:
    return listen(scene.aws.client, scene.aws.template.names["EventBus"])


@pytest.mark.parametrize(
    ("status", "name"),
    [
        ("error", "Run Failed"),
        ("timeout", "Run Timed Out"),
        ("interrupted", "Run Cancelled"),
        ("rollback", "Run Rolled Back"),
    ],
)
def test_g8_a_delivered_end_is_told_once(scene: Scene, listener: Listener, status: str, name: str) -> None:
    run_id = scene.launched(status)
    scene.delivered(run_id, status)
    scene.pass_at(119)
    assert listener.heard() == []
    item = scene.look(run_id)
    assert listener.heard() == [(name, f"{run_id}/{item['outcome']}")]
    assert not {"unpublished", "due_at", "due_shard"} & set(item)
    scene.pass_at(86_400)
    assert listener.heard() == []
    assert scene.output.counts == {"published": 1}


def test_g8_a_question_and_its_answer_are_told_in_this_order(scene: Scene, listener: Listener) -> None:
    """Also where the one had not left yet when the other came."""
    run_id = scene.launched("success", next=["ask"])
    scene.delivered(run_id, "success")
    assert scene.look(run_id)["outcome"] == "awaiting_input"
    scene.apply(answer_states.moved_on(run_id, run_id, scene.wall.now))
    item = scene.look(run_id)
    ids = [f"{run_id}/{outcome}" for outcome in ("awaiting_input", "answered")]
    assert listener.heard() == [("Run Awaiting Input", ids[0]), ("Run Answered", ids[1])]
    assert "due_at" not in item


def test_g8_a_run_that_waits_is_told_once_and_looked_at_further(scene: Scene, listener: Listener) -> None:
    run_id = scene.launched("success", next=["ask"])
    for _ in range(5):
        scene.look(run_id)
    assert listener.heard() == [("Run Awaiting Input", f"{run_id}/awaiting_input")]
    assert "due_at" in scene.run(run_id)


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g8_a_bus_that_takes_nothing_is_tried_again_until_it_does(
    scene: Scene, listener: Listener, faults: Faults, kind: str
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    with faults.on(client_of(scene.reconcile.parts.publisher.bus), kind):
        for _ in range(6):
            item = scene.look(run_id)
    assert (item["unpublished"], item["outcome"]) == ({"failed"}, "failed")
    assert scene.output.counts == {"check_failed": 6, "stuck": 2}
    assert scene.look(run_id).get("unpublished") is None
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g1_g8_a_bus_out_of_order_does_not_cost_the_others_their_time(
    scene: Scene, listener: Listener, faults: Faults
) -> None:
    runs = [scene.launched("error") for _ in range(8)]
    for run_id in runs:
        scene.delivered(run_id, "error")
    open_ones = [scene.launched("success") for _ in range(3)]
    with faults.on(client_of(scene.reconcile.parts.publisher.bus), kinds.UNREACHABLE):
        scene.pass_at(120)
    assert {scene.run(run_id)["outcome"] for run_id in open_ones} == {"succeeded"}
    assert scene.output.counts["check_failed"] == 3
    assert {int(scene.run(run_id)["due_at"]) for run_id in runs} == {CHECK + 240}
    scene.pass_at(360)
    assert {run_id for _, run_id in listener.heard()} >= {f"{run_id}/failed" for run_id in runs}


def test_g8_an_entry_that_the_bus_refuses_is_not_taken_for_sent(
    scene: Scene, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    refusal = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException", "ErrorMessage": "no"}]}
    with monkeypatch.context() as patch:
        patch.setattr(client_of(scene.reconcile.parts.publisher.bus), "put_events", lambda **_: refusal)
        assert scene.look(run_id)["unpublished"] == {"failed"}
    assert any("ThrottlingException" in line.get("detail", "") for line in scene.output.logs)
    scene.look(run_id)
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g8_an_event_that_left_and_could_not_be_noted_leaves_again_under_its_id(
    scene: Scene, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    with monkeypatch.context() as patch:
        patch.setattr(run_states, "published", lambda *_: 1 // 0)
        assert scene.look(run_id)["unpublished"] == {"failed"}
    scene.look(run_id)
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")] * 2


def test_g8_an_outcome_that_comes_while_another_is_told_is_told_too(
    scene: Scene, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = scene.launched("success", next=["ask"])
    assert scene.look(run_id)["outcome"] == "awaiting_input"
    made = run_states.published

    def slower(*args: Any) -> Any:
        monkeypatch.setattr(run_states, "published", made)
        scene.apply(answer_states.moved_on(run_id, None, scene.wall.now))
        return made(*args)

    monkeypatch.setattr(run_states, "published", slower)
    scene.look(run_id)
    scene.look(run_id)
    heard = [name for name, _ in listener.heard()]
    assert heard == ["Run Awaiting Input", "Run Awaiting Input", "Run Abandoned"]
    assert "due_at" not in scene.run(run_id)


def test_g8_one_run_that_cannot_be_told_stops_no_other(
    scene: Scene, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [scene.launched("error") for _ in range(4)]
    for run_id in runs:
        scene.delivered(run_id, "error")
    events_of = scene.reconcile.parts.publisher.publish.__func__.__globals__["events_of"]

    def poisoned(run: dict[str, Any]) -> Any:
        return 1 // 0 if run["run_id"] == runs[0] else events_of(run)

    monkeypatch.setitem(scene.reconcile.parts.publisher.publish.__func__.__globals__, "events_of", poisoned)
    scene.wall.now = NOW + 120
    scene.reconcile.run()
    assert sorted(run_id for _, run_id in listener.heard()) == sorted(f"{run_id}/failed" for run_id in runs[1:])
    assert scene.run(runs[0])["due_at"] == CHECK + 240
