"""What reconcile records of a run whose webhook has not come, and how it settles what a webhook left open (G1)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import run_states
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed, shard
from runledger.use_cases import perform_runs, take_status
from runledger_langgraph import checkpoints, inspection
from tests.integration.langgraph_double import Told
from tests.integration.scene import QUESTION, Scene
from tests.integration.support import CHECK, NOW, Recovery, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.support import Aws, Output, WallClock

GET, HISTORY, LIST = "GET /threads/…/runs/…", "POST /threads/…/history", "GET /threads/…/runs"
RAW = (
    '{"f":0.30000000000000004,"one":1.0,"n":9223372036854775808,"minus":-0.0,"next":["x"],"grin":"😀","nul":"\\u0000"}'
)
RESULT = '{"answer":42}'

BOOM = {"type": "ValueError", "message": "boom"}


@pytest.mark.parametrize(
    ("status", "changes", "outcome", "more"),
    [
        ("success", {}, "succeeded", {}),
        (
            "success",
            {"next": ["ask"], "tasks": QUESTION},
            "awaiting_input",
            {"questions": '[{"id": "i1", "value": {"question": "Shall I?"}}]'},
        ),
        ("success", {"next": ["ask"]}, "awaiting_input", {"questions": "[]"}),
        (
            "error",
            {"next": ["fail"], "tasks": [{"error": "ValueError('boom')"}]},
            "failed",
            {"error": BOOM, "error_brief": BOOM},
        ),
        ("timeout", {}, "timed_out", {}),
        ("interrupted", {"next": ["slow"]}, "cancelled", {}),
    ],
)
def test_g1_a_run_without_a_webhook_is_recorded_with_its_own_result(
    scene: Scene, status: str, changes: dict[str, Any], outcome: str, more: dict[str, Any]
) -> None:
    run_id = scene.launched(status, values=RESULT, **changes)
    before = scene.run(run_id)
    item = scene.look(run_id)
    assert scene.steps == [GET, HISTORY]
    assert item == {
        **before,
        "source": "reconcile",
        "status": status,
        "outcome": outcome,
        "outcome_shard": f"{outcome}#{shard(run_id)}",
        "ended_at": "2026-11-22T06:00:01.500000Z",
        "updated_at": "2026-11-22T06:02:00.000000Z",
        "webhook_awaited": True,
        "payload": item["payload"],
        "payload_bytes": len(item["payload"].encode()),
        "payload_sha256": item["payload_sha256"],
        "due_at": CHECK + 120,
        "unpublished": {outcome},
        "event_state": "unpublished",
        **more,
    }
    payload = json.loads(item["payload"])
    assert (payload["run_id"], payload["status"], payload["values"]) == (run_id, status, {"answer": 42})
    said = {"error": "ValueError", "message": "boom"}  # in the form of a webhook's
    assert payload.get("error") == (said if "error" in more else None)
    assert scene.output.counts == {"reconciled": 1}


@pytest.mark.parametrize("inline", ["32768", "0"], ids=["item", "bucket"])
def test_g3_g5_values_are_langgraphs_own_text_and_the_token_is_cut_out(
    load: Load, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, output: Output, inline: str
) -> None:
    reconcile = Recovery(load("sweep", LangGraphUrl=langgraph.url, InlinePayloadBytes=inline), load("worker"), aws)
    made = Scene(reconcile, langgraph, aws, wall, output)
    run_id = made.launched("success", values=RAW)
    item = made.look(run_id)
    key = f"runs/{item['launch_id']}/{run_id}/{item['payload_sha256']}.json.gz"
    assert item.get("payload_key") == (key if inline == "0" else None)
    text = item["payload"] if inline != "0" else aws.objects()[key]["Body"]
    assert text.endswith(f',"values":{RAW}}}')
    assert "secret-token" not in text
    assert json.loads(text)["kwargs"]["webhook"] == "https://webhook.example/webhook?token="


def test_g1_a_result_too_large_for_a_batch_is_read_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(vars(perform_runs), "_AT_ONCE_BYTES", 1000)
    small, large = scene.launched(values=RESULT), scene.launched(values='{"x":"' + "x" * 2000 + '"}')
    scene.pass_at(120)
    assert "x" * 2000 in scene.run(large)["payload"]
    assert scene.run(small)["outcome"] == scene.run(large)["outcome"] == "succeeded"
    assert sorted(scene.steps) == [GET] * 3 + [HISTORY] * 3


def test_g1_a_large_result_for_which_there_is_no_time_is_read_next_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vars(perform_runs), "_AT_ONCE_BYTES", 10)
    run_id = scene.launched(values=RESULT)

    def late(_: Any) -> None:
        scene.wall.monotonic = lambda: float("inf")

    real, scene.langgraph.instead = scene.wall.monotonic, late
    item = scene.look(run_id)
    assert (item["outcome"], item["due_at"], item["checks"]) == ("pending", CHECK + 240, 1)
    scene.wall.monotonic, scene.langgraph.instead = real, lambda _: None
    assert scene.look(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("slow", [False, True])
def test_g5_an_adopted_runs_metadata_are_langgraphs_without_the_token(scene: Scene, *, slow: bool) -> None:
    """Nor what comes together to be one when another is cut out; `slow`: its checkpoint can't be read."""
    metadata = {"tenant": "a", "odd": "a.seca.secret-tokenret-token", "price": 1.5}
    run_id = scene.launched("success", metadata=metadata)
    if slow:
        scene.langgraph.instead = lambda sent: Told(silent=True) if sent.path.endswith("/history") else None
        scene.launcher.server.langgraph.deadline = 0.2
        for _ in range(6):
            scene.look(run_id)
    item = scene.look(run_id)
    assert item["source"] == "reconcile"
    assert json.loads(item["metadata"]) == {"tenant": "a", "odd": "", "price": 1.5}


