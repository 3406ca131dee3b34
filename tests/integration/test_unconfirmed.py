"""What only a token vouches for counts for nothing until the launcher or LangGraph has confirmed it (G11).

LangGraph logs webhook URLs. These are the things that somebody does who reads such a log.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import retry, unconfirmed
from runledger.domain.inspection import Started
from runledger.domain.retry import LEASE_SECONDS
from tests.integration.langgraph_double import Told
from tests.integration.listener import Listener, listen
from tests.integration.support import NOW, claim, delivery, marks, new_id
from tests.integration.test_launch_requests import launch_body, webhook_token

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.scene import Scene
    from tests.integration.support import Aws, Door, Output, Reply, Stream, WallClock, Webhook

GET = "GET /threads/…/runs/…"
SHARED = "shared-key-of-the-tests-0123456789-abcdef"


@pytest.fixture
def listener(scene: Scene) -> Listener:
    return listen(scene.aws.client, scene.aws.template.names["EventBus"])


def post(webhook: Door, aws: Aws, run_id: str, launch_id: str, **changes: Any) -> Reply:
    """Deliver with the token of a launch; the body names the launch too unless told otherwise."""
    token = aws.token(launch_id)
    return webhook.call(delivery(run_id, changes.pop("named", launch_id), token, **changes), f"token={token}")


def unfinished(scene: Scene, **changes: Any) -> str:
    """Have a launch whose launcher said no more after LangGraph was asked."""
    launch_id = new_id()
    update = claim(launch_id, scene.wall.now, langgraph_url=scene.langgraph.url, **changes)
    assert scene.launcher.launches.apply(update) is None
    return launch_id


def in_langgraph(scene: Scene, launch_id: str, **changes: Any) -> str:
    """Have LangGraph know a run of a launch."""
    thread_id = (scene.aws.launch(launch_id) or {})["thread_id"]
    return scene.langgraph.add(thread_id, metadata=marks(launch_id), **changes)


def pass_until_rest(scene: Scene, notify: Stream | None = None, looks: int = 12) -> None:
    """Let reconcile look at whatever is due, a minute later at the earliest."""
    for _ in range(looks):
        items = [*scene.aws.items("RunsTable"), *scene.aws.items("LaunchesTable")]
        due = [int(item["due_at"]) for item in items if "due_at" in item]
        if not due:
            return
        scene.wall.now = max(scene.wall.now + 61, float(min(due)))
        scene.reconcile.run()
        if notify:
            notify.flow()


# ---- deliveries that are faster than the launcher -------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, unconfirmed.INLINE_BYTES])
def test_g11_a_delivery_that_is_faster_than_the_launcher_is_recorded_with_its_run(
    launch: Door, alone: Door, langgraph: LangGraphDouble, aws: Aws, output: Output, size: int
) -> None:
    replies = []

    def deliver(sent: Sent) -> None:
        token, launch_id = webhook_token(sent), sent.body["metadata"]["launch_id"]
        body = delivery(langgraph.run_id, launch_id, token, status="error", values=f'"{"x" * size}"')
        replies.append(alone.call(body, f"token={token}"))
        assert aws.run(langgraph.run_id) is None
        assert (aws.launch(launch_id) or {})["kept_count"] == 1

    langgraph.before_run = deliver
    launched = launch.call(launch_body()).body
    assert [(reply.status, reply.body["recorded"]) for reply in replies] == [(202, False)]
    run, item = aws.run(langgraph.run_id) or {}, aws.launch(launched["launch_id"]) or {}
    assert (run["outcome"], run["source"], run["unverified"]) == ("failed", "webhook", True)
    assert ("payload" in run) == (size < unconfirmed.INLINE_BYTES)
    assert (run["thread_id"], run["launch_id"]) == (launched["thread_id"], launched["launch_id"])
    assert not [name for name in item if name.startswith("kept_about_")]
    assert (item["state"], item["run_id"]) == ("started", langgraph.run_id)
    assert output.counts == {"kept": 1, "delivered": 1, "launched": 1} | (
        {"spilled": 1} if "payload_key" in run else {}
    )


def test_g11_a_delivery_that_comes_between_the_launchers_two_writes_is_recorded_at_once(
    launch: Door, alone: Door, langgraph: LangGraphDouble, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked for, and not there; then the launcher records run and launch; then it is to be kept."""
    tokens: list[str] = []
    langgraph.before_run = lambda sent: tokens.append(webhook_token(sent))
    recorder = alone.parts.receiver.recorder
    apply = recorder.runs.apply
    launched: dict[str, Any] = {}

    def too_early(update: Any) -> Any:
        monkeypatch.setattr(type(recorder.runs), "apply", original)
        found = apply(update)
        launched.update(launch.call(launch_body()).body)
        return found

    original = type(recorder.runs).apply
    run_id = langgraph.run_id
    monkeypatch.setattr(type(recorder.runs), "apply", lambda _, update: too_early(update))
    launch_id = new_id()
    body = delivery(run_id, None, aws.token(launch_id))
    # The launch has to have the id that the token names.
    monkeypatch.setattr(launch.app, "launch_id_of", lambda *_: launch_id)
    reply = alone.call(body, f"token={aws.token(launch_id)}")
    assert launched["run_id"] == run_id
    assert (reply.status, reply.body["outcome"]) == (200, "settling")
    assert (aws.run(run_id) or {})["outcome"] == "settling"
    assert "kept_count" not in (aws.launch(launch_id) or {})


