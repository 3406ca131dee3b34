"""Runs and launches of more than one LangGraph deployment: each is asked about where it is, or not at all (G13)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from runledger.domain import launch_states
from runledger.domain.retry import LEASE_SECONDS
from tests.integration.langgraph_double import LangGraphDouble, Told
from tests.integration.scene import QUESTION
from tests.integration.support import CHECK, NOW, claim, delivery, marks, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import Load
    from tests.integration.scene import Scene
    from tests.integration.support import Aws, Door, Output, Reply, Stream, WallClock

HERE, BEFORE = "key-of-here", "key-of-before"
LATER = 900  # seconds, after which what is deferred is tried again


@pytest.fixture
def before() -> Iterator[LangGraphDouble]:
    """The LangGraph deployment that `LangGraphUrl` named before."""
    with LangGraphDouble() as double:
        yield double


@pytest.fixture
def keys(aws: Aws, langgraph: LangGraphDouble, before: LangGraphDouble) -> None:
    """Both deployments have a key in the secret."""
    aws.put_secret("LangGraphApiKeySecret", json.dumps({f"{langgraph.url}/": HERE, before.url: BEFORE}))


def launched(scene: Scene, there: LangGraphDouble, status: str = "success", **changes: Any) -> str:
    """Have a run launched now on a deployment, which has brought it to `status`."""
    thread_id, launch_id = new_id(), new_id()
    run_id = there.add(thread_id, status=status, **changes)
    return scene.launched(
        is_known=False, run_id=run_id, thread_id=thread_id, launch_id=launch_id, langgraph_url=there.url
    )


def waits(scene: Scene, there: LangGraphDouble) -> str:
    """Have a run on a deployment that waits for an answer."""
    run_id = launched(scene, there, next=["work"], tasks=QUESTION)
    scene.delivered(run_id)
    scene.look(run_id)
    assert scene.run(run_id)["outcome"] == "awaiting_input"
    scene.wall.now = NOW
    there.requests.clear()
    return run_id


def left_behind(scene: Scene, there: LangGraphDouble, **changes: Any) -> str:
    """Have a launch put down for a deployment by a launcher that then died."""
    launch_id = new_id()
    assert scene.launcher.launches.apply(claim(launch_id, langgraph_url=there.url, **changes)) is None
    return launch_id


def sent_keys(double: LangGraphDouble) -> set[str | None]:
    return {sent.headers.get("x-api-key") for sent in double.requests}


def forget(*doors: Door) -> None:
    for door in doors:
        door.parts.launcher.server.api_key.forget()


# ---- runs that are due ---------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("keys")
def test_g13_each_run_is_asked_about_at_its_own_deployment_with_its_own_key(
    scene: Scene, before: LangGraphDouble
) -> None:
    runs = [launched(scene, there, "error") for there in (scene.langgraph, before) * 9]
    scene.pass_at(120)
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"failed"}
    assert (sent_keys(scene.langgraph), sent_keys(before)) == ({HERE}, {BEFORE})
    assert len(before.requests) == len(scene.langgraph.requests)


def test_g13_a_run_whose_deployment_has_no_key_is_deferred_and_alarmed_and_never_lost(
    scene: Scene, before: LangGraphDouble
) -> None:
    """Not even when it has outlasted `MaxRunSeconds`, and others are known to the new deployment."""
    run_id = launched(scene, before)
    for _ in range(4):
        item = scene.look(run_id)
        launched(scene, scene.langgraph, "running")
        assert item["due_at"] == scene.wall.now + LATER
    scene.wall.now += scene.launcher.max_run_seconds
    item = scene.look(run_id)
    assert item["outcome"] == "pending"
    assert not {"checks", "failures", "misses", "missed_since"} & set(item)
    assert before.requests == []
    assert scene.output.counts["deployment_without_key"] == 5
    (detail, *_) = [line["detail"] for line in scene.output.logs if line["message"] == "a run is deferred"]
    assert before.url in detail
    assert "LangGraphFormerUrls" in detail


def test_g13_a_configured_deployment_without_a_key_holds_up_no_run_of_another(
    scene: Scene, aws: Aws, before: LangGraphDouble
) -> None:
    """More runs of it are due than are asked about at once, and a launch too."""
    aws.put_secret("LangGraphApiKeySecret", json.dumps({before.url: BEFORE}))
    here = [launched(scene, scene.langgraph, "error") for _ in range(9)]
    left_behind(scene, scene.langgraph)
    there = launched(scene, before, "error")
    forget(scene.reconcile.door)
    scene.pass_at(LEASE_SECONDS)
    scene.pass_at(600)
    assert scene.run(there)["outcome"] == "failed"
    assert {scene.run(run_id)["outcome"] for run_id in here} == {"pending"}
    assert scene.langgraph.requests == []
    assert scene.output.counts["deployment_without_key"] >= len(here)
    assert "failed" not in scene.output.counts


def test_g13_a_run_whose_deployment_gets_a_key_is_asked_about_again(
    scene: Scene, before: LangGraphDouble, request: pytest.FixtureRequest
) -> None:
    run_id = launched(scene, before, "error")
    scene.look(run_id)
    request.getfixturevalue("keys")
    forget(scene.reconcile.door)
    assert scene.look(run_id)["outcome"] == "failed"


def test_g13_the_webhook_of_a_run_whose_deployment_has_no_key_counts(scene: Scene, before: LangGraphDouble) -> None:
    failed, succeeded = launched(scene, before), launched(scene, before)
    scene.delivered(failed, "error")
    scene.delivered(succeeded)
    scene.pass_at(300)
    assert scene.run(failed)["outcome"] == "failed"
    assert scene.run(failed)["unverified"], "its event waits until LangGraph can confirm it (G11)"
    assert scene.run(succeeded)["outcome"] == "settling"
    assert before.requests == []


@pytest.mark.parametrize("has_object", [False, True], ids=["single key", "key of the former URL"])
def test_g13_a_run_of_a_renamed_deployment_is_asked_about_at_its_new_url(
    scene: Scene,
    load: Load,
    aws: Aws,
    langgraph: LangGraphDouble,
    output: Output,
    *,
    has_object: bool,
) -> None:
    aws.put_secret("LangGraphApiKeySecret", '{"https://Before.example": "key-of-here"}' if has_object else HERE)
    scene.reconcile.door = load(
        "worker", LangGraphUrl=langgraph.url, LangGraphFormerUrls="http://other.example,HTTPS://before.example/"
    )
    run_id = scene.launched("error", langgraph_url="https://before.example:443")
    assert scene.look(run_id)["outcome"] == "failed"
    assert sent_keys(langgraph) == {HERE}
    assert "deployment_without_key" not in output.counts


def test_g13_a_run_from_before_there_was_a_choice_is_of_the_configured_deployment(scene: Scene) -> None:
    run_id = scene.launched("error", langgraph_url=None)
    assert scene.look(run_id)["outcome"] == "failed"


@pytest.mark.usefixtures("keys")
def test_g13_what_one_deployment_has_forgotten_is_not_judged_by_what_another_knows(
    scene: Scene, before: LangGraphDouble
) -> None:
    scene.remembered(langgraph_url=scene.langgraph.url)
    gone, kept = launched(scene, before), launched(scene, scene.langgraph)
    before.known.clear()
    del scene.langgraph.known[kept]
    for _ in range(4):
        scene.look(gone)
    assert [scene.run(run_id)["outcome"] for run_id in (gone, kept)] == ["pending", "lost"]
    assert scene.output.counts["langgraph_forgets"] > 0


@pytest.mark.usefixtures("keys")
def test_g13_a_key_that_one_deployment_refuses_holds_back_no_judgement_of_another(
    scene: Scene, before: LangGraphDouble
) -> None:
    launched(scene, before)
    before.instead = lambda _: Told(401, {"detail": "who?"})
    gone = launched(scene, scene.langgraph)
    scene.langgraph.known.clear()
    scene.pass_at(120)
    assert scene.run(gone)["misses"] == 1
    assert scene.output.counts["misconfigured"] == 1


@pytest.mark.usefixtures("keys")
def test_g13_a_deployment_that_answers_nothing_costs_the_runs_of_another_nothing(
    scene: Scene, before: LangGraphDouble
) -> None:
    before.instead = lambda _: Told(503, "down")
    silent = [launched(scene, before, "error") for _ in range(40)]
    runs = [launched(scene, scene.langgraph, "error") for _ in range(20)]
    scene.pass_at(120)
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"failed"}
    assert len(before.requests) <= 30, "three batches are enough to see it"
    assert {scene.run(run_id)["outcome"] for run_id in silent} == {"pending"}


@pytest.mark.parametrize("has_key", [True, False])
def test_g13_a_success_is_settled_at_its_own_deployment(
    scene: Scene, notify: Stream, before: LangGraphDouble, request: pytest.FixtureRequest, *, has_key: bool
) -> None:
    if has_key:
        request.getfixturevalue("keys")
    runs = [launched(scene, there) for there in (before, scene.langgraph)]
    for run_id in runs:
        scene.delivered(run_id)
    notify.flow()
    assert [scene.run(run_id)["outcome"] for run_id in runs] == ["succeeded" if has_key else "settling", "succeeded"]
    assert sent_keys(before) == ({BEFORE} if has_key else set())


# ---- who says where a run is ---------------------------------------------------------------------------------------
def test_g13_a_run_of_a_shared_key_is_of_the_configured_deployment(load: Load, aws: Aws) -> None:
    webhook = load("webhook", AcceptSharedTokens="true", LangGraphUrl="HTTPS://langgraph.example/")
    run_id, token = new_id(), "shared-secret-of-the-crons-0123456789abc"
    aws.add_key("shared-crons", token)
    assert webhook.call(delivery(run_id, None, token), f"token={token}").status == 202
    assert (aws.run(run_id) or {})["langgraph_url"] == "https://langgraph.example"


@pytest.mark.usefixtures("keys")
def test_g13_a_run_whose_webhook_was_faster_than_its_launcher_is_where_its_launch_is(
    scene: Scene, notify: Stream, webhook: Door, aws: Aws, before: LangGraphDouble
) -> None:
    launch_id, thread_id = left_behind(scene, before), new_id()
    run_id, token = before.add(thread_id), aws.token(launch_id)
    body = delivery(run_id, launch_id, token, thread_id=thread_id)
    assert webhook.call(body, f"token={token}").status == 200
    assert "langgraph_url" not in scene.run(run_id)
    notify.flow()
    assert scene.run(run_id)["outcome"] == "succeeded"
    assert scene.langgraph.requests == []
    scene.pass_at(LEASE_SECONDS)
    assert scene.run(run_id)["langgraph_url"] == before.url


# ---- launches ------------------------------------------------------------------------------------------------------
def ask(door: Door, launch_id: str, scene: Scene) -> Reply:
    """Send a launch's request again, whatever its key is."""
    body = {"assistant_id": "agent", "input": {}}
    scene.wall.now = NOW + LEASE_SECONDS
    with patch.object(door.app, "launch_id_of", lambda *_: launch_id):
        return door.call(json.dumps(body))