def silent_histories(scene: Scene, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have LangGraph leave so many questions about checkpoints without an answer, and let nobody wait for it long."""
    monkeypatch.setitem(vars(perform_runs), "_EACH_SECONDS", 0.2)
    scene.launcher.server.langgraph.deadline = 1.5
    left = iter(range(times))

    def silent(sent: Sent) -> Told | None:
        return Told(silent=True) if sent.step == HISTORY and next(left, None) is not None else None

    scene.langgraph.instead = silent


def test_g1_a_batch_that_is_slow_as_a_whole_is_read_run_by_run(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [scene.launched(values=RESULT) for _ in range(2)]
    ask, first = scene.launcher.server.langgraph.ask, iter([TimeoutError()])

    def slow(*args: Any) -> Any:
        if error := next(first, None):
            raise error
        return ask(*args)

    monkeypatch.setattr(scene.launcher.server.langgraph, "ask", slow)
    scene.pass_at(120)
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"succeeded"}


def test_g1_a_result_too_slow_for_a_batch_is_read_alone(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    silent_histories(scene, monkeypatch, times=1)
    item = scene.look(scene.launched(values=RESULT))
    assert (item["outcome"], json.loads(item["payload"])["values"]) == ("succeeded", json.loads(RESULT))
    assert scene.steps == [GET, HISTORY] * 2


@pytest.mark.parametrize(("status", "outcome"), [("error", "failed"), ("success", "settling")])
def test_g1_a_result_that_can_never_be_read_leaves_an_outcome_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, status: str, outcome: str
) -> None:
    silent_histories(scene, monkeypatch, times=1000)
    run_id = scene.launched(status)
    for _ in range(4):
        assert scene.look(run_id)["outcome"] == "pending"
    assert "stuck" not in scene.output.counts
    item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["source"]) == (outcome, status, "reconcile")
    assert item["result_too_large"] is True
    assert (scene.output.counts["result_too_large"], scene.output.counts["check_failed"]) == (1, 4)
    scene.langgraph.instead = lambda _: None
    assert scene.look(run_id)["outcome"] == ("failed" if status == "error" else "succeeded")


@pytest.mark.parametrize("size", [2_000, 30_000], ids=["received whole", "only its end kept"])
def test_g1_a_result_over_the_limit_leaves_an_outcome_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setitem(vars(perform_runs), "_AT_ONCE_BYTES", 10)
    monkeypatch.setitem(vars(take_status), "MAX_RESULT_BYTES", 1000)
    monkeypatch.setattr(checkpoints, "_TAIL_BYTES", 5_000)
    values = json.dumps({"x": "x" * size, "next": [{"next": []}]})
    run_id = scene.launched(values=values, next=["ask"], tasks=QUESTION)
    item = scene.look(run_id)
    assert (item["outcome"], item["result_too_large"]) == ("awaiting_input", True)
    assert json.loads(item["questions"])[0]["id"] == "i1"
    assert not {"payload", "payload_key", "payload_bytes", "payload_sha256"} & set(item)
    assert scene.output.counts == {"reconciled": 1, "result_too_large": 1}


def test_g1_a_run_cancelled_before_it_began_is_over_and_no_sign_of_a_lost_webhook(scene: Scene) -> None:
    run_id = scene.launched("interrupted", values="")
    item = scene.look(run_id)
    assert (item["outcome"], json.loads(item["payload"])["values"]) == ("cancelled", None)
    assert "webhook_awaited" not in item
    scene.pass_at(86_400)
    assert not {"due_at", "due_shard", "unpublished"} & set(scene.run(run_id))
    assert scene.output.counts == {"reconciled": 1, "published": 1}


@pytest.mark.parametrize("status", ["pending", "running"])
def test_g1_a_run_that_is_not_over_is_looked_at_at_growing_intervals(scene: Scene, status: str) -> None:
    run_id = scene.launched(status)
    times = [int(scene.look(run_id)["due_at"]) - CHECK for _ in range(6)]
    waits = [later - earlier for earlier, later in zip([0, *times], times, strict=False)]
    assert waits == [240, 480, 900, 900, 900, 900]
    assert scene.run(run_id)["outcome"] == "pending"
    assert scene.output.counts == {}
    scene.langgraph.known[run_id]["status"] = "success"
    assert scene.look(run_id)["outcome"] == "succeeded"
    assert not {"checks", "misses"} & set(scene.run(run_id))


def test_g1_max_check_seconds_bounds_the_intervals(load: Load, scene: Scene) -> None:
    scene.reconcile = Recovery(
        load("sweep", LangGraphUrl=scene.langgraph.url, MaxCheckSeconds="300"), load("worker"), scene.aws
    )
    run_id = scene.launched("running")
    times = [int(scene.look(run_id)["due_at"]) - CHECK for _ in range(3)]
    assert times == [240, 540, 840]


def test_g1_a_run_is_not_looked_at_before_it_could_have_started(scene: Scene) -> None:
    run_id = scene.launched("success", after_seconds=3600)
    scene.pass_at(3600 + 119)
    assert scene.steps == []
    scene.pass_at(3600 + 120)
    assert scene.run(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize(
    ("changes", "outcome", "questions"),
    [
        ({}, "succeeded", None),
        ({"next": ["ask"], "tasks": QUESTION}, "awaiting_input", '[{"id": "i1", "value": {"question": "Shall I?"}}]'),
        ({"next": ["ask"]}, "awaiting_input", "[]"),
    ],
)
def test_g1_a_delivered_success_is_settled_and_keeps_its_webhooks_payload(
    scene: Scene, changes: dict[str, Any], outcome: str, questions: str | None
) -> None:
    run_id = scene.launched("success", values="{}", **changes)
    scene.delivered(run_id)
    before = scene.run(run_id)
    item = scene.look(run_id)
    assert (item["outcome"], item["outcome_shard"]) == (outcome, f"{outcome}#{shard(run_id)}")
    assert item.get("questions") == questions
    assert all(item[name] == before[name] for name in before if name.startswith(("payload", "source", "status")))
    assert (item["due_at"], item["unpublished"]) == (CHECK + 120, {outcome})
    assert scene.output.counts == {"settled": 1}


def test_a_large_result_is_not_read_to_settle_a_success(scene: Scene) -> None:
    run_id = scene.launched("success", values='{"x":"' + "x" * 3_000_000 + '"}')
    scene.delivered(run_id)
    assert scene.look(run_id)["outcome"] == "succeeded"
    assert scene.steps == [GET, HISTORY]


def test_g6_a_word_that_is_not_known_stays_settling_until_langgraph_says_another(scene: Scene) -> None:
    run_id = scene.launched("paused", values=RESULT)
    item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["source"]) == ("settling", "paused", "reconcile")
    item = scene.look(run_id)
    assert (item["outcome"], item["due_at"]) == ("settling", CHECK + 120 + 240)
    scene.langgraph.known[run_id]["status"] = "success"
    assert scene.look(run_id)["outcome"] == "succeeded"
    assert "due_at" not in scene.look(run_id)


def test_g6_a_word_that_is_not_known_gives_way_to_the_one_that_langgraph_says_then(scene: Scene) -> None:
    run_id = scene.launched("paused")
    scene.look(run_id)
    thread_id = scene.run(run_id)["thread_id"]
    scene.langgraph.add(thread_id, run_id=run_id, status="error", tasks=[{"error": "no"}])
    item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["error"]) == ("failed", "error", {"message": "no"})


def waiting(scene: Scene) -> tuple[str, str]:
    """Have a run that waits for a person; return its thread's id too."""
    run_id = scene.launched("success", next=["ask"], tasks=QUESTION)
    item = scene.look(run_id)
    assert item["outcome"] == "awaiting_input"
    return run_id, item["thread_id"]


@pytest.mark.parametrize(
    ("kwargs", "outcome"),
    [
        ({"command": {"resume": "yes"}, "input": None}, "answered"),
        ({"command": {"resume": False}}, "answered"),
        ({"command": None, "input": None}, "answered"),
        ({"input": {"text": "something else"}}, "abandoned"),
        ({"command": {"goto": "end"}, "input": None}, "abandoned"),
    ],
)
def test_a_run_that_waits_is_answered_or_abandoned_when_its_thread_goes_on(
    scene: Scene, kwargs: dict[str, Any], outcome: str
) -> None:
    run_id, thread_id = waiting(scene)
    other = scene.langgraph.add(thread_id, status="running", kwargs=kwargs)
    scene.langgraph.add(thread_id, status="success", kwargs={"input": {}})
    item = scene.look(run_id)
    assert (item["outcome"], item.get("answered_by")) == (outcome, other if outcome == "answered" else None)
    assert not {"due_at", "due_shard", "checks"} & set(scene.look(run_id))


def test_g1_a_run_goes_on_waiting_until_another_has_done_something(scene: Scene) -> None:
    run_id, thread_id = waiting(scene)
    scene.langgraph.add(thread_id, status="pending", values="")
    waits = []
    for _ in range(5):
        was = int(scene.run(run_id)["due_at"])
        waits.append(int(scene.look(run_id)["due_at"]) - was)
    assert waits == [240, 480, 900, 900, 900]
    assert scene.run(run_id)["outcome"] == "awaiting_input"
    assert scene.steps[-2:] == [LIST, HISTORY]


def test_a_run_that_waits_on_a_thread_that_was_deleted_is_abandoned_after_three_misses(scene: Scene) -> None:
    scene.remembered()
    run_id, thread_id = waiting(scene)
    scene.langgraph.instead = lambda sent: Told(404, {"detail": "no"}) if thread_id in sent.path else None
    assert [scene.look(run_id)["outcome"] for _ in range(3)] == ["awaiting_input"] * 2 + ["abandoned"]
    assert "lost" not in scene.output.counts


def test_g4_a_success_that_is_gone_before_it_was_settled_has_succeeded(scene: Scene) -> None:
    """Its result is here, and nobody can answer it any more."""
    scene.remembered()
    run_id = scene.launched(is_known=False)
    scene.delivered(run_id)
    assert [scene.look(run_id)["outcome"] for _ in range(3)] == ["settling"] * 2 + ["succeeded"]
    assert scene.wall.now >= NOW + 1800


def test_g14_a_status_that_is_not_known_of_a_run_that_is_gone_is_a_failure_that_says_so(scene: Scene) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    scene.delivered(run_id, "paused")
    for _ in range(3):
        item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["unpublished"]) == ("failed", "paused", {"failed"})
    assert item["error"] == {"message": "LangGraph's status is 'paused', which Runledger does not know."}
    assert item["missing"] == "LangGraph no longer knows the run."
    assert "due_at" not in scene.look(run_id)