def test_g11_the_launcher_keeps_both_where_a_later_delivery_was_recorded_before_the_kept_one(
    launch: Door, alone: Door, langgraph: LangGraphDouble, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invented delivery is kept; the genuine one comes when the launcher has recorded the run."""
    kind = type(launch.parts.launcher.recorder)
    record = kind.record

    def genuine_first(recorder: Any, kept: Any, *args: Any, **named: Any) -> Any:
        monkeypatch.setattr(kind, "record", record)
        assert alone.call(delivery(kept.run_id, None), f"token={tokens[0]}").body["outcome"] == "settling"
        return record(recorder, kept, *args, **named)

    def invented(sent: Sent) -> None:
        tokens.append(webhook_token(sent))
        body = delivery(langgraph.run_id, None, status="error")
        assert alone.call(body, f"token={tokens[0]}").status == 202
        monkeypatch.setattr(kind, "record", genuine_first)

    tokens: list[str] = []
    langgraph.before_run = invented
    launched = launch.call(launch_body())
    assert launched.status == 202
    run = aws.run(langgraph.run_id) or {}
    assert (run["status"], run["other_status"], run["disputed"]) == ("success", "error", True)
    assert list(aws.objects()) == [run["other_key"]]
    assert not [name for name in aws.launch(launched.body["launch_id"]) or {} if name.startswith("kept_about_")]


def test_g11_a_kept_delivery_is_recorded_by_reconcile_where_the_launcher_died(scene: Scene, alone: Door) -> None:
    launch_id = unfinished(scene)
    run_id = in_langgraph(scene, launch_id, status="error")
    assert post(alone, scene.aws, run_id, launch_id, status="error").status == 202
    scene.pass_at(LEASE_SECONDS)
    run = scene.run(run_id)
    assert (run["outcome"], run["source"]) == ("failed", "webhook")
    assert (scene.aws.launch(launch_id) or {})["run_id"] == run_id


def test_g11_a_launch_says_how_many_unconfirmed_deliveries_it_keeps(scene: Scene, alone: Door, query: Door) -> None:
    launch_id = unfinished(scene)
    run_id = in_langgraph(scene, launch_id, status="error")

    def shown() -> tuple[str, int | None]:
        body = query.get(f"/launches/{launch_id}").body
        return body["outcome"], body.get("unconfirmed_deliveries")

    assert shown() == ("pending", None)
    post(alone, scene.aws, run_id, launch_id, status="error")
    post(alone, scene.aws, new_id(), launch_id, status="error")
    assert shown() == ("pending", 2)
    scene.pass_at(LEASE_SECONDS)
    assert shown() == ("failed", 1), "the launch's own is recorded, the invented one is asked about"
    pass_until_rest(scene, looks=20)
    assert shown() == ("failed", None)


# ---- the run of somebody else ---------------------------------------------------------------------------------------


def test_g11_a_token_cant_claim_the_run_of_another_launch(
    scene: Scene, alone: Door, notify: Stream, listener: Listener
) -> None:
    """While LangGraph has made it and its launcher has not recorded it: the owner's delivery counts, and no other."""
    victim, stranger = unfinished(scene), unfinished(scene)
    run_id = in_langgraph(scene, victim)
    own = in_langgraph(scene, stranger)
    for named in (stranger, None):
        assert post(alone, scene.aws, run_id, stranger, status="error", named=named).status == 202
    assert scene.aws.items("RunsTable") == []
    assert post(alone, scene.aws, run_id, victim).status == 202
    scene.pass_at(LEASE_SECONDS)
    notify.flow()
    pass_until_rest(scene, notify)
    run = scene.run(run_id)
    assert (run["launch_id"], run["outcome"], run["source"]) == (victim, "succeeded", "webhook")
    assert "disputed" not in run
    assert (scene.aws.launch(stranger) or {})["run_id"] == own
    assert scene.output.counts["forged"] == 1
    assert f"{run_id}/failed" not in [event_id for _, event_id in listener.heard()]


@pytest.mark.parametrize("changes", [{"launch_id": "victim"}, {"start_nonce": "another"}])
def test_g11_a_token_cant_claim_another_run_on_its_launchs_thread(
    scene: Scene, alone: Door, changes: dict[str, str]
) -> None:
    """It belongs to another launch, or inherits the metadata of the launch's own run."""
    thread_id = new_id()
    stranger = unfinished(scene, thread_id=thread_id, own_thread=False)
    run_id = scene.langgraph.add(thread_id, metadata=marks(stranger) | changes, status="error")
    assert post(alone, scene.aws, run_id, stranger, status="error").status == 202
    scene.pass_at(LEASE_SECONDS)
    assert scene.aws.run(run_id) is None
    assert scene.output.counts["forged"] == 1
    assert (scene.aws.launch(stranger) or {})["kept_count"] == 0


def test_g11_a_shared_key_cant_claim_a_run_that_a_launcher_has_not_recorded_yet(
    load: Load, launch: Door, langgraph: LangGraphDouble, aws: Aws, output: Output
) -> None:
    webhook = load("webhook", AcceptSharedTokens="true")
    webhook.is_usual = False  # type: ignore[attr-defined]
    aws.add_key("shared-crons", SHARED)
    langgraph.before_run = lambda _: webhook.call(delivery(langgraph.run_id, None, status="error"), f"token={SHARED}")
    launched = launch.call(launch_body()).body
    run = aws.run(langgraph.run_id) or {}
    assert (run["outcome"], run["source"], run["launch_id"]) == ("pending", "launch", launched["launch_id"])
    assert not {"claim", "payload", "payload_sha256", "delivered_at", "unpublished", "error"} & set(run)
    assert output.counts["claimed"] == 1


# ---- any number of invented runs ------------------------------------------------------------------------------------


def test_g11_one_token_keeps_a_few_invented_runs_and_the_genuine_one_is_not_lost(
    scene: Scene, alone: Door, notify: Stream, listener: Listener
) -> None:
    launch_id = unfinished(scene)
    run_id = in_langgraph(scene, launch_id)
    far = {"created_at": "2999-01-01T00:00:00+00:00"}
    statuses = [post(alone, scene.aws, new_id(), launch_id, status="error", **far).status for _ in range(20)]
    assert statuses == [202] * unconfirmed.MAX_OF_LAUNCH + [503] * (20 - unconfirmed.MAX_OF_LAUNCH)
    assert post(alone, scene.aws, run_id, launch_id).problem == "too-many-unconfirmed"
    assert scene.aws.items("RunsTable") == []
    scene.pass_at(LEASE_SECONDS)
    notify.flow()
    pass_until_rest(scene, notify, looks=40)
    assert [run["run_id"] for run in scene.aws.items("RunsTable")] == [run_id]
    assert scene.run(run_id)["outcome"] == "succeeded"
    item = scene.aws.launch(launch_id) or {}
    assert not [name for name in item if name.startswith("kept_about_")]
    assert "due_at" not in item
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]
    assert scene.output.counts["unconfirmed"] == unconfirmed.MAX_OF_LAUNCH
    assert scene.wall.now >= NOW + retry.MISSED_SECONDS, "LangGraph was asked for half an hour"


