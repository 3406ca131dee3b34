"""A launch as a task of Step Functions: told when the launch, not a run, is over or refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from moto.core.config import default_user_config

from runledger.domain import unconfirmed
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.retry import LEASE_SECONDS
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.scene import QUESTION
from tests.integration.state_machines import Task, causes_sent, refuse, wait_for_token
from tests.integration.support import NOW, client_of, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.scene import Scene
    from tests.integration.support import Door, Output, Reply, Stream, Webhook

KEY = "order-4711"


@pytest.fixture(autouse=True)
def _executing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(default_user_config, "stepfunctions", {"execute_state_machine": True})


@pytest.fixture
def task(_executing: None, scene: Scene) -> Task:
    return wait_for_token(scene.aws.client)


def post(launch: Door, token: str | None, key: str = KEY, **more: Any) -> Reply:
    body = {"assistant_id": "agent", "input": {"a": 0.1}, **more}
    body |= {"callback": {"task_token": token}} if token else {}
    return launch.call(json.dumps(body), headers={"idempotency-key": key})


def ended(scene: Scene, launched: Reply, status: str = "success", values: str = '{"answer":42}', **changes: Any) -> str:
    """Have a run end and its webhook come."""
    run_id = str(launched.body["run_id"])
    thread_id = scene.run(run_id)["thread_id"]
    scene.langgraph.known.pop(run_id)
    scene.langgraph.add(thread_id, run_id=run_id, status=status, values=values, **changes)
    scene.delivered(run_id, status, values=values)
    return run_id


def large(webhook: Webhook, scene: Scene, launched: Reply, size: int, inline: int = 1) -> None:
    """Have a run end with a result of so many bytes, which stands in the item up to `inline`."""
    webhook.keep_inline(inline)
    run_id, launch_id = launched.body["run_id"], launched.body["launch_id"]
    scene.langgraph.known[run_id]["status"] = "success"
    token = scene.aws.token(launch_id)
    body = delivery(run_id, launch_id, token, values=f'"{"x" * size}"', thread_id=launched.body["thread_id"])
    assert webhook.call(body, f"token={token}").status == 200


def item(scene: Scene, launched: Reply) -> dict[str, Any]:
    found = scene.aws.launch(launched.body["launch_id"])
    assert found
    return found


def test_a_success_is_the_run_as_it_is_shown(launch: Door, scene: Scene, notify: Stream, task: Task) -> None:
    launched = post(launch, task.token, metadata={"order": 1.0})
    assert task.waits
    run_id = ended(scene, launched)
    notify.flow()
    error, output = task.ended()
    assert error == ""
    assert (output["run_id"], output["outcome"]) == (run_id, "succeeded")
    assert output["launch_id"] == launched.body["launch_id"]
    assert output["payload"]["values"] == {"answer": 42}
    assert output["metadata"] == {"order": 1.0}
    assert output["links"]["launch"] == launched.body["links"]["launch"]
    assert scene.output.counts["called_back"] == 1


@pytest.mark.parametrize(
    ("status", "error"), [("error", "RunFailed"), ("timeout", "RunTimedOut"), ("interrupted", "RunCancelled")]
)
def test_a_failure_has_an_error_and_its_cause(
    launch: Door, scene: Scene, notify: Stream, task: Task, status: str, error: str
) -> None:
    causes = causes_sent(client_of(notify.parts.publisher.callbacks.tasks))
    launched = post(launch, task.token)
    run_id = ended(scene, launched, status)
    notify.flow()
    assert task.ended()[0] == error
    (cause,) = causes
    assert (cause["run_id"], cause["launch_id"], cause["status"]) == (run_id, launched.body["launch_id"], status)


def test_g8_a_question_is_no_end_and_its_answer_is(
    launch: Door, scene: Scene, notify: Stream, task: Task, langgraph: LangGraphDouble
) -> None:
    launched = post(launch, task.token)
    run_id = ended(scene, launched, next=["work"], tasks=QUESTION)
    notify.flow()
    assert scene.run(run_id)["outcome"] == "awaiting_input"
    answer = launch.post(f"/runs/{run_id}/resume", '{"resume": "yes"}')
    notify.flow()
    assert (scene.run(run_id)["outcome"], task.waits) == ("answered", True)
    ended(scene, answer)
    notify.flow()
    error, output = task.ended()
    assert (error, output["run_id"]) == ("", langgraph.run_id)
    assert output["launch_id"] == launched.body["launch_id"]


def test_a_cancelled_question_is_a_failure(launch: Door, scene: Scene, notify: Stream, task: Task) -> None:
    launched = post(launch, task.token)
    run_id = ended(scene, launched, next=["work"], tasks=QUESTION)
    notify.flow()
    launch.post(f"/runs/{run_id}/cancel")
    notify.flow()
    assert task.ended()[0] == "RunCancelled"


def test_an_answer_that_came_from_elsewhere_is_a_failure(
    launch: Door, scene: Scene, notify: Stream, task: Task, langgraph: LangGraphDouble
) -> None:
    """Its result is not in the ledger."""
    launched = post(launch, task.token)
    run_id = ended(scene, launched, next=["work"], tasks=QUESTION)
    notify.flow()
    other = langgraph.add(scene.run(run_id)["thread_id"], kwargs={"command": {"resume": 1}})
    causes = causes_sent(client_of(scene.launcher.callbacks.tasks))
    scene.look(run_id)
    assert task.ended()[0] == "RunAnswered"
    assert [cause["answered_by"] for cause in causes] == [other]


@pytest.mark.parametrize(
    ("size", "limit", "is_inline"), [(1_000, "1000000", True), (100_000, "1", True), (300_000, "1", False)]
)
def test_a_result_over_256_kb_is_told_by_where_it_stands(
    launch: Door, webhook: Webhook, scene: Scene, notify: Stream, task: Task, size: int, limit: str, *, is_inline: bool
) -> None:
    launched = post(launch, task.token)
    large(webhook, scene, launched, size, int(limit))
    notify.flow()
    error, output = task.ended()
    assert error == ""
    if is_inline:
        assert output["payload"]["values"] == "x" * size
    else:
        assert "payload" not in output
        stored = scene.aws.client("s3").get_object(Bucket=output["payload_bucket"], Key=output["payload_key"])
        assert stored["ContentEncoding"] == "gzip"


def test_a_refused_launch_is_a_failure(launch: Door, scene: Scene, task: Task, langgraph: LangGraphDouble) -> None:
    langgraph.runs = Told(422, {"detail": "no such graph"})
    causes = causes_sent(client_of(launch.parts.launcher.callbacks.tasks))
    assert post(launch, task.token).status == 422
    assert task.ended()[0] == "LaunchRefused"
    assert [cause["reason"] for cause in causes] == ["langgraph-refused"]
    assert [cause["detail"] for cause in causes] == ["LangGraph answered 422: no such graph."]
    (found,) = scene.aws.items("LaunchesTable")
    assert "task_token" not in found
    retried = wait_for_token(scene.aws.client)
    langgraph.runs = None
    assert post(launch, retried.token).status == 202
    assert retried.waits


def test_g8_the_end_of_a_launch_whose_run_was_removed_is_a_failure(launch: Door, scene: Scene, task: Task) -> None:
    launched = post(launch, task.token).body
    scene.aws.remove(launched["run_id"])
    causes = causes_sent(client_of(launch.parts.launcher.callbacks.tasks))
    retried = wait_for_token(scene.aws.client)
    assert post(launch, retried.token).status == 410
    assert retried.ended()[0] == "RunRemoved"
    assert causes == [{"launch_id": launched["launch_id"], "run_id": launched["run_id"]}]


def test_g8_a_refusal_that_could_not_be_told_is_told_by_reconcile(
    launch: Door, scene: Scene, task: Task, langgraph: LangGraphDouble, faults: Faults
) -> None:
    langgraph.runs = Told(422, {"detail": "no such graph"})
    with faults.on(client_of(launch.parts.launcher.callbacks.tasks), kinds.BROKEN):
        assert post(launch, task.token).status == 422
    assert task.waits
    scene.pass_at(LEASE_SECONDS)
    assert task.ended()[0] == "LaunchRefused"


def test_g8_the_newest_token_counts_and_the_request_is_the_same(
    launch: Door, scene: Scene, notify: Stream, task: Task
) -> None:
    launched = post(launch, task.token)
    retried = wait_for_token(scene.aws.client)
    again = post(launch, retried.token)
    assert (again.status, again.body) == (202, launched.body)
    assert item(scene, launched)["task_token"] == retried.token
    ended(scene, launched)
    notify.flow()
    assert retried.ended()[0] == ""
    assert task.waits, "its token is no longer the newest"


@pytest.mark.parametrize("had_one", [True, False])
def test_g8_a_token_that_comes_after_the_end_is_told_at_once(
    launch: Door, scene: Scene, notify: Stream, task: Task, *, had_one: bool
) -> None:
    launched = post(launch, task.token if had_one else None)
    run_id = ended(scene, launched)
    notify.flow()
    retried = wait_for_token(scene.aws.client)
    assert post(launch, retried.token).status == 202
    assert retried.ended()[1]["run_id"] == run_id
    assert "task_token" not in item(scene, launched)
    scene.pass_at(3600)
    assert "due_at" not in item(scene, launched)


def test_g11_a_token_that_comes_before_langgraph_has_confirmed_the_end_is_told_after_that(
    launch: Door, scene: Scene, notify: Stream, task: Task
) -> None:
    launched = post(launch, None)
    ended(scene, launched, "error")
    post(launch, task.token)
    assert item(scene, launched)["task_token"] == task.token, "it was told already"
    notify.flow()
    assert task.ended()[0] == "RunFailed"


def test_g8_a_token_that_comes_while_the_run_goes_on_is_told_in_the_end(
    launch: Door, scene: Scene, notify: Stream, task: Task
) -> None:
    launched = post(launch, None)
    assert post(launch, task.token).status == 202
    assert "heard" not in scene.run(launched.body["run_id"])
    ended(scene, launched)
    notify.flow()
    assert task.ended()[0] == ""


def test_g8_a_task_that_could_not_be_told_is_told_by_reconcile_and_the_event_leaves_all_the_same(
    launch: Door, scene: Scene, notify: Stream, task: Task, faults: Faults
) -> None:
    launched = post(launch, task.token)
    run_id = ended(scene, launched, "error")
    with faults.on(client_of(notify.parts.publisher.callbacks.tasks), kinds.UNREACHABLE):
        notify.flow()
    assert "unpublished" not in scene.run(run_id)
    assert task.waits
    scene.pass_at(LEASE_SECONDS)
    assert task.ended()[0] == "RunFailed"
    assert not {"task_token", "due_at"} & item(scene, launched).keys()


def test_g8_whoever_tells_a_task_of_a_result_in_the_bucket_reads_it_there(
    launch: Door, webhook: Webhook, scene: Scene, notify: Stream, task: Task, faults: Faults
) -> None:
    """Notify, which does not get through; then reconcile; then launch, for a task that comes late."""
    launched = post(launch, task.token)
    large(webhook, scene, launched, 1_000)
    with faults.on(client_of(notify.parts.publisher.callbacks.tasks), kinds.UNREACHABLE):
        notify.flow()
    scene.pass_at(LEASE_SECONDS)
    retried = wait_for_token(scene.aws.client)
    assert post(launch, retried.token).status == 202
    for told in (task, retried):
        assert told.ended()[1]["payload"]["values"] == "x" * 1_000


def test_g8_g11_a_run_that_ended_before_its_launch_was_recorded_is_told_later(
    launch: Door, scene: Scene, notify: Stream, task: Task, langgraph: LangGraphDouble
) -> None:
    """The launcher died after it had asked; the webhook is faster than whoever finds the launch."""
    langgraph.before_run, langgraph.runs = langgraph.make, Told(cut=True)
    assert post(launch, task.token).status == 502
    (found,) = scene.aws.items("LaunchesTable")
    langgraph.known[langgraph.run_id]["status"] = "error"
    body = delivery(langgraph.run_id, found["launch_id"], status="error", thread_id=found["thread_id"])
    told = parse_delivery(body.encode())
    assert isinstance(told, Delivery)
    kept = unconfirmed.kept(found["launch_id"], told, Placed(told.payload, None), NOW)
    assert scene.launcher.launches.apply(kept) is None
    notify.flow()
    assert task.waits
    assert scene.aws.items("RunsTable") == []
    scene.pass_at(LEASE_SECONDS)
    scene.pass_at(2 * LEASE_SECONDS + 60)
    assert task.ended()[0] == "RunFailed"


def test_a_task_that_nobody_waits_for_any_more_is_forgotten(
    launch: Door, scene: Scene, notify: Stream, output: Output
) -> None:
    launched = post(launch, "made-up")
    run_id = ended(scene, launched)
    notify.flow()
    assert "unpublished" not in scene.run(run_id)
    assert "task_token" not in item(scene, launched)
    assert output.counts["not_waited_for"] == 1


def test_g5_a_task_token_stands_in_its_attribute_alone_and_no_longer_than_it_is_of_use(
    launch: Door, scene: Scene, notify: Stream, query: Door, langgraph: LangGraphDouble, output: Output
) -> None:
    secret = f"canary-{new_id()}"
    launched = post(launch, secret, metadata={"pad": "x" * 9_000})
    found = item(scene, launched)
    assert found.pop("task_token") == secret
    run_id = ended(scene, launched)
    notify.flow()
    shown = [query.get(link).text for link in (f"/runs/{run_id}", f"/launches/{launched.body['launch_id']}")]
    kept = [found, item(scene, launched), scene.run(run_id), scene.aws.objects(), shown, launched.text]
    assert secret not in json.dumps(kept, default=str)
    assert not [sent for sent in langgraph.requests if secret in sent.text]
    assert output.counts
    assert secret not in output.text


@pytest.mark.parametrize(
    "callback",
    [None, "token", {}, {"task_token": ""}, {"task_token": 1}, {"task_token": "x" * 2049}, {"task_token": "a", "b": 1}],
)
def test_a_callback_that_is_none_is_400(launch: Door, callback: object) -> None:
    reply = launch.call(json.dumps({"assistant_id": "agent", "input": {}, "callback": callback}))
    assert (reply.status, reply.body["errors"][0]["pointer"]) == (400, "/callback")


MOMENTARY = {"429": Told(429, {}), "409": Told(409, {"detail": "busy"}), "401": Told(401, {})}


@pytest.mark.parametrize("told", MOMENTARY.values(), ids=MOMENTARY.keys())
def test_g8_a_refusal_of_the_moment_is_told_a_minute_later_unless_the_launch_was_tried_again(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, task: Task, told: Told
) -> None:
    langgraph.runs = told
    refused = post(launch, task.token)
    assert refused.status in (409, 429, 502)
    assert task.waits
    scene.pass_at(LEASE_SECONDS - 1)
    assert task.waits
    scene.pass_at(LEASE_SECONDS)
    assert task.ended()[0] == "LaunchRefused"


@pytest.mark.parametrize("told", MOMENTARY.values(), ids=MOMENTARY.keys())
def test_g8_a_launch_that_is_tried_again_in_time_is_what_its_task_waits_for(
    launch: Door, scene: Scene, notify: Stream, langgraph: LangGraphDouble, task: Task, told: Told
) -> None:
    langgraph.runs = told
    post(launch, task.token)
    langgraph.runs = None
    launched = post(launch, task.token)
    scene.pass_at(LEASE_SECONDS)
    assert task.waits
    ended(scene, launched)
    notify.flow()
    assert task.ended()[0] == ""


@pytest.mark.parametrize("code", ["KmsAccessDeniedException", "AccessDeniedException", "ThrottlingException"])
def test_g8_a_task_that_cannot_be_told_holds_no_event_up_and_is_tried_by_reconcile(
    launch: Door, scene: Scene, notify: Stream, task: Task, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    launched = post(launch, task.token)
    scene.pass_at(LEASE_SECONDS)
    assert "due_at" not in item(scene, launched)
    run_id = ended(scene, launched)
    with monkeypatch.context() as broken:
        for tasks in (notify.parts.publisher.callbacks.tasks, scene.launcher.callbacks.tasks):
            refuse(client_of(tasks), code, broken)
        notify.flow()
        assert "unpublished" not in scene.run(run_id)
        for _ in range(3):  # at growing intervals
            scene.wall.now = float(item(scene, launched)["due_at"])
            scene.reconcile.run()
        assert task.waits
    assert scene.output.counts["published"] == 1
    scene.wall.now = float(item(scene, launched)["due_at"])
    scene.reconcile.run()
    assert task.ended()[0] == ""
    assert not {"task_token", "due_at"} & item(scene, launched).keys()


@pytest.mark.parametrize("code", ["InvalidOutput", "ValidationException"])
def test_g5_a_token_by_which_nobody_can_ever_be_told_is_dropped(
    launch: Door, scene: Scene, notify: Stream, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    refuse(client_of(notify.parts.publisher.callbacks.tasks), code, monkeypatch)
    launched = post(launch, "a token of nobody's")
    run_id = ended(scene, launched)
    notify.flow()
    assert "unpublished" not in scene.run(run_id)
    assert "task_token" not in item(scene, launched)
    assert scene.output.counts["not_waited_for"] == 1