def test_g14_a_status_that_stays_unknown_for_longer_than_a_run_may_take_is_a_failure(scene: Scene) -> None:
    run_id = scene.launched("paused", values=RESULT)
    scene.look(run_id)
    for _ in range(3):
        assert scene.look(run_id)["outcome"] == "settling"
    scene.wall.now += scene.launcher.max_run_seconds
    scene.reconcile.run()
    item = scene.run(run_id)
    assert (item["outcome"], item["unpublished"]) == ("failed", {"failed"})
    assert json.loads(item["payload"])["values"] == json.loads(RESULT)


UNREADABLE = {
    "graph removed": Told(404, {"detail": "Graph 'agent' not found. Expected one of: ['other']"}),
    "graph removed, JavaScript": Told(404, "Graph agent not found", {"Content-Type": "text/plain"}),
    "not to be read": Told(422, {"detail": "The checkpoint can't be read."}),
    "no checkpoint": Told(body=[{}]),
}
NOT_LANGGRAPHS = {
    "page": Told(404, "<html>404</html>", {"Content-Type": "text/html"}),
    "backend": Told(404, "default backend - 404", {"Content-Type": "text/plain"}),
    "route": Told(404, {"detail": "Not Found"}),
    "gateway": Told(404, {"message": "Not Found"}),
    "fault": Told(500, {"detail": "Graph 'agent' not found"}),
    "throttle": Told(429, {"detail": "Thread not found"}),
    "key": Told(403, {"detail": "Thread not found"}),
    "200 page": Told(body="<html>Sign in</html>"),
    "200 object": Told(body={"detail": "?"}),
    "cut": Told(cut=True),
}