def test_g11_invented_runs_count_for_nothing_where_a_run_is_lost(scene: Scene, alone: Door) -> None:
    """Of three runs that LangGraph does not know one is ours: it is lost; it was one of the two that it knows of."""
    lost = scene.launched(is_known=False)
    for _ in range(2):
        scene.launched("running", values="")
    launch_id = unfinished(scene)
    in_langgraph(scene, launch_id)
    for _ in range(3):
        post(alone, scene.aws, new_id(), launch_id, status="error")
    for _ in range(12):
        if scene.run(lost)["outcome"] == "lost":
            break
        scene.look(lost)
    assert scene.run(lost)["outcome"] == "lost"
    assert scene.output.counts.get("langgraph_forgets") is None


def test_g11_a_run_without_a_thread_is_refused_for_the_token_of_a_launch(alone: Door, aws: Aws) -> None:
    kwargs = {"webhook": "", "temporary": True}
    launch_id = new_id()
    reply = post(alone, aws, new_id(), launch_id, kwargs=kwargs)
    assert (reply.status, reply.problem) == (400, "temporary-run")
    assert aws.is_empty()


# ---- a launch can't be replaced -------------------------------------------------------------------------------------


def test_g11_an_invented_run_never_takes_the_place_of_a_launchs_own(scene: Scene, alone: Door) -> None:
    launch_id = unfinished(scene)
    post(alone, scene.aws, new_id(), launch_id)
    run_id = in_langgraph(scene, launch_id, status="running", values="")
    scene.pass_at(LEASE_SECONDS)
    assert (scene.aws.launch(launch_id) or {})["run_id"] == run_id
    assert [run["run_id"] for run in scene.aws.items("RunsTable")] == [run_id]