def digest_of(launch: Door) -> str:
    return str(launch.app.parse_launch(b'{"assistant_id": "agent", "input": {}}').digest)


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("is_made", [True, False])
def test_g2_g13_a_launch_goes_on_at_its_own_deployment(
    launch: Door, scene: Scene, before: LangGraphDouble, *, is_made: bool
) -> None:
    launch_id = left_behind(scene, before, digest=digest_of(launch))
    item = scene.aws.launch(launch_id) or {}
    made = is_made and before.add(item["thread_id"], status="running", values="", metadata=marks(launch_id))
    reply = ask(launch, launch_id, scene)
    assert (reply.status, reply.body["run_id"]) == (202, made or before.run_id)
    assert scene.langgraph.requests == []
    assert sent_keys(before) == {BEFORE}
    run = scene.run(reply.body["run_id"])
    assert (run["outcome"], run["langgraph_url"]) == ("pending", before.url)
    assert (scene.aws.launch(launch_id) or {})["langgraph_url"] == before.url


def test_g2_g13_a_launch_whose_deployment_has_no_key_is_503_and_stays_as_it_is(
    launch: Door, scene: Scene, before: LangGraphDouble
) -> None:
    """Neither a new run here nor a refusal: its run may go on there."""
    launch_id = left_behind(scene, before, digest=digest_of(launch))
    item = scene.aws.launch(launch_id)
    reply = ask(launch, launch_id, scene)
    assert (reply.status, reply.problem, reply.body["launch_id"]) == (503, "deployment-without-key", launch_id)
    assert before.url in reply.body["detail"]
    assert before.requests == scene.langgraph.requests == []
    assert scene.aws.launch(launch_id) == item