def no_history(scene: Scene, told: Told) -> None:
    scene.langgraph.instead = lambda sent: told if sent.step.endswith("/history") else None


@pytest.mark.parametrize("is_delivered", [True, False])
@pytest.mark.parametrize("told", UNREADABLE.values(), ids=UNREADABLE)
def test_g14_a_checkpoint_that_langgraph_will_not_show_leaves_an_outcome_after_five_looks(
    scene: Scene, told: Told, *, is_delivered: bool
) -> None:
    run_id = scene.launched("success")
    if is_delivered:
        scene.delivered(run_id)
    no_history(scene, told)
    before = [scene.look(run_id) for _ in range(4)]
    assert {item["outcome"] for item in before} == {"settling" if is_delivered else "pending"}
    item = scene.look(run_id)
    assert (item["outcome"], item["status"], item["unpublished"]) == ("succeeded", "success", {"succeeded"})
    assert item["missing"].startswith("LangGraph")
    assert ("payload" in item) is is_delivered
    assert not {"unreadable", "unread_since", "result_too_large"} & set(item)
    assert scene.output.counts["unreadable"] == 1


@pytest.mark.parametrize("is_delivered", [True, False])
@pytest.mark.parametrize("told", NOT_LANGGRAPHS.values(), ids=NOT_LANGGRAPHS)
def test_g14_what_langgraph_did_not_say_itself_decides_nothing_until_a_run_would_be_over(
    scene: Scene, told: Told, *, is_delivered: bool
) -> None:
    """An hour without `/history` must not make a run that waits a success."""
    run_id = scene.launched("success", next=["ask"], tasks=QUESTION)
    if is_delivered:
        scene.delivered(run_id)
    no_history(scene, told)
    for _ in range(7):
        assert scene.look(run_id)["outcome"] == ("settling" if is_delivered else "pending")
    since = float(scene.run(run_id)["unread_since"])
    assert since == CHECK
    kept = scene.langgraph.instead
    scene.langgraph.instead = lambda _: None
    assert scene.look(run_id)["outcome"] == "awaiting_input"
    other = scene.launched("success")
    scene.delivered(other)
    scene.langgraph.instead = kept
    scene.look(other)
    scene.wall.now = float(scene.run(other)["unread_since"]) + scene.launcher.max_run_seconds + 1
    scene.reconcile.run()
    item = scene.run(other)
    assert item["outcome"] == "succeeded"
    assert item["missing"]