def test_g11_a_launch_whose_run_langgraph_deleted_is_not_started_again_and_ends_unconfirmed(
    scene: Scene, alone: Door, listener: Listener
) -> None:
    launch_id, run_id = unfinished(scene), new_id()
    post(alone, scene.aws, run_id, launch_id, status="rollback")
    pass_until_rest(scene, looks=20)
    assert [step for step in scene.steps if step.startswith(("DELETE", "POST /threads/…/runs"))] == []
    run, item = scene.run(run_id), scene.aws.launch(launch_id) or {}
    assert (run["outcome"], run["status"], run["launch_id"]) == ("unconfirmed", "rollback", launch_id)
    assert (item["state"], item["run_id"]) == ("started", run_id)
    assert not {"due_at", "unpublished"} & set(run)
    assert listener.heard() == []
    assert scene.output.counts["unconfirmed"] == 1


def test_g11_a_caller_who_repeats_is_told_that_the_launch_is_being_confirmed(
    launch: Door, alone: Door, langgraph: LangGraphDouble, aws: Aws, wall: WallClock
) -> None:
    langgraph.runs = Told(cut=True)
    headers = {"Idempotency-Key": "order 4711"}
    launch_id = launch.call(launch_body(), headers=headers).body["launch_id"]
    post(alone, aws, new_id(), launch_id)
    wall.now += LEASE_SECONDS
    reply = launch.call(launch_body(), headers=headers)
    assert (reply.status, reply.problem, reply.body["launch_id"]) == (409, "launch-unconfirmed", launch_id)


# ---- LangGraph decides ----------------------------------------------------------------------------------------------


def test_g11_an_end_is_published_once_one_question_to_langgraph_has_confirmed_it(
    scene: Scene, notify: Stream, listener: Listener
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    assert scene.run(run_id)["unverified"] is True
    notify.flow()
    assert scene.steps == [GET]
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]
    assert not {"unverified", "disputed", "unpublished", "due_at"} & set(scene.run(run_id))


@pytest.mark.parametrize("answer", [Told(503, {"detail": "no"}), Told(404, "<html>no such host</html>")])
def test_g11_while_langgraph_says_nothing_no_end_is_published(
    scene: Scene, notify: Stream, listener: Listener, answer: Told
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    scene.langgraph.instead = lambda _: answer
    notify.flow()
    scene.look(run_id)
    assert listener.heard() == []
    scene.langgraph.instead = lambda _: None
    scene.look(run_id)
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g11_the_end_of_a_run_that_was_deleted_since_is_believed_after_half_an_hour(
    scene: Scene, listener: Listener
) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    scene.delivered(run_id, "error")
    for _ in range(6):
        if "unverified" not in scene.run(run_id):
            break
        assert listener.heard() == []
        scene.look(run_id)
    item = scene.run(run_id)
    assert (item["outcome"], item["confirmed"]) == ("failed", False)
    assert scene.wall.now >= NOW + retry.MISSED_SECONDS
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g11_an_invented_end_of_a_run_that_goes_on_is_taken_back(
    scene: Scene, notify: Stream, listener: Listener, webhook: Door
) -> None:
    run_id = scene.launched("running", values="")
    launch_id = scene.run(run_id)["launch_id"]
    pending = scene.run(run_id)
    scene.delivered(run_id, "error", error={"error": "E", "message": "invented"})
    notify.flow()
    taken_back = scene.look(run_id)
    assert listener.heard() == []
    changed = {"due_at", "due_shard", "updated_at", "metadata"}
    assert {k: v for k, v in taken_back.items() if k not in changed} == {
        k: v for k, v in pending.items() if k not in changed
    }
    assert scene.output.counts["forged"] == 1
    scene.langgraph.known[run_id]["status"] = "success"
    scene.langgraph.checkpoints[run_id] = '[{"values":{"answer":42},"next":[],"tasks":[],"metadata":{}}]'
    assert post(webhook, scene.aws, run_id, launch_id).body["outcome"] == "settling"
    notify.flow()
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]
    assert '"answer":42' in scene.run(run_id)["payload"]


