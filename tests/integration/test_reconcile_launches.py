"""Launches that nobody works on any more, that something was heard of, or that may be doubled (G1, G2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import launch_states, unconfirmed
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.problems import Problem, unavailable
from runledger.domain.retry import LEASE_SECONDS, WATCHES
from runledger.use_cases.recover_launch import go_on
from tests.integration.langgraph_double import Told
from tests.integration.support import CHECK, LEASE_ENDS, NOW, claim, delivery, marks, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.scene import Scene

CREATE, LIST, DELETE = "POST /threads/…/runs", "GET /threads/…/runs", "DELETE /threads/…"
CANCEL, THREAD = "POST /threads/…/runs/…/cancel", "POST /threads"
CALLERS = new_id()
BODY = json.dumps({"assistant_id": "agent", "input": {"n": 1.0}, "thread_id": CALLERS})


def left_behind(scene: Scene, **changes: Any) -> str:
    """Have somebody put a launch down who then says no more."""
    launch_id = new_id()
    update = claim(launch_id, scene.wall.now, **{"langgraph_url": scene.langgraph.url, **changes})
    assert scene.launcher.launches.apply(update) is None
    return launch_id


def on_callers_thread(scene: Scene) -> str:
    return left_behind(scene, own_thread=False, thread_id=CALLERS, request=BODY)


def launch(scene: Scene, launch_id: str) -> dict[str, Any]:
    found = scene.aws.launch(launch_id)
    assert found
    return found


def look(scene: Scene, launch_id: str) -> dict[str, Any]:
    """Let time pass until the launch is due, look at all that is due then, and return the launch."""
    scene.wall.now = float(launch(scene, launch_id)["due_at"])
    scene.reconcile.run()
    return launch(scene, launch_id)


def test_g1_a_launch_is_left_to_its_holder_until_the_lease_lapses(scene: Scene) -> None:
    launch_id = left_behind(scene)
    scene.launcher.launches.apply(launch_states.heard(launch_id, NOW))
    scene.pass_at(LEASE_SECONDS - 1)
    assert scene.steps == []
    assert launch(scene, launch_id)["holder"] == "somebody"


def test_g1_a_launch_that_its_launcher_left_is_started_over(scene: Scene) -> None:
    launch_id = left_behind(scene)
    first = launch(scene, launch_id)["thread_id"]
    item = look(scene, launch_id)
    second = scene.langgraph.thread_request.body["thread_id"]
    assert scene.steps == [LIST, DELETE, THREAD, CREATE]
    assert second != first
    assert (item["state"], item["attempt"], item["thread_id"]) == ("started", 2, second)
    assert not {"due_at", "due_shard", "request"} & set(item)
    run = scene.run(item["run_id"])
    assert (run["launch_id"], run["thread_id"], run["outcome"]) == (launch_id, second, "pending")
    assert scene.output.counts == {"started_over": 1, "launched": 1}


def test_g2_a_launch_whose_answer_was_lost_is_adopted_and_its_run_recorded(scene: Scene) -> None:
    launch_id = left_behind(scene)
    thread_id = launch(scene, launch_id)["thread_id"]
    run_id = scene.langgraph.add(thread_id, status="running", values="", metadata=marks(launch_id))
    item = look(scene, launch_id)
    assert scene.steps == [LIST]
    assert (item["state"], item["run_id"], item["attempt"]) == ("started", run_id, 1)
    assert scene.run(run_id)["due_at"] == CHECK
    assert scene.output.counts == {"adopted": 1}
    scene.langgraph.known[run_id]["status"] = "success"
    assert scene.look(run_id)["outcome"] == "succeeded"


def test_g2_a_large_request_is_read_back_to_start_over(scene: Scene) -> None:
    launch_id, text = new_id(), json.dumps({"assistant_id": "agent", "input": "é" * 10_000})
    key = scene.launcher.bucket.put_request(launch_id, "d", text)
    update = claim(launch_id, NOW, langgraph_url=scene.langgraph.url, request=None, request_key=key)
    scene.launcher.launches.apply(update)
    assert look(scene, launch_id)["state"] == "started"
    assert scene.langgraph.requests[-1].body["input"] == "é" * 10_000


def test_g1_a_run_that_was_started_late_is_looked_at_late(scene: Scene) -> None:
    text = json.dumps({"assistant_id": "agent", "input": {}, "after_seconds": 3600})
    launch_id = left_behind(scene, request=text)
    item = look(scene, launch_id)
    assert scene.run(item["run_id"])["due_at"] == LEASE_ENDS + 3600 + 120


def test_g1_a_run_that_is_adopted_late_is_looked_at_as_soon_as_it_could_have_ended(scene: Scene) -> None:
    text = json.dumps({"assistant_id": "agent", "input": {}, "after_seconds": 3600})
    launch_id = left_behind(scene, request=text)
    thread_id = launch(scene, launch_id)["thread_id"]
    starts = {"created_at": "2026-11-22T07:00:00+00:00", "metadata": marks(launch_id)}
    run_id = scene.langgraph.add(thread_id, status="pending", values="", **starts)
    scene.pass_at(3000)
    assert launch(scene, launch_id)["run_id"] == run_id
    assert (scene.run(run_id)["starts_at"], scene.run(run_id)["due_at"]) == (int(NOW) + 3600, int(NOW) + 3720)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_g2_a_refusal_that_would_come_again_ends_the_launch(scene: Scene, status: int) -> None:
    launch_id = left_behind(scene)
    scene.langgraph.runs = Told(status, {"detail": "no"})
    item = look(scene, launch_id)
    assert item["state"] == "refused"
    assert "due_at" not in item
    assert scene.output.counts["launch_refused"] == 1


@pytest.mark.parametrize(
    "told",
    [
        *(Told(status, {"detail": "no"}) for status in (401, 409, 429)),
        Told(404, "no such host"),
        Told(422, {"detail": "Webhook domain not allowed"}),
    ],
)
def test_g1_a_refusal_of_the_moment_leaves_the_launch_to_be_tried_again(scene: Scene, told: Told) -> None:
    launch_id = left_behind(scene)
    scene.langgraph.runs = told
    item = look(scene, launch_id)
    assert (item["state"], item["due_at"]) == ("starting", LEASE_ENDS + 120)
    assert item["checks" if told.status == 409 else "failures"] == 1  # a busy thread is about the launch alone
    alarmed = {} if told.status in (409, 429) else {"misconfigured": 1}
    assert scene.output.counts == {"started_over": 1, "check_failed": 1, **alarmed}
    assert look(scene, launch_id)["due_at"] == LEASE_ENDS + 120 + 240
    scene.langgraph.runs = None
    item = look(scene, launch_id)
    assert (item["state"], item["attempt"]) == ("started", 4)
    assert not {"checks", "failures"} & set(item)


@pytest.mark.parametrize("told", [Told(500, {"detail": "no"}), Told(cut=True)])
def test_g2_an_answer_that_is_lost_again_is_looked_for_the_next_time(scene: Scene, told: Told) -> None:
    launch_id = left_behind(scene)
    scene.langgraph.before_run, scene.langgraph.runs = scene.langgraph.make, told
    item = look(scene, launch_id)
    assert (item["state"], item["due_at"]) == ("starting", LEASE_ENDS + 120)
    assert look(scene, launch_id)["run_id"] == scene.langgraph.run_id
    assert sum(step == CREATE for step in scene.steps) == 1


def test_g1_a_refusal_of_the_moment_is_not_waited_out_for_ever(scene: Scene) -> None:
    launch_id = left_behind(scene)
    scene.langgraph.runs = Told(401, {"detail": "no"})
    look(scene, launch_id)
    scene.wall.now += scene.launcher.max_run_seconds
    scene.reconcile.run()
    item = launch(scene, launch_id)
    assert (item["state"], item["reason"]) == ("refused", "api-key-refused")
    assert scene.output.counts["launch_refused"] == 1


def test_g2_a_404_that_is_not_langgraphs_is_no_fence(scene: Scene) -> None:
    """A proxy without its server, say: the run that was started before lives on behind it."""
    launch_id = left_behind(scene)
    thread_id = launch(scene, launch_id)["thread_id"]
    run_id = scene.langgraph.add(thread_id, status="running", values="", metadata=marks(launch_id))
    for steps in ((LIST, DELETE), (THREAD, LIST, DELETE, CREATE)):
        scene.langgraph.instead = lambda sent, steps=steps: Told(404, "no such host") if sent.step in steps else None  # type: ignore[misc]
        assert look(scene, launch_id)["state"] == "starting"
    scene.langgraph.instead = lambda _: None
    assert look(scene, launch_id)["run_id"] == run_id
    assert len(scene.langgraph.known) == 1


def test_g2_a_busy_thread_of_ours_is_busy_with_our_run(scene: Scene) -> None:
    """A proxy has repeated the creation, of which the second was refused."""
    launch_id = left_behind(scene)
    scene.langgraph.before_run, scene.langgraph.runs = scene.langgraph.make, Told(409, {"detail": "busy"})
    item = look(scene, launch_id)
    assert (item["state"], item["run_id"]) == ("started", scene.langgraph.run_id)


def test_g2_a_launch_that_is_started_over_late_rolls_nothing_back(scene: Scene) -> None:
    text = json.dumps({**json.loads(BODY), "multitask_strategy": "rollback"})
    look(scene, left_behind(scene, own_thread=False, thread_id=CALLERS, request=text))
    assert scene.langgraph.requests[-1].body["multitask_strategy"] == "reject"


def test_g2_a_refused_launch_whose_earlier_run_appears_adopts_it(scene: Scene) -> None:
    launch_id = on_callers_thread(scene)
    scene.langgraph.runs = Told(422, {"detail": "no"})
    item = look(scene, launch_id)
    assert (item["state"], item["due_at"]) == ("refused", LEASE_ENDS + 120)
    late = scene.langgraph.add(CALLERS, status="running", values="", metadata=marks(launch_id))
    item = look(scene, launch_id)
    assert (item["state"], item["run_id"]) == ("started", late)
    assert CANCEL not in scene.steps
    assert "doubled" not in scene.run(late)
    for _ in range(WATCHES + 1):
        if "due_at" in launch(scene, launch_id):
            look(scene, launch_id)
    assert "due_at" not in launch(scene, launch_id)


def test_g1_a_refused_launch_whose_run_cannot_be_recorded_stays_due(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = left_behind(scene)
    read = launch_states.Launch.read(launch(scene, launch_id))
    scene.launcher.launches.apply(launch_states.refused(read, "thread-busy", "It is busy.", NOW))
    scene.launcher.launches.apply(launch_states.heard(launch_id, NOW))
    run_id = scene.langgraph.add(read.thread_id, status="running", values="", metadata=marks(launch_id))

    def throttled(_: Any) -> None:
        raise unavailable("The ledger can't be written.")

    with monkeypatch.context() as patch:
        patch.setattr(scene.launcher.runs, "apply", throttled)
        item = look(scene, launch_id)
    assert (item["state"], item["due_at"]) == ("refused", NOW + 120)
    item = look(scene, launch_id)
    assert (item["state"], item["run_id"]) == ("started", run_id)
    assert scene.run(run_id)["outcome"] == "pending"


def test_g2_a_launch_that_was_heard_of_while_it_was_starting_is_given_up_all_the_same(scene: Scene) -> None:
    """What was heard of it was looked for and not found."""
    launch_id = left_behind(scene)
    scene.launcher.launches.apply(launch_states.heard(launch_id, NOW))
    scene.langgraph.runs = Told(422, {"detail": "no"})
    scene.pass_at(LEASE_SECONDS)
    item = launch(scene, launch_id)
    assert item["state"] == "refused"
    assert "due_at" not in item
    assert scene.output.counts["launch_refused"] == 1


def test_g2_a_launch_that_is_not_given_up_after_all_is_not_said_to_be(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = left_behind(scene)
    scene.langgraph.runs = Told(422, {"detail": "no"})
    made = launch_states.refused

    def slower(*args: Any, **more: Any) -> Any:
        scene.launcher.launches.apply(launch_states.heard(launch_id, scene.wall.now))
        return made(*args, **more)

    monkeypatch.setattr(launch_states, "refused", slower)
    assert look(scene, launch_id)["state"] == "starting"
    assert "launch_refused" not in scene.output.counts


def test_g2_a_launch_that_somebody_else_took_up_is_theirs(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    launch_id = left_behind(scene)
    made = launch_states.taken_over

    def slower(read: Any, holder: str, now: float) -> Any:
        scene.launcher.launches.apply(made(read, "a faster one", now))
        return made(read, holder, now)

    monkeypatch.setattr(launch_states, "taken_over", slower)
    item = look(scene, launch_id)
    assert (item["state"], item["holder"]) == ("starting", "a faster one")
    assert scene.steps == []
    assert scene.output.counts == {}


def test_g1_a_launch_that_cannot_be_handled_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned = left_behind(scene, request="not json")
    others = [left_behind(scene) for _ in range(3)]
    run_id = scene.launched()
    scene.pass_at(120)
    item = launch(scene, poisoned)
    assert (item["state"], item["due_at"]) == ("starting", CHECK + 120)
    assert {launch(scene, other)["state"] for other in others} == {"started"}
    assert scene.run(run_id)["outcome"] == "succeeded"
    assert scene.output.counts["check_failed"] == 1
    monkeypatch.setattr(launch_states.Launch, "read", lambda _: 1 // 0)
    assert look(scene, poisoned)["due_at"] == CHECK + 120 + 240
    (line,) = (line for line in scene.output.logs if line["level"] == "ERROR")
    assert (line["launch_id"], line["exception_name"]) == (poisoned, "ZeroDivisionError")


def test_g1_where_launch_after_launch_fails_the_pass_goes_on_to_the_runs(scene: Scene) -> None:
    launches, run_id = [left_behind(scene) for _ in range(6)], scene.launched()
    scene.langgraph.instead = lambda sent: Told(503, "down") if sent.step == LIST else None
    scene.pass_at(120)
    assert scene.steps.count(LIST) == 3
    assert scene.run(run_id)["outcome"] == "succeeded"
    scene.langgraph.instead = lambda _: None
    for seconds in (180, 240):
        scene.pass_at(seconds)
    assert {launch(scene, launch_id)["state"] for launch_id in launches} == {"started"}


def heard_of(scene: Scene, launch_id: str, run_id: str) -> None:
    """Have the launch of a run started, and something heard of it 10 s later."""
    update = claim(launch_id, langgraph_url=scene.langgraph.url)
    launches = scene.launcher.launches
    assert launches.apply(update) is None
    read = launch_states.Launch.read({**update.key, **update.set})
    assert launches.apply(launch_states.started(read, run_id, NOW)) is None
    scene.wall.now = NOW + 10
    assert launches.apply(launch_states.heard(launch_id, scene.wall.now)) is None


def test_g6_a_launch_that_was_heard_of_has_its_runs_looked_at_now(scene: Scene) -> None:
    launch_id = new_id()
    ended, running = scene.launched("success", launch_id=launch_id), scene.launched("running", launch_id=launch_id)
    over, other = scene.launched("error", launch_id=launch_id), scene.launched("success")
    scene.delivered(over, "error")
    heard_of(scene, launch_id, ended)
    scene.pass_at(20)
    assert scene.run(ended)["outcome"] == "succeeded"
    assert (scene.run(running)["outcome"], scene.run(running)["due_at"]) == ("pending", NOW + 20 + 240)
    assert scene.run(over)["source"] == "webhook"
    assert scene.run(other)["due_at"] == CHECK
    assert "due_at" not in launch(scene, launch_id)


def test_g6_a_launch_that_is_heard_of_once_more_while_it_is_looked_at_stays_due(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch_id = new_id()
    heard_of(scene, launch_id, scene.launched("running", launch_id=launch_id))
    made = launch_states.checked

    def slower(*args: Any) -> Any:
        scene.launcher.launches.apply(launch_states.heard(launch_id, scene.wall.now))
        return made(*args)

    monkeypatch.setattr(launch_states, "checked", slower)
    scene.pass_at(20)
    assert launch(scene, launch_id)["due_at"] == NOW + 20


def test_g6_a_refused_launch_that_is_heard_of_is_looked_at_and_done_with(scene: Scene) -> None:
    launch_id = left_behind(scene)
    read = launch_states.Launch.read(launch(scene, launch_id))
    scene.launcher.launches.apply(launch_states.refused(read, "thread-busy", "It is busy.", NOW))
    scene.launcher.launches.apply(launch_states.heard(launch_id, NOW))
    item = look(scene, launch_id)
    assert item["state"] == "refused"
    assert "due_at" not in item
    assert scene.steps == [LIST]


@pytest.mark.parametrize("status", ["running", "success"])
def test_g2_a_second_run_on_a_callers_thread_is_recorded_cancelled_and_counted_once(scene: Scene, status: str) -> None:
    launch_id = on_callers_thread(scene)
    item = look(scene, launch_id)
    assert scene.steps == [LIST, CREATE]
    assert (item["state"], item["attempt"], item["due_at"]) == ("started", 2, LEASE_ENDS + 120)
    others = [{"launch_id": new_id()}, {"launch_id": launch_id}, {**marks(launch_id), "start_nonce": "guessed"}]
    for metadata in others:  # what a thread's metadata says, its runs inherit
        scene.langgraph.add(CALLERS, status="running", metadata=metadata)
    second = scene.langgraph.add(CALLERS, status=status, values="", metadata=marks(launch_id))
    look(scene, launch_id)
    steps = [step for step in scene.steps if step in (LIST, CANCEL)]
    assert steps[: 1 + (status == "running")] == [LIST, CANCEL][: 1 + (status == "running")]
    assert steps.count(CANCEL) == (status == "running")
    run = scene.run(second)
    assert (run["launch_id"], run["doubled"]) == (launch_id, True)
    assert "doubled" not in scene.run(item["run_id"])
    assert scene.output.counts["doubled"] == 1
    for _ in range(WATCHES - 1):
        look(scene, launch_id)
    scene.pass_at(86_400)
    assert scene.output.counts["doubled"] == 1
    assert scene.steps.count(CANCEL) == 0
    assert scene.run(second)["outcome"] == {"running": "cancelled", "success": "succeeded"}[status]
    assert launch(scene, launch_id)["run_id"] == item["run_id"]


def test_g2_a_launch_on_a_callers_thread_is_watched_three_times_at_growing_intervals(scene: Scene) -> None:
    launch_id = on_callers_thread(scene)
    times = [int(look(scene, launch_id)["due_at"]) - LEASE_ENDS for _ in range(WATCHES + 1)]
    assert times == [120, 240, 480, 960]
    assert "due_at" not in look(scene, launch_id)
    scene.pass_at(86_400)
    assert sum(step == LIST for step in scene.steps) == 1 + WATCHES


def test_g2_each_attempt_on_a_callers_thread_is_watched_anew(scene: Scene) -> None:
    launch_id = on_callers_thread(scene)
    scene.langgraph.runs = Told(422, {"detail": "no"})
    while "due_at" in launch(scene, launch_id):  # the second attempt is refused, and watched to the end
        look(scene, launch_id)
    assert launch(scene, launch_id)["watches"] == WATCHES
    scene.langgraph.runs = Told(cut=True)
    found = launch_states.Launch.read(launch(scene, launch_id))
    with pytest.raises(Problem):  # its caller asks once more, and the answer is lost
        go_on(scene.launcher, found, scene.launcher.server.until(20))
    scene.langgraph.runs = None
    assert look(scene, launch_id)["attempt"] == 4
    late = scene.langgraph.add(CALLERS, status="running", values="", metadata=marks(launch_id))
    look(scene, launch_id)
    assert scene.run(late)["doubled"] is True
    assert scene.langgraph.known[late]["status"] == "interrupted"


@pytest.mark.parametrize(("status", "outcome"), [("success", "succeeded"), ("error", "failed")])
def test_g2_g11_a_second_run_whose_webhook_was_trimmed_gets_what_its_launch_knows(
    scene: Scene, status: str, outcome: str
) -> None:
    launch_id = on_callers_thread(scene)
    look(scene, launch_id)
    second = scene.langgraph.add(CALLERS, status=status, values="{}", metadata=marks(launch_id))
    told = parse_delivery(delivery(second, launch_id, status=status, thread_id=None).encode())
    assert isinstance(told, Delivery)
    kept = unconfirmed.kept(launch_id, told, Placed(told.payload, None), scene.wall.now)
    assert scene.launcher.launches.apply(kept) is None
    item = look(scene, launch_id)
    assert not [name for name in item if name.startswith("kept_about_")]
    assert item["kept_count"] == 0
    run = scene.run(second)
    assert (run["doubled"], run["thread_id"], run["launch_id"]) == (True, CALLERS, launch_id)
    assert (run["source"], run["payload"]) == ("webhook", told.payload.text)
    assert (scene.look(second)["outcome"], "unverified" in scene.run(second)) == (outcome, False)


@pytest.mark.parametrize(
    "meanwhile",
    [lambda _: None, lambda scene: setattr(scene.langgraph, "instead", lambda _: Told(404, {"detail": "gone"}))],
    ids=["nothing there", "thread deleted"],
)
def test_g2_watching_finds_nothing_where_there_is_nothing(scene: Scene, meanwhile: Callable[[Scene], None]) -> None:
    launch_id = on_callers_thread(scene)
    look(scene, launch_id)
    meanwhile(scene)
    look(scene, launch_id)
    assert "doubled" not in scene.output.counts
    assert len(scene.aws.items("RunsTable")) == 1


def test_g2_watches_that_fail_are_made_again_and_not_counted(scene: Scene) -> None:
    launch_id = on_callers_thread(scene)
    look(scene, launch_id)
    scene.langgraph.instead = lambda _: Told(503, "down")
    for _ in range(WATCHES + 1):
        look(scene, launch_id)
    scene.langgraph.instead = lambda _: None
    second = scene.langgraph.add(CALLERS, status="running", values="", metadata=marks(launch_id))
    look(scene, launch_id)
    assert scene.run(second)["doubled"] is True