def test_g14_a_delivered_success_is_one_when_nothing_could_be_asked_for_longer_than_a_run_may_take(
    scene: Scene,
) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id)
    scene.langgraph.instead = lambda _: Told(503, "down")
    scene.look(run_id)
    scene.wall.now += scene.launcher.max_run_seconds + 900
    scene.reconcile.run()
    item = scene.run(run_id)
    assert (item["outcome"], item["unpublished"]) == ("succeeded", {"succeeded"})
    assert "503" in item["missing"]


def test_g14_a_run_whose_checkpoint_cannot_be_read_waits_where_its_thread_says_so(scene: Scene) -> None:
    run_id = scene.launched("success")
    scene.delivered(run_id)
    thread_id = scene.run(run_id)["thread_id"]
    scene.langgraph.left[thread_id] = {"status": "interrupted", "interrupts": {"t": [{"id": "i", "value": "Well?"}]}}
    no_history(scene, UNREADABLE["graph removed"])
    for _ in range(5):
        item = scene.look(run_id)
    assert (item["outcome"], json.loads(item["questions"])) == ("awaiting_input", [{"id": "i", "value": "Well?"}])
    assert "Graph 'agent' not found" in item["missing"]


def test_g14_a_delivery_that_named_neither_thread_nor_launch_gets_an_outcome(scene: Scene) -> None:
    run_id = new_id()
    told = parse_delivery(delivery(run_id, None, thread_id=None).encode())
    assert isinstance(told, Delivery)
    scene.apply(run_states.believed(told, Placed(told.payload, None), scene.langgraph.url, NOW))
    item = scene.look(run_id)
    assert (item["outcome"], item["unpublished"]) == ("succeeded", {"succeeded"})
    assert item["missing"] == "The webhook's body named no thread."
    assert "due_at" not in scene.look(run_id)