def test_g13_a_launch_that_has_its_run_is_answered_as_before_wherever_it_is(
    load: Load, aws: Aws, langgraph: LangGraphDouble
) -> None:
    body, key = '{"assistant_id": "agent", "input": {}, "stream": true}', {"Idempotency-Key": "k"}
    first = load("launch", LangGraphUrl=langgraph.url).call(body, headers=key).body
    second = load("launch", LangGraphUrl="http://127.0.0.1:9").call(body, headers=key)
    assert (second.status, second.body) == (202, first)
    assert first["links"]["stream"].startswith(f"{langgraph.url}/threads/")
    door = load("launch", LangGraphUrl="http://127.0.0.1:9", LangGraphFormerUrls=langgraph.url)
    renamed = door.call(body, headers=key)
    assert renamed.body["links"]["stream"].startswith("http://127.0.0.1:9/threads/"), "the server is there now"
    assert len(aws.items("RunsTable")) == 1


@pytest.mark.usefixtures("keys")
def test_g13_reconcile_goes_on_with_each_launch_at_its_own_deployment(scene: Scene, before: LangGraphDouble) -> None:
    launches = {left_behind(scene, there): there for there in (scene.langgraph, before) * 3}
    scene.pass_at(LEASE_SECONDS)
    for launch_id, there in launches.items():
        item = scene.aws.launch(launch_id) or {}
        assert (item["state"], item["langgraph_url"]) == ("started", there.url)
        assert item["run_id"] in there.known
        assert scene.run(item["run_id"])["langgraph_url"] == there.url
    assert (sent_keys(scene.langgraph), sent_keys(before)) == ({HERE}, {BEFORE})