def test_g11_where_a_delivery_contradicts_the_first_one_langgraph_decides(
    scene: Scene, notify: Stream, listener: Listener, webhook: Door
) -> None:
    """The first was invented: its thread and its time, which the launcher knew better, never get in."""
    run_id = scene.launched("success", values='{"answer":42}')
    before = scene.run(run_id)
    invented = {"thread_id": new_id(), "created_at": "1999-01-01T00:00:00+00:00", "assistant_id": "other"}
    scene.delivered(run_id, "error", **invented)
    assert post(webhook, scene.aws, run_id, before["launch_id"]).status == 200
    assert scene.run(run_id)["disputed"] is True
    notify.flow()
    assert listener.heard() == []
    item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["source"]) == ("succeeded", "success", "reconcile")
    assert json.loads(item["payload"])["values"] == {"answer": 42}
    assert {name: item[name] for name in ("thread_id", "created_at", "assistant_id")} == {
        name: before[name] for name in ("thread_id", "created_at", "assistant_id")
    }
    assert item["corrected_from"] == "failed"
    assert not {"error", "disputed", "unverified"} & set(item)
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


@pytest.mark.parametrize(("says", "outcome", "shown"), [("success", "succeeded", None), ("error", "failed", "success")])
def test_g11_the_other_delivery_is_shown_in_langgraphs_word_until_the_run_says_the_same(
    scene: Scene, webhook: Door, query: Door, says: str, outcome: str, shown: str | None
) -> None:
    """No caller knows what `settling` is beside a failure, and none needs to hear of a conflict that is over."""
    run_id = scene.launched(says)
    scene.delivered(run_id, "error")
    assert post(webhook, scene.aws, run_id, scene.run(run_id)["launch_id"]).status == 200
    disputed = query.get(f"/runs/{run_id}").body
    assert (disputed["outcome"], disputed["disputed"], disputed["conflict"]) == ("failed", True, "success")
    scene.look(run_id)
    decided = query.get(f"/runs/{run_id}").body
    assert (decided["outcome"], decided.get("conflict")) == (outcome, shown)


def test_g11_what_is_disputed_since_the_stream_was_written_is_told_to_nobody(
    scene: Scene, notify: Stream, listener: Listener, webhook: Door
) -> None:
    """The record says that LangGraph has confirmed the end; the run, which is read again, is in dispute by now."""
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    (delivered,) = notify.batches()
    assert notify.bring(delivered) == []
    (confirmed,) = notify.batches()
    launch_id = scene.run(run_id)["launch_id"]
    assert post(webhook, scene.aws, run_id, launch_id).status == 200
    assert scene.run(run_id)["disputed"] is True
    assert notify.bring(confirmed) == []
    assert listener.heard() == []


