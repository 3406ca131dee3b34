"""A webhook that comes after reconcile had asked, or never (G1, G4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import answer_states, run_states
from runledger.domain.deliveries import Delivery, parse_delivery, payload_of
from runledger.domain.ledger import Placed, shard
from runledger.domain.settling import Seen
from tests.integration import faults as kinds
from tests.integration.support import NOW, client_of, delivery, new_id

if TYPE_CHECKING:
    from runledger.domain.outcomes import Outcome
    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.scene import Scene
    from tests.integration.support import Aws, Door, Output, Reply

STATUSES = {"failed": "error", "timed_out": "timeout", "cancelled": "interrupted", "settling": "paused"}
DUE = {"due_at", "due_shard"}


def recorded(webhook: Door, outcome: Outcome, *, key: str | None = None, too_large: bool = False) -> tuple[str, str]:
    """Have reconcile record a run as ended so; return the ids of its launch and its own."""
    launch_id, run_id = new_id(), new_id()
    made = run_states.pending(
        run_id=run_id, launch_id=launch_id, thread_id="thread", assistant_id="agent", after_seconds=0, now=NOW - 600
    )
    seen = Seen(
        status=STATUSES.get(outcome, "success"),
        outcome=outcome,
        ended_at="2026-11-22T05:50:00.000000Z",
        error=None,
        questions="[]" if outcome == "awaiting_input" else None,
        began=True,
    )
    placed = None if too_large else Placed(payload_of('{"from":"reconcile"}'), key)
    for update in (made, run_states.reconciled(run_id, seen, placed, NOW - 60)):
        assert webhook.parts.receiver.recorder.runs.apply(update) is None
    return launch_id, run_id


def deliver(webhook: Door, aws: Aws, ids: tuple[str, str], status: str, **changes: Any) -> tuple[Reply, str]:
    token = aws.token(ids[0])
    body = delivery(ids[1], ids[0], token, status=status, **changes)
    return webhook.call(body, f"token={token}"), body.replace(token, "")


@pytest.mark.parametrize("key", [None, "runs/l/r/d.json.gz"], ids=["was in the item", "was in the bucket"])
@pytest.mark.parametrize("large", [False, True], ids=["goes to the item", "goes to the bucket"])
def test_g4_a_late_webhook_replaces_payload_and_source(
    webhook: Door, aws: Aws, output: Output, key: str | None, *, large: bool
) -> None:
    ids = recorded(webhook, "failed", key=key)
    values = '"' + "x" * 40_000 + '"' if large else "{}"
    reply, stored = deliver(webhook, aws, ids, "error", values=values, error={"error": "E", "message": "boom"})
    assert (reply.status, reply.body) == (200, {"run_id": ids[1], "outcome": "failed", "duplicate": False})
    item = aws.run(ids[1]) or {}
    assert (item["source"], item["outcome"], item["status"]) == ("webhook", "failed", "error")
    assert item["error"] == {"type": "E", "message": "boom"}
    assert item["delivered_at"] == item["updated_at"] == "2026-11-22T06:00:00.000000Z"
    assert ("payload" in item, "payload_key" in item) == (not large, large)
    assert (aws.objects()[item["payload_key"]]["Body"] if large else item["payload"]) == stored
    assert item["payload_bytes"] == len(stored.encode())
    assert not {"conflict", "webhook_awaited"} & set(item)
    assert item["unpublished"] == {"failed"}
    assert output.counts == {"late": 1}


@pytest.mark.parametrize(
    ("outcome", "status", "kept"),
    [
        ("succeeded", "success", "succeeded"),
        ("awaiting_input", "success", "awaiting_input"),
        ("settling", "success", "settling"),
        ("settling", "error", "failed"),
        ("succeeded", "paused", "succeeded"),
    ],
)
def test_g4_g11_a_late_webhook_changes_only_what_was_not_settled_and_that_is_unverified(
    webhook: Door, aws: Aws, output: Output, outcome: Outcome, status: str, kept: str
) -> None:
    ids = recorded(webhook, outcome)
    before = aws.run(ids[1]) or {}
    reply, stored = deliver(webhook, aws, ids, status)
    assert (reply.status, reply.body["outcome"]) == (200, kept)
    item = aws.run(ids[1]) or {}
    assert (item["outcome"], item["outcome_shard"]) == (kept, f"{kept}#{shard(ids[1])}")
    assert (item["status"], item["source"], item["payload"]) == (status, "webhook", stored)
    assert item.get("unverified") == (True if kept != outcome else None)
    assert not {"conflict", "disputed", "other_count"} & set(item)
    assert item.get("questions") == before.get("questions")
    assert item["due_at"] == before["due_at"]
    assert item.get("unpublished") == ({kept} if kept != "settling" else None), "told once (G8)"
    assert output.counts == {"late": 1} | ({"unknown_status": 1} if status == "paused" else {})
    assert not [line for line in output.logs if line["level"] == "ERROR"]


@pytest.mark.parametrize(
    ("outcome", "status", "reported"),
    [
        ("succeeded", "error", "failed"),
        ("failed", "success", "settling"),
        ("cancelled", "timeout", "timed_out"),
        ("awaiting_input", "error", "failed"),
    ],
)
def test_g4_g11_a_late_webhook_that_contradicts_langgraph_is_kept_beside_its_word_and_langgraph_decides_now(
    webhook: Door, aws: Aws, output: Output, outcome: Outcome, status: str, reported: str
) -> None:
    ids = recorded(webhook, outcome)
    before = aws.run(ids[1]) or {}
    reply, stored = deliver(webhook, aws, ids, status)
    assert (reply.status, reply.body) == (200, {"run_id": ids[1], "outcome": outcome, "duplicate": True})
    item = aws.run(ids[1]) or {}
    assert before.pop("webhook_awaited") is True
    assert item == before | {
        "conflict": status,
        "disputed": True,
        "due_at": int(NOW),
        "other_status": status,
        "other_sha256": item["other_sha256"],
        "other_key": item["other_key"],
        "other_at": "2026-11-22T06:00:00.000000Z",
        "other_count": 1,
        "updated_at": "2026-11-22T06:00:00.000000Z",
    }
    assert aws.objects()[item["other_key"]]["Body"] == stored
    assert output.counts == {"contradicted": 1, "conflict": 1}
    (line,) = (line for line in output.logs if line["level"] == "ERROR")
    assert (line["run_id"], line["recorded"], line["reported"]) == (ids[1], outcome, reported)


def test_g4_a_late_webhook_brings_the_result_that_was_too_large(webhook: Door, aws: Aws) -> None:
    ids = recorded(webhook, "succeeded", too_large=True)
    assert (aws.run(ids[1]) or {})["result_too_large"] is True
    _, stored = deliver(webhook, aws, ids, "success")
    item = aws.run(ids[1]) or {}
    assert item["payload"] == stored
    assert "result_too_large" not in item


def test_g4_a_late_webhook_again_is_a_duplicate_and_another_a_contradiction(
    webhook: Door, aws: Aws, output: Output
) -> None:
    ids = recorded(webhook, "failed")
    deliver(webhook, aws, ids, "error")
    before = aws.run(ids[1]) or {}
    reply, _ = deliver(webhook, aws, ids, "error")
    assert (reply.status, reply.body["duplicate"]) == (200, True)
    assert aws.run(ids[1]) == before
    deliver(webhook, aws, ids, "timeout")
    item = aws.run(ids[1]) or {}
    assert (item["outcome"], item["other_status"], item["payload"]) == ("failed", "timeout", before["payload"])
    assert output.counts == {"late": 1, "duplicate": 1, "contradicted": 1}


def test_g4_a_late_webhook_whose_first_answer_was_lost_is_not_counted_as_contradicting(
    webhook: Door, aws: Aws, faults: Faults
) -> None:
    ids = recorded(webhook, "failed")
    with faults.on(client_of(webhook.parts.receiver.recorder.runs), kinds.ANSWER_LOST, times=1, skip=1):
        reply, stored = deliver(webhook, aws, ids, "error")
    assert (reply.status, reply.body["outcome"]) == (200, "failed")
    item = aws.run(ids[1]) or {}
    assert item["payload"] == stored
    assert not {"other_count", "conflict"} & set(item)


def test_g4_a_run_that_goes_on_while_its_webhook_is_recorded_keeps_where_it_got_to(
    webhook: Door, aws: Aws, output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read as awaiting input, and answered before the webhook's write."""
    ids = recorded(webhook, "awaiting_input")
    made = run_states.superseding

    def slower(*args: Any) -> Any:
        webhook.parts.receiver.recorder.runs.apply(answer_states.moved_on(ids[1], "other", NOW))
        return made(*args)

    monkeypatch.setattr(run_states, "superseding", slower)
    reply, stored = deliver(webhook, aws, ids, "success")
    assert (reply.status, reply.body["outcome"]) == (200, "answered")
    item = aws.run(ids[1]) or {}
    assert (item["outcome"], item["source"], item["payload"]) == ("answered", "webhook", stored)
    assert item["unpublished"] == {"awaiting_input", "answered"}
    assert output.counts == {"late": 1}