LARGE = "x" * 17 * 1024 * 1024  # so much that of the answer the end alone is kept


@pytest.mark.parametrize("is_delivered", [True, False])
@pytest.mark.parametrize(
    "tasks",
    [
        [{"id": "t1", "interrupts": [{"id": "i1", "value": LARGE}]}],
        [
            {"id": "t0", "interrupts": [], "result": {"said": LARGE}},
            {"id": "t1", "interrupts": [{"id": "i1", "value": "Well?"}]},
        ],
    ],
    ids=["question", "sibling"],
)
def test_g14_questions_are_found_among_tasks_of_any_size(
    scene: Scene, tasks: list[dict[str, Any]], *, is_delivered: bool
) -> None:
    run_id = scene.launched("success", next=["ask"], tasks=tasks)
    if is_delivered:
        scene.delivered(run_id)
    item = scene.look(run_id)
    assert (item["outcome"], item["unpublished"]) == ("awaiting_input", {"awaiting_input"})
    asked = json.loads(item["questions"])
    if tasks[0]["id"] == "t0":
        assert asked == [{"id": "i1", "value": "Well?"}]
        assert "questions_key" not in item
    else:
        assert asked == [{"id": "i1"}]
        stored = scene.aws.objects()[item["questions_key"]]["Body"]
        assert json.loads(stored) == [{"id": "i1", "value": LARGE}]


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize(
    "kwargs",
    [
        {"command": {"goto": "other"}},
        {"command": {"update": {"a": 1}}},
        {"command": {"goto": "other", "resume": "x"}},
        {"input": None},
    ],
    ids=["goto", "update", "both", "breakpoint"],
)
def test_g1_a_run_that_asks_before_its_first_step_is_done_waits(
    scene: Scene, kwargs: dict[str, Any], *, newest_first: bool
) -> None:
    """It makes no checkpoint: on a finished thread nothing but the thread itself shows the question."""
    scene.langgraph.is_newest_first = newest_first
    thread_id = new_id()
    scene.langgraph.add(thread_id)
    run_id = scene.launched("success", values="", kwargs={"config": {}, **kwargs}, thread_id=thread_id)
    scene.langgraph.left[thread_id] = {"status": "interrupted", "interrupts": {"t": [{"id": "i", "value": "Well?"}]}}
    item = scene.look(run_id)
    assert (item["outcome"], json.loads(item["questions"])) == ("awaiting_input", [{"id": "i", "value": "Well?"}])