def test_g11_a_published_outcome_is_corrected_by_an_event_of_its_own(
    scene: Scene, notify: Stream, listener: Listener, webhook: Door
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    notify.flow()
    listener.heard()
    scene.langgraph.known[run_id]["status"] = "success"
    assert post(webhook, scene.aws, run_id, scene.run(run_id)["launch_id"]).status == 200
    scene.look(run_id)
    (event,) = listener.events()
    assert (event["detail-type"], event["detail"]["outcome"]) == ("Run Corrected", "succeeded")
    assert (event["detail"]["id"], event["detail"]["corrected_from"]) == (f"{run_id}/corrected/1", "failed")


def test_g11_once_langgraph_has_decided_a_token_changes_nothing_more(
    scene: Scene, webhook: Door, listener: Listener
) -> None:
    run_id = scene.launched("success", values='{"answer":42}')
    launch_id = scene.run(run_id)["launch_id"]
    scene.delivered(run_id, "error")
    post(webhook, scene.aws, run_id, launch_id, status="timeout")
    decided = scene.look(run_id)
    listener.heard()
    for number in range(5):
        assert post(webhook, scene.aws, run_id, launch_id, status="error", values=str(number)).status == 200
    after = scene.run(run_id)
    kept = {name for name in decided if not name.startswith(("other_", "updated_at"))}
    assert {name: after[name] for name in kept} == {name: decided[name] for name in kept}
    assert "disputed" not in after
    assert listener.heard() == []


# ---- shared keys ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shared(load: Load, aws: Aws, scene: Scene) -> Door:
    assert scene
    webhook = load("webhook", AcceptSharedTokens="true")
    webhook.is_usual = False  # type: ignore[attr-defined]
    aws.add_key("shared-crons", SHARED)
    return webhook


def by_shared_key(webhook: Door, run_id: str, **changes: Any) -> Reply:
    return webhook.call(delivery(run_id, None, SHARED, **changes), f"token={SHARED}")


def foreign(scene: Scene, status: str = "success", **changes: Any) -> tuple[str, str]:
    thread_id = new_id()
    return scene.langgraph.add(thread_id, status=status, **changes), thread_id


def test_g11_a_run_of_another_client_is_recorded_once_langgraph_confirms_it(
    scene: Scene, shared: Door, notify: Stream, listener: Listener
) -> None:
    run_id, thread_id = foreign(scene, values='{"answer":42}')
    reply = by_shared_key(shared, run_id, thread_id=thread_id, created_at="2999-01-01T00:00:00Z")
    assert (reply.status, reply.body["recorded"]) == (202, False)
    item = scene.run(run_id)
    assert item["outcome"] == "unconfirmed"
    assert not {"thread_id", "outcome_shard", "launch_id", "created_at", "unpublished"} & set(item)
    notify.flow()
    item = scene.run(run_id)
    assert (item["outcome"], item["source"], item["thread_id"]) == ("succeeded", "webhook", thread_id)
    assert item["created_at"] == "2026-11-22T06:00:00.000000Z", "never later than now"
    assert json.loads(item["payload"])["values"] == {"answer": 42}
    assert "claim" not in item
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


def test_g11_an_invented_run_stays_unconfirmed_and_is_in_no_list(
    scene: Scene, shared: Door, notify: Stream, listener: Listener
) -> None:
    victims_thread = new_id()
    run_id = new_id()
    by_shared_key(shared, run_id, thread_id=victims_thread, created_at="2999-01-01T00:00:00Z", status="error")
    notify.flow()
    pass_until_rest(scene, notify, looks=10)
    item = scene.run(run_id)
    assert item["outcome"] == "unconfirmed"
    assert not {"due_at", "thread_id", "outcome_shard", "unpublished"} & set(item)
    assert scene.wall.now >= NOW + retry.MISSED_SECONDS
    assert scene.output.counts["unconfirmed"] == 1
    assert listener.heard() == []


@pytest.mark.parametrize("thread_id", [None, "../../assistants/search?x=", "thread"])
def test_g11_a_claim_that_names_no_thread_asks_langgraph_nothing(
    scene: Scene, shared: Door, thread_id: str | None
) -> None:
    by_shared_key(shared, new_id(), thread_id=thread_id)
    pass_until_rest(scene, looks=10)
    assert scene.steps == []


def test_g11_a_claimed_end_of_a_run_that_goes_on_makes_it_pending(scene: Scene, shared: Door, notify: Stream) -> None:
    run_id, thread_id = foreign(scene, "running", values="")
    by_shared_key(shared, run_id, thread_id=thread_id, status="error")
    notify.flow()
    item = scene.run(run_id)
    assert (item["outcome"], item["source"], item["thread_id"]) == ("pending", "launch", thread_id)
    assert by_shared_key(shared, run_id, thread_id=thread_id, status="success").body["outcome"] == "settling"


def test_g11_a_shared_key_that_tells_of_a_launchs_run_makes_the_launch_due(
    scene: Scene, shared: Door, notify: Stream
) -> None:
    launch_id = unfinished(scene)
    run_id = in_langgraph(scene, launch_id)
    thread_id = (scene.aws.launch(launch_id) or {})["thread_id"]
    by_shared_key(shared, run_id, thread_id=thread_id)
    notify.flow()
    assert scene.run(run_id)["outcome"] == "unconfirmed"
    assert "heard_at" in (scene.aws.launch(launch_id) or {})
    pass_until_rest(scene, notify)
    assert (scene.run(run_id)["launch_id"], scene.run(run_id)["outcome"]) == (launch_id, "succeeded")


def test_g11_a_run_without_a_thread_is_believed_on_the_shared_key_and_marked(
    scene: Scene, shared: Door, notify: Stream, listener: Listener
) -> None:
    run_id = new_id()
    reply = by_shared_key(shared, run_id, kwargs={"webhook": "", "temporary": True}, thread_id=new_id())
    assert (reply.status, reply.body["outcome"]) == (200, "succeeded")
    item = scene.run(run_id)
    assert (item["confirmed"], item["created_at"]) == (False, "2026-11-22T06:00:00.000000Z")
    assert "thread_id" not in item, "it tops the list of nobody's thread"
    notify.flow()
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


@pytest.mark.parametrize("is_published", [False, True])
def test_g11_a_run_of_a_launch_that_a_shared_key_reports_as_temporary_is_its_launchs_all_the_same(
    scene: Scene, shared: Door, notify: Stream, listener: Listener, *, is_published: bool
) -> None:
    """The report comes between LangGraph's answer to the launcher and the launcher's record."""
    run_id, launch_id, thread_id = new_id(), new_id(), new_id()
    forged = {"kwargs": {"webhook": "", "temporary": True}, "status": "error", "error": {"message": "INVENTED"}}
    assert by_shared_key(shared, run_id, **forged, assistant_id="invented").body["outcome"] == "failed"
    if is_published:
        notify.flow()
        assert listener.heard() == [("Run Failed", f"{run_id}/failed")]
    started = Started(run_id, "agent")
    scene.launcher.record_run(launch_id, thread_id, started, NOW)
    item = scene.run(run_id)
    assert (item["outcome"], item["source"], item["launch_id"]) == ("pending", "launch", launch_id)
    assert (item["thread_id"], item["assistant_id"]) == (thread_id, "agent")
    left = {"payload", "payload_sha256", "error", "error_brief", "confirmed", "ended_at", "delivered_at"} & set(item)
    assert not left, "of what was invented"
    notify.flow()
    corrected = [("Run Corrected", f"{run_id}/corrected/1")] if is_published else []
    assert listener.heard() == corrected


def test_g11_shared_keys_claim_so_many_runs_an_hour(
    scene: Scene, shared: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "MAX_CLAIMS_AN_HOUR", 3)
    assert [by_shared_key(shared, new_id()).status for _ in range(5)] == [202] * 3 + [503] * 2
    scene.wall.now += 3600
    assert by_shared_key(shared, new_id()).status == 202


@pytest.mark.parametrize("marked", [{"launch_id": new_id()}, {}])
def test_g12_the_run_of_another_ledger_is_recognised_and_left_alone(
    scene: Scene, shared: Door, marked: dict[str, str]
) -> None:
    run_id, thread_id = foreign(scene)
    metadata = {**marked, "ledger_id": "another-ledger"}
    reply = by_shared_key(shared, run_id, thread_id=thread_id, metadata={"ledger_id": "another-ledger"})
    assert (reply.status, reply.problem) == (400, "other-ledger")
    scene.langgraph.known[run_id]["metadata"] = metadata  # the body does not say so, LangGraph does
    assert by_shared_key(shared, run_id, thread_id=thread_id).status == 202
    pass_until_rest(scene)
    assert scene.run(run_id)["outcome"] == "unconfirmed"
    assert scene.output.counts["forged"] == 1


def test_g11_a_delivery_for_a_launch_that_the_ledger_has_lost_is_recorded_once_langgraph_confirms_it(
    scene: Scene, alone: Door, notify: Stream
) -> None:
    """As after a restore of the tables to an earlier time."""
    launch_id, thread_id = new_id(), new_id()
    metadata = marks(launch_id)
    run_id = scene.langgraph.add(thread_id, metadata=metadata)
    assert post(alone, scene.aws, run_id, launch_id, thread_id=thread_id).status == 202
    notify.flow()
    assert (scene.run(run_id)["outcome"], scene.run(run_id)["launch_id"]) == ("succeeded", launch_id)


# ---- nothing stays open without end (G14) ---------------------------------------------------------------------------


def pass_for(scene: Scene, seconds: float, notify: Stream | None = None) -> None:
    """Let reconcile look at whatever is due, until so much time has passed."""
    ends = scene.wall.now + seconds
    while scene.wall.now < ends:
        scene.wall.now += seconds / 10
        scene.reconcile.run()
        if notify:
            notify.flow()


@pytest.mark.parametrize(
    "answer", [Told(503, {"detail": "no"}), Told(401, {"detail": "no"}), Told(404, "<html></html>")]
)
def test_g14_an_end_that_langgraph_never_confirms_is_published_when_any_run_would_be_over(
    scene: Scene, notify: Stream, listener: Listener, answer: Told
) -> None:
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    scene.langgraph.instead = lambda _: answer
    notify.flow()
    pass_for(scene, scene.launcher.max_run_seconds - 3600)
    assert listener.heard() == []
    pass_for(scene, 2 * 24 * 3600)
    item = scene.run(run_id)
    assert (item["outcome"], item["confirmed"]) == ("failed", False)
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]
    assert "due_at" not in item