def test_another_launch_cannot_supersede_what_reconcile_recorded(webhook: Door, aws: Aws) -> None:
    ids = recorded(webhook, "failed")
    before = aws.run(ids[1])
    reply, _ = deliver(webhook, aws, (new_id(), ids[1]), "error")
    assert (reply.status, reply.problem) == (400, "other-launch")
    assert aws.run(ids[1]) == before


@pytest.mark.parametrize("status", ["error", "success"])
def test_g4_a_webhook_is_recorded_over_a_run_that_was_lost(scene: Scene, load: Load, status: str) -> None:
    run_id = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(run_id)
    webhook = load("webhook")
    ids = (scene.run(run_id)["launch_id"], run_id)
    reply, stored = deliver(webhook, scene.aws, ids, status, created_at=None)
    item = scene.run(run_id)
    assert (reply.status, item["source"], item["payload"]) == (200, "webhook", stored)
    assert item["outcome"] == {"error": "failed", "success": "settling"}[status]
    assert not {"misses", "missed_since"} & set(item)


@pytest.mark.parametrize("status", ["success", "error"])
def test_g1_a_webhook_that_never_came_is_counted_at_the_second_look_and_once(scene: Scene, status: str) -> None:
    run_id = scene.launched(status)
    scene.look(run_id)
    assert scene.output.counts == {"reconciled": 1}
    scene.pass_at(239)
    assert scene.output.counts == {"reconciled": 1}
    item = scene.look(run_id)
    assert scene.output.counts == {"reconciled": 1, "published": 1, "recovered": 1}
    assert not {"webhook_awaited", *DUE} & set(item)
    scene.pass_at(86_400)
    assert scene.output.counts == {"reconciled": 1, "published": 1, "recovered": 1}
    assert scene.steps.count("GET /threads/…/runs/…") == 1