@pytest.mark.parametrize("state", ["starting", "refused", "watched"])
def test_g13_a_launch_whose_deployment_has_no_key_is_deferred_and_alarmed(
    scene: Scene, before: LangGraphDouble, state: str
) -> None:
    changes = {} if state == "starting" else {"thread_id": new_id(), "own_thread": False}
    launch_id, other = left_behind(scene, before, **changes), left_behind(scene, scene.langgraph)
    apply = scene.launcher.launches.apply
    if state != "starting":
        read = launch_states.Launch.read(scene.aws.launch(launch_id) or {})
        apply(launch_states.attempted(read, read.thread_id, NOW))
        read = launch_states.Launch.read(scene.aws.launch(launch_id) or {})
        apply(
            launch_states.refused(read, "x", "detail", NOW)
            if state == "refused"
            else launch_states.started(read, "r", NOW)
        )
    was = scene.aws.launch(launch_id) or {}
    scene.pass_at(120)
    assert scene.aws.launch(launch_id) == {**was, "due_at": int(NOW) + 120 + LATER}
    assert (scene.aws.launch(other) or {})["state"] == "started"
    assert before.requests == []
    assert scene.output.counts["deployment_without_key"] == 1
    assert not {"check_failed", "launch_refused"} & set(scene.output.counts)


@pytest.mark.usefixtures("keys")
def test_g13_a_deployment_that_answers_nothing_costs_the_launches_of_another_nothing(
    scene: Scene, before: LangGraphDouble
) -> None:
    before.instead = lambda _: Told(503, "down")
    for _ in range(10):
        left_behind(scene, before)
    launches = [left_behind(scene, scene.langgraph) for _ in range(10)]
    scene.pass_at(LEASE_SECONDS)
    assert {(scene.aws.launch(launch_id) or {})["state"] for launch_id in launches} == {"started"}
    assert len(before.requests) == 3


