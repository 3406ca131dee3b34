"""G8, G1: seconds after a write, its success is settled and its event has left; what fails holds nothing else up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import run_states
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.use_cases import perform_fresh
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.listener import Listener, listen
from tests.integration.scene import QUESTION
from tests.integration.support import NOW, client_of, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import Sent
    from tests.integration.scene import Scene
    from tests.integration.support import Stream


@pytest.fixture
def listener(scene: Scene) -> Listener:
    return listen(scene.aws.client, scene.aws.template.names["EventBus"])


def failed(scene: Scene, notify: Stream) -> tuple[str, list[dict[str, Any]]]:
    """Have a run fail and LangGraph confirm that; return the run and the records of what is to be told."""
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    (unverified,) = notify.batches()
    assert notify.bring(unverified) == []
    (verified,) = notify.batches()
    scene.langgraph.requests.clear()
    return run_id, verified


def poisoned(scene: Scene) -> str:
    """Have a run in the ledger of which no event can be made."""
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    scene.aws.client("dynamodb").update_item(
        TableName=scene.aws.template.names["RunsTable"],
        Key={"run_id": {"S": run_id}},
        UpdateExpression="SET outcome = :outcome, event_state = :state ADD unpublished :told",
        ExpressionAttributeValues={
            ":outcome": {"S": "answered"},
            ":state": {"S": "unpublished"},
            ":told": {"SS": ["answered"]},
        },
    )
    return run_id


def test_g8_a_delivered_success_is_settled_and_told_at_once(scene: Scene, notify: Stream, listener: Listener) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    notify.flow()
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]
    item = scene.run(run_id)
    assert (item["outcome"], item["source"]) == ("succeeded", "webhook")
    assert not {"unpublished", "due_at", "due_shard"} & set(item)
    assert scene.output.counts == {"settled": 1, "published": 1}
    notify.flow()
    assert listener.heard() == []


def test_g8_a_question_is_told_at_once_with_what_it_asks(scene: Scene, notify: Stream, listener: Listener) -> None:
    run_id = scene.launched("success", next=["ask"], tasks=QUESTION)
    scene.delivered(run_id, "success")
    notify.flow()
    (event,) = listener.events()
    assert (event["detail-type"], event["detail"]["id"]) == ("Run Awaiting Input", f"{run_id}/awaiting_input")
    assert event["detail"]["questions"] == [{"id": "i1", "value": {"question": "Shall I?"}}]
    assert "due_at" in scene.run(run_id)


def test_g8_of_large_questions_the_event_has_the_ids_and_the_bucket_all(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    tasks = [{"id": f"t{at}", "interrupts": [{"id": f"i{at}", "value": "x" * 2_000}]} for at in range(150)]
    run_id = scene.launched("success", next=["ask"] * 150, tasks=tasks)
    scene.delivered(run_id, "success")
    notify.flow()
    (event,) = listener.events()
    assert event["detail"]["questions"] == [{"id": f"i{at}"} for at in range(150)]
    assert event["detail"]["question_count"] == 150
    item = scene.run(run_id)
    key = item["questions_key"]
    assert key.startswith(f"runs/{item['launch_id']}/{run_id}/questions-")
    stored = json.loads(scene.aws.objects()[key]["Body"])
    assert stored == [{"id": f"i{at}", "value": "x" * 2_000} for at in range(150)]


def test_g14_a_checkpoint_that_cannot_be_read_is_left_to_reconcile(scene: Scene, notify: Stream) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    gone = Told(404, {"detail": "Graph 'agent' not found"})
    scene.langgraph.instead = lambda sent: gone if sent.path.endswith("/history") else None
    notify.flow()
    assert scene.run(run_id)["outcome"] == "settling"
    assert "unreadable" not in scene.run(run_id)


def test_g8_g11_a_failure_is_told_at_once_when_langgraph_has_confirmed_it(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    (unverified,) = notify.batches()
    assert notify.bring(unverified) == []
    assert (listener.heard(), scene.steps) == ([], ["GET /threads/…/runs/…"])
    assert "unverified" not in scene.run(run_id)
    notify.flow()
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]
    assert scene.steps == []
    assert not {"unpublished", "due_at", "due_shard"} & set(scene.run(run_id))


def test_g11_a_failure_that_langgraph_contradicts_is_told_nobody_and_left_to_reconcile(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id, "error")
    scene.wall.now += 7
    notify.flow()
    item = scene.run(run_id)
    assert (item["outcome"], item["disputed"], item["due_at"]) == ("failed", True, int(NOW) + 7)
    assert listener.heard() == []
    assert scene.output.counts == {"contradicted": 1}
    assert scene.look(run_id)["outcome"] == "succeeded"
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


def test_g11_while_a_run_goes_on_in_langgraph_its_end_is_told_nobody_and_left_to_reconcile(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    run_id = scene.launched("running")
    scene.delivered(run_id, "error")
    before = scene.run(run_id)
    notify.flow()
    assert scene.run(run_id) == before
    assert listener.heard() == []


def test_a_run_is_shown_as_it_was_once_its_event_has_left(scene: Scene, notify: Stream) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    before = scene.run(run_id)
    scene.wall.now += 60
    notify.flow()
    told = scene.run(run_id)
    assert set(before) - set(told) == {"unpublished", "event_state", "due_at", "due_shard", "unverified"}
    assert told == {name: value for name, value in before.items() if name in told}


def test_g10_what_means_nothing_to_others_does_not_reach_the_function(scene: Scene, notify: Stream) -> None:
    scene.launched("success")
    assert notify.batches() == []


@pytest.mark.parametrize(
    ("status", "asked"),
    [("success", ["GET /threads/…/runs/…", "POST /threads/…/history"]), ("error", ["GET /threads/…/runs/…"])],
)
def test_g10_an_event_costs_four_calls_and_what_a_run_came_to_a_question_or_two(
    scene: Scene, notify: Stream, status: str, asked: list[str]
) -> None:
    made: list[str] = []
    for client in (client_of(notify.parts.launcher.runs), client_of(notify.parts.publisher.bus)):
        client.meta.events.register("before-send", lambda event_name, **_: made.append(event_name.split(".")[-1]))
    run_id = scene.launched(status)
    scene.delivered(run_id, status)
    (uncertain,) = notify.batches()
    notify.bring(uncertain)
    assert (made, scene.steps) == (["UpdateItem"], asked)
    made.clear()
    (told,) = notify.batches()
    notify.bring(told)
    assert (made, scene.steps) == (["GetItem", "PutEvents", "GetItem", "UpdateItem"], [])
    assert notify.batches() == []


def test_g8_what_another_hand_has_written_is_published_though_it_is_not_due(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    run_id = scene.remembered(unpublished={"succeeded"})
    notify.flow()
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]
    assert "unpublished" not in scene.run(run_id)


def test_g10_of_a_run_that_was_written_twice_langgraph_is_asked_once(scene: Scene, notify: Stream) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id)
    scene.apply(run_states.doubled(run_id, scene.run(run_id)["launch_id"], scene.wall.now))
    (batch,) = notify.batches()
    scene.steps.clear()
    assert notify.bring(batch) == []
    assert scene.steps == ["GET /threads/…/runs/…", "POST /threads/…/history"]


def test_g8_the_stream_read_twice_tells_once(scene: Scene, notify: Stream, listener: Listener) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    for _ in ("unverified", "verified"):
        (batch,) = notify.batches()
        for _ in range(3):
            assert notify.bring(batch) == []
    assert notify.batches() == []
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g8_the_stream_dropped_every_event_leaves_by_the_work_queue(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    ends = {"success": "succeeded", "error": "failed", "timeout": "timed_out", "interrupted": "cancelled"}
    runs = {scene.launched(status): status for status in ends}
    for run_id, status in runs.items():
        scene.delivered(run_id, status)
    assert notify.batches()  # and nobody reads them
    for seconds in (120, 240):
        scene.pass_at(seconds)
    assert {told for _, told in listener.heard()} == {f"{run_id}/{ends[status]}" for run_id, status in runs.items()}


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g8_what_the_bus_does_not_take_is_repeated_until_it_does(
    scene: Scene, notify: Stream, listener: Listener, faults: Faults, kind: str
) -> None:
    run_id, batch = failed(scene, notify)
    scene.wall.now += 59
    with faults.on(client_of(notify.parts.publisher.bus), kind):
        assert notify.bring(batch) == [run_id]
    assert scene.output.counts == {}
    assert notify.bring(batch) == []
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g8_a_poisoned_record_holds_nobody_up_and_is_left_to_the_work_queue_after_a_minute(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    notify.batches()
    bad = poisoned(scene)
    good = [scene.launched("error") for _ in range(3)]
    for run_id in good:
        scene.delivered(run_id, "error")
    (batch,) = notify.batches()
    assert notify.bring(batch) == [bad]
    (verified,) = notify.batches()
    assert notify.bring([*batch, *verified]) == [bad]
    assert {told for _, told in listener.heard()} == {f"{run_id}/failed" for run_id in good}
    scene.wall.now += 60
    assert notify.bring(batch) == []
    assert scene.output.counts["failed"] == 1
    assert listener.heard() == []
    assert {"unpublished", "due_at"} <= set(scene.run(bad))


def test_g8_no_event_is_begun_that_may_not_end(scene: Scene, notify: Stream, listener: Listener) -> None:
    run_id, batch = failed(scene, notify)
    assert notify.bring(batch, seconds=27) == [run_id]
    assert listener.heard() == []


def test_g11_no_question_is_begun_that_may_not_end(scene: Scene, notify: Stream) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    (batch,) = notify.batches()
    assert notify.bring(batch, seconds=27) == []
    assert scene.steps == []
    assert scene.run(run_id)["unverified"] is True


@pytest.mark.parametrize(
    "told",
    [
        Told(500, {"detail": "no"}),
        Told(401, {"detail": "no"}),
        Told(404, {"detail": "not found"}),
        Told(200, []),
        Told(200, {"run_id": 1, "status": "success"}),
        Told(cut=True),
    ],
    ids=["broken", "refused", "gone", "rubbish", "another", "cut"],
)
def test_g8_what_cannot_be_settled_is_left_to_the_work_queue_and_holds_nobody_up(
    scene: Scene, notify: Stream, listener: Listener, told: Told
) -> None:
    bad, good, failed = (scene.launched(status) for status in ("success", "success", "error"))
    scene.delivered(bad, "success")
    scene.delivered(good, "success")
    scene.delivered(failed, "error")

    def instead(sent: Sent) -> Told | None:
        return told if bad in sent.path else None

    scene.langgraph.instead = instead
    notify.flow()
    assert scene.run(bad)["outcome"] == "settling"
    assert {event_id for _, event_id in listener.heard()} == {f"{good}/succeeded", f"{failed}/failed"}
    scene.langgraph.instead = lambda _: None
    assert scene.look(bad)["outcome"] == "succeeded"


def test_g8_langgraph_silent_holds_no_event_up(
    scene: Scene, notify: Stream, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perform_fresh, "_EACH_SECONDS", 0.2)
    known, told = failed(scene, notify)
    silent, doubtful = scene.launched("success"), scene.launched("error")
    scene.delivered(silent, "success")
    scene.delivered(doubtful, "error")
    scene.langgraph.instead = lambda _: Told(silent=True)
    (asked,) = notify.batches()
    assert notify.bring([*asked, *told]) == []
    notify.flow()
    assert listener.heard() == [("Run Failed", f"{known}/failed")]
    assert scene.run(silent)["outcome"] == "settling"
    assert scene.run(doubtful)["unverified"] is True


def test_g8_langgraphs_secret_unreadable_holds_no_event_up(
    scene: Scene, notify: Stream, listener: Listener, faults: Faults
) -> None:
    known, told = failed(scene, notify)
    settling, doubtful = scene.launched("success"), scene.launched("error")
    scene.delivered(settling, "success")
    scene.delivered(doubtful, "error")
    (asked,) = notify.batches()
    notify.parts.launcher.servers._secret.forget()  # noqa: SLF001 - as a cold start
    with faults.on(client_of(notify.parts.launcher.servers._secret), kinds.BROKEN):  # noqa: SLF001 - to fail
        assert notify.bring([*asked, *told]) == []
        notify.flow()
    assert listener.heard() == [("Run Failed", f"{known}/failed")]
    assert scene.run(settling)["outcome"] == "settling"
    assert scene.run(doubtful)["unverified"] is True


def test_a_key_that_langgraph_refuses_is_read_anew(scene: Scene, notify: Stream) -> None:
    scene.aws.put_secret("LangGraphApiKeySecret", "an-old-key")
    first, second = scene.launched("success"), scene.launched("success")
    scene.delivered(first, "success")
    scene.langgraph.instead = lambda sent: None if sent.headers.get("x-api-key") == "a-new-key" else Told(401, {})
    notify.flow()
    scene.aws.put_secret("LangGraphApiKeySecret", "a-new-key")
    scene.delivered(second, "success")
    notify.flow()
    assert (scene.run(first)["outcome"], scene.run(second)["outcome"]) == ("settling", "succeeded")


def test_g8_a_ledger_that_is_unavailable_has_an_event_come_again_within_the_minute(
    scene: Scene, notify: Stream, listener: Listener, faults: Faults
) -> None:
    known, told = failed(scene, notify)
    settling, doubtful = scene.launched("success"), scene.launched("error")
    scene.delivered(settling, "success")
    scene.delivered(doubtful, "error")
    (asked,) = notify.batches()
    batch = [*asked, *told]
    with faults.on(client_of(notify.parts.launcher.runs), kinds.THROTTLED):
        assert notify.bring(batch) == [known]
    assert notify.bring(batch) == []
    notify.flow()
    ends = {f"{known}/failed", f"{settling}/succeeded", f"{doubtful}/failed"}
    assert {event_id for _, event_id in listener.heard()} == ends


def test_g4_the_stream_and_the_work_queue_settle_once(scene: Scene, notify: Stream, listener: Listener) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    (batch,) = notify.batches()
    scene.pass_at(120)
    assert notify.bring(batch) == []
    notify.flow()
    scene.pass_at(400)
    assert scene.output.counts["settled"] == 1
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


@pytest.mark.parametrize(
    ("status", "heard"), [("success", ["succeeded"]), ("error", ["failed"]), ("paused", [])], ids=str
)
def test_g11_a_run_without_a_thread_is_told_on_its_webhooks_word_and_langgraph_not_asked(
    scene: Scene, notify: Stream, listener: Listener, status: str, heard: list[str]
) -> None:
    run_id = new_id()
    told = parse_delivery(delivery(run_id, None, status=status, kwargs={"temporary": True}).encode())
    assert isinstance(told, Delivery)
    scene.apply(run_states.believed(told, Placed(told.payload, None), scene.langgraph.url, scene.wall.now))
    notify.flow()
    assert [event_id for _, event_id in listener.heard()] == [f"{run_id}/{outcome}" for outcome in heard]
    assert scene.steps == []
    assert scene.run(run_id)["confirmed"] is False


def test_g5_langgraphs_key_is_kept_out_of_the_log(scene: Scene, notify: Stream) -> None:
    scene.aws.put_secret("LangGraphApiKeySecret", "a-secret-key")
    run_id = scene.launched("success")
    scene.delivered(run_id, "success")
    scene.langgraph.instead = lambda _: Told(422, {"detail": "the key a-secret-key is odd"})
    notify.flow()
    assert any("is odd" in line.get("detail", "") for line in scene.output.logs)
    assert not any("a-secret-key" in json.dumps(line) for line in scene.output.logs)
    assert scene.wall.now == NOW