def test_g1_a_run_that_waits_is_counted_once_too_and_looked_at_further(scene: Scene) -> None:
    run_id = scene.launched("success", next=["ask"])
    for _ in range(4):
        scene.look(run_id)
    assert scene.output.counts == {"reconciled": 1, "published": 1, "recovered": 1}
    assert scene.run(run_id)["outcome"] == "awaiting_input"
    assert "due_at" in scene.run(run_id)


@pytest.mark.parametrize(("changes", "status"), [({}, "success"), ({"next": ["ask"]}, "success"), ({}, "error")])
def test_g1_a_webhook_that_came_between_the_looks_is_not_counted_as_lost(
    scene: Scene, load: Load, changes: dict[str, Any], status: str
) -> None:
    run_id = scene.launched(status, **changes)
    item = scene.look(run_id)
    webhook = load("webhook")
    deliver(webhook, scene.aws, (item["launch_id"], run_id), status)
    assert "webhook_awaited" not in scene.run(run_id)
    scene.pass_at(86_400)
    assert scene.output.counts.get("recovered") is None
    assert scene.run(run_id)["outcome"] == item["outcome"]
    assert json.loads(scene.run(run_id)["payload"])["webhook_sent_at"]


def test_g1_a_webhook_in_the_same_moment_as_the_second_look_is_not_counted_as_lost(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look lists the run as awaited; the webhook is recorded before its write."""
    run_id = scene.launched("error")
    item: Any = scene.look(run_id)
    made = run_states.webhook_missing
    told = delivery_of(run_id)

    def slower(*args: Any) -> Any:
        scene.apply(run_states.superseding(*told, item, scene.wall.now))
        return made(*args)

    monkeypatch.setattr(run_states, "webhook_missing", slower)
    assert scene.look(run_id)["source"] == "webhook"
    assert scene.output.counts == {"reconciled": 1, "published": 1}


def delivery_of(run_id: str) -> tuple[Delivery, Placed]:
    told = parse_delivery(delivery(run_id, None, status="error").encode())
    assert isinstance(told, Delivery)
    return told, Placed(told.payload, None)


def test_g4_a_webhook_between_the_look_and_its_record_stands(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    run_id = scene.launched("success", values='{"from":"langgraph"}')
    made = run_states.reconciled

    def slower(*args: Any, **more: Any) -> Any:
        scene.delivered(run_id, "error")
        return made(*args, **more)

    monkeypatch.setattr(run_states, "reconciled", slower)
    item = scene.look(run_id)
    assert (item["source"], item["outcome"]) == ("webhook", "failed")
    assert "from" not in item["payload"]
    assert scene.output.counts == {}


def test_g1_g11_a_run_that_is_delivered_in_time_is_asked_about_once_to_confirm_its_end(scene: Scene) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    for seconds in (120, 86_400, 172_800):
        scene.pass_at(seconds)
    assert scene.steps == ["GET /threads/…/runs/…"]
    assert not {"unverified", "unpublished", "due_at"} & set(scene.run(run_id))


def test_g4_g11_a_run_that_waits_stays_as_its_webhook_left_it_while_langgraph_says_that_it_waits(scene: Scene) -> None:
    """`Running` is what a look at a waiting run answers: it goes on waiting, it was not forged."""
    run_id = scene.launched("success", next=["ask"])
    scene.delivered(run_id, "success")
    for _ in range(4):
        item = scene.look(run_id)
        assert (item["outcome"], item["source"]) == ("awaiting_input", "webhook")
    assert scene.output.counts == {"settled": 1, "published": 1}
    assert not {"corrected", "unverified", "disputed"} & set(item)