def test_g1_a_command_that_leaves_nothing_open_has_succeeded(scene: Scene) -> None:
    thread_id = new_id()
    scene.langgraph.add(thread_id)
    run_id = scene.launched("success", values="", kwargs={"command": {"update": {"a": 1}}}, thread_id=thread_id)
    assert scene.look(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize(("status", "outcome"), [("pending", "awaiting_input"), ("success", "succeeded")])
def test_g1_what_a_thread_shows_is_the_runs_own_only_until_another_has_been_there(
    scene: Scene, status: str, outcome: str
) -> None:
    thread_id = new_id()
    scene.langgraph.add(thread_id)
    run_id = scene.launched("success", values="", kwargs={"command": {"goto": "a"}}, thread_id=thread_id)
    scene.langgraph.add(thread_id, status=status, values="")
    scene.langgraph.left[thread_id] = {"status": "busy", "interrupts": {"t": [{"id": "i", "value": "Well?"}]}}
    assert scene.look(run_id)["outcome"] == outcome


def test_g14_a_thread_that_nobody_may_search_leaves_what_its_checkpoint_says(scene: Scene) -> None:
    thread_id = new_id()
    scene.langgraph.add(thread_id, next=["ask"], tasks=QUESTION)
    run_id = scene.launched("success", values="", kwargs={"input": None}, thread_id=thread_id)
    told = Told(403, {"detail": "no"})
    scene.langgraph.instead = lambda sent: told if sent.path == "/threads/search" else None
    item = scene.look(run_id)
    assert (item["outcome"], json.loads(item["questions"])[0]["id"]) == ("awaiting_input", "i1")


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_run_that_waits_on_a_thread_with_earlier_runs_goes_on_waiting(scene: Scene, *, newest_first: bool) -> None:
    """The JavaScript server lists the oldest run first."""
    scene.langgraph.is_newest_first = newest_first
    thread_id = new_id()
    for _ in range(3):
        scene.langgraph.add(thread_id)
    run_id = scene.launched("success", next=["ask"], tasks=QUESTION, thread_id=thread_id)
    assert [scene.look(run_id)["outcome"] for _ in range(3)] == ["awaiting_input"] * 3
    scene.langgraph.add(thread_id, status="running", kwargs={"command": {"resume": "yes"}})
    assert scene.look(run_id)["outcome"] == "answered"


@pytest.mark.parametrize(("newest_first", "pages"), [(True, 1), (False, 3)])
def test_a_long_threads_runs_are_read_as_far_as_needed_whatever_their_order(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, newest_first: bool, pages: int
) -> None:
    monkeypatch.setattr(inspection, "_PAGE", 4)
    scene.langgraph.is_newest_first = newest_first
    thread_id = new_id()
    for _ in range(9):
        scene.langgraph.add(thread_id)
    run_id = scene.launched("success", next=["ask"], tasks=QUESTION, thread_id=thread_id)
    scene.look(run_id)
    assert scene.steps
    scene.look(run_id)
    assert scene.steps == [LIST] * pages


def test_a_run_that_was_rolled_back_is_no_failure_where_langgraph_calls_it_an_error(scene: Scene) -> None:
    """The JavaScript server keeps it, as `error`."""
    thread_id = new_id()
    ended = "2026-11-22T06:00:09+00:00"
    run_id = scene.launched("error", next=["slow"], thread_id=thread_id, updated_at=ended)
    failed = scene.launched("error", tasks=[{"error": "no"}], thread_id=thread_id, updated_at=ended)
    scene.langgraph.add(thread_id, multitask_strategy="rollback")
    assert scene.look(run_id)["outcome"] == "rolled_back"
    assert scene.run(failed)["outcome"] == "failed"


def test_g1_a_result_that_lambda_does_not_take_is_no_lost_webhook(scene: Scene) -> None:
    run_id = scene.launched(values='"' + "x" * 6_300_000 + '"')
    item = scene.look(run_id)
    assert item["outcome"] == "succeeded"
    assert "webhook_awaited" not in item
    scene.pass_at(3600)
    counts = scene.output.counts
    assert (counts["reconciled"], counts["oversized"], "recovered" in counts) == (1, 1, False)
    assert "due_at" not in scene.run(run_id)


def test_a_run_that_langgraph_calls_running_long_past_its_time_is_counted(scene: Scene) -> None:
    run_id, started = scene.launched("running"), NOW + scene.launcher.max_run_seconds
    scene.wall.now = started
    scene.reconcile.run()
    assert "overdue" not in scene.output.counts
    item = scene.look(run_id)
    assert (item["outcome"], scene.output.counts["overdue"]) == ("pending", 1)


def test_each_outcome_is_counted_once_and_how_many_of_the_runs_failed(scene: Scene) -> None:
    for status in ("success", "error", "error", "timeout", "interrupted"):
        scene.launched(status)
    for seconds in (120, 240, 3600):
        scene.pass_at(seconds)
    assert scene.output.outcomes == {
        "succeeded": 1,
        "failed": 2,
        "timed_out": 1,
        "cancelled": 1,
        "failed_runs": 3,
        "of": 4,
    }


def test_the_exceptions_type_is_told_where_no_webhook_came(scene: Scene) -> None:
    tasks = [{"id": "t", "error": "ValueError('boom')", "interrupts": []}]
    item = scene.look(scene.launched("error", tasks=tasks))
    assert item["error"] == item["error_brief"] == BOOM