def test_g14_an_end_that_is_confirmed_too_slowly_for_all_at_once_is_asked_about_alone(
    scene: Scene, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runledger.use_cases.perform_runs._EACH_SECONDS", 0.2)
    scene.langgraph.instead = lambda _: time.sleep(0.5)
    run_id = scene.launched("error")
    scene.delivered(run_id, "error")
    scene.look(run_id)
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]
    assert "unverified" not in scene.run(run_id)


def test_g14_a_claim_whose_checkpoint_cannot_be_read_ends_as_any_other_run(
    scene: Scene, shared: Door, notify: Stream, listener: Listener
) -> None:
    """The graph of a cron was taken out of langgraph.json."""
    run_id, thread_id = foreign(scene)
    gone = Told(404, {"detail": "Graph 'agent' not found"})
    scene.langgraph.instead = lambda sent: gone if "history" in sent.path else None
    by_shared_key(shared, run_id, thread_id=thread_id)
    notify.flow()
    assert scene.run(run_id)["outcome"] == "settling"
    pass_until_rest(scene, notify, looks=10)
    item = scene.run(run_id)
    assert (item["outcome"], "Graph 'agent' not found" in item["missing"]) == ("succeeded", True)
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]


def test_g14_a_delivery_that_contradicts_a_run_without_a_thread_holds_nothing_up(
    scene: Scene, shared: Door, notify: Stream, listener: Listener
) -> None:
    """Nobody can be asked about it."""
    run_id = new_id()
    temporary = {"kwargs": {"webhook": "", "temporary": True}, "thread_id": new_id()}
    by_shared_key(shared, run_id, **temporary)
    assert by_shared_key(shared, run_id, **temporary, values='"another"').body["duplicate"] is True
    item = scene.run(run_id)
    assert ("disputed" in item, int(item["other_count"])) == (False, 1)
    notify.flow()
    assert listener.heard() == [("Run Succeeded", f"{run_id}/succeeded")]
    assert "due_at" not in scene.run(run_id)