# ---- answers and cancels -------------------------------------------------------------------------------------------
@pytest.mark.usefixtures("keys")
def test_g13_a_run_is_answered_at_its_own_deployment(launch: Door, scene: Scene, before: LangGraphDouble) -> None:
    run_id = waits(scene, before)
    reply = launch.post(f"/runs/{run_id}/resume", '{"resume": "yes"}')
    assert (reply.status, reply.body["run_id"]) == (202, before.run_id)
    assert scene.langgraph.requests == []
    assert sent_keys(before) == {BEFORE}
    assert scene.run(before.run_id)["langgraph_url"] == before.url
    scene.aws.put_secret("LangGraphApiKeySecret", HERE)
    forget(launch)
    assert launch.post(f"/runs/{run_id}/resume", '{"resume": "yes"}').body == reply.body, "nobody need be asked"


def test_g13_a_question_whose_deployment_has_no_key_is_503_and_can_be_withdrawn(
    launch: Door, scene: Scene, before: LangGraphDouble, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("keys")
    run_id = waits(scene, before)
    scene.aws.put_secret("LangGraphApiKeySecret", HERE)
    reply = launch.post(f"/runs/{run_id}/resume", '{"resume": "yes"}')
    assert (reply.status, reply.problem) == (503, "deployment-without-key")
    assert "answer_holder" not in scene.run(run_id)
    assert launch.post(f"/runs/{run_id}/cancel").status == 202
    assert scene.run(run_id)["outcome"] == "cancelled"
    assert before.requests == []


@pytest.mark.parametrize("has_key", [True, False])
def test_g13_a_run_is_cancelled_at_its_own_deployment(
    launch: Door, scene: Scene, before: LangGraphDouble, request: pytest.FixtureRequest, *, has_key: bool
) -> None:
    if has_key:
        request.getfixturevalue("keys")
    run_id = launched(scene, before, "running")
    reply = launch.post(f"/runs/{run_id}/cancel")
    assert reply.status == (202 if has_key else 503)
    assert before.known[run_id]["status"] == ("interrupted" if has_key else "running")
    assert scene.run(run_id)["due_at"] == (NOW if has_key else CHECK)
    assert scene.langgraph.requests == []


def test_g13_the_answer_to_a_run_without_a_launch_begins_one_at_its_deployment(
    launch: Door, scene: Scene, before: LangGraphDouble, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("keys")
    run_id = waits(scene, before)
    client, names = scene.aws.client("dynamodb"), scene.aws.template.names
    client.update_item(TableName=names["RunsTable"], Key={"run_id": {"S": run_id}}, UpdateExpression="REMOVE launch_id")
    reply = launch.post(f"/runs/{run_id}/resume", '{"resume": "yes"}')
    assert reply.status == 202
    assert (scene.aws.launch(reply.body["launch_id"]) or {})["langgraph_url"] == before.url


# ---- keys ----------------------------------------------------------------------------------------------------------
def test_g13_an_object_without_a_key_for_the_configured_url_is_503_and_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    aws.put_secret("LangGraphApiKeySecret", '{"https://before.example": "k"}')
    reply = launch.call('{"assistant_id": "agent", "input": {}}')
    assert (reply.status, reply.problem) == (503, "api-key-missing")
    assert "LangGraphUrl" in reply.body["detail"]
    assert langgraph.requests == []
    assert aws.is_empty()


@pytest.mark.usefixtures("keys")
def test_g5_g13_a_key_that_was_taken_out_of_the_secret_is_sent_no_more(
    scene: Scene, before: LangGraphDouble, wall: WallClock
) -> None:
    run_id = launched(scene, before, "running")
    scene.look(run_id)
    assert len(before.requests) == 1
    scene.aws.put_secret("LangGraphApiKeySecret", json.dumps({scene.langgraph.url: HERE}))
    forget(scene.reconcile.door)
    assert scene.look(run_id)["due_at"] == wall.now + LATER
    assert len(before.requests) == 1