def test_g11_of_several_invented_runs_one_at_most_ends_a_launch(scene: Scene, alone: Door) -> None:
    launch_id = unfinished(scene)
    for _ in range(unconfirmed.MAX_OF_LAUNCH):
        post(alone, scene.aws, new_id(), launch_id, status="error")
    pass_until_rest(scene, looks=20)
    (run,) = scene.aws.items("RunsTable")
    assert (run["run_id"], run["outcome"]) == ((scene.aws.launch(launch_id) or {})["run_id"], "unconfirmed")
    assert "thread_id" not in run, "it tops the list of no thread"


@pytest.mark.parametrize("by", ["notify", "reconcile"])
def test_g11_a_success_that_langgraph_denies_leaves_nothing_of_its_payload(
    scene: Scene, notify: Stream, listener: Listener, by: str
) -> None:
    run_id = scene.launched("error", values='{"true":1}')
    scene.delivered(run_id, "success", values='{"invented":1}')
    if by == "notify":
        notify.flow()
    scene.look(run_id)
    scene.wall.now += 60
    scene.reconcile.run()
    item = scene.run(run_id)
    assert (item["outcome"], item["status"], item["source"]) == ("failed", "error", "reconcile")
    assert json.loads(item["payload"])["values"] == {"true": 1}
    assert listener.heard() == [("Run Failed", f"{run_id}/failed")]


def test_g11_runs_that_nobody_can_be_asked_about_count_as_claims_and_repeats_count_for_nothing(
    shared: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unconfirmed, "MAX_CLAIMS_AN_HOUR", 2)
    temporary = {"kwargs": {"webhook": "", "temporary": True}}
    first = new_id()
    assert [by_shared_key(shared, first).status for _ in range(5)] == [202] * 5
    second = new_id()
    assert [by_shared_key(shared, second, **temporary).status for _ in range(5)] == [200] * 5
    assert by_shared_key(shared, new_id(), **temporary).problem == "too-many-unconfirmed"


def test_g11_a_kept_delivery_stands_where_its_run_will_have_it_and_nowhere_else(scene: Scene, alone: Webhook) -> None:
    launch_id = unfinished(scene)
    run_id = in_langgraph(scene, launch_id, status="error")
    alone.keep_inline(3_000)
    post(alone, scene.aws, run_id, launch_id, status="error", values=f'"{"x" * 8_000}"')
    scene.pass_at(LEASE_SECONDS)
    item = scene.run(run_id)
    assert "payload" not in item
    assert list(scene.aws.objects()) == [item["payload_key"]]


def test_g11_a_webhook_that_contradicts_what_reconcile_recorded_is_not_said_to_be_lost(
    scene: Scene, webhook: Door
) -> None:
    run_id = scene.launched("error")
    item = scene.look(run_id)
    assert item["webhook_awaited"] is True
    assert post(webhook, scene.aws, run_id, item["launch_id"]).status == 200
    assert "webhook_awaited" not in scene.run(run_id)
    scene.reconcile.run()
    assert "recovered" not in scene.output.counts
