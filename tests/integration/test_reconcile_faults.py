"""Whatever fails is pushed back and stops nothing else; what there is no time for is done the next minute (G1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local.servers import free_port
from runledger.domain import launch_states, run_states
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.problems import unavailable
from runledger.domain.retry import TICKET_SECONDS
from runledger.use_cases import perform_runs, sweep
from runledger_langgraph.client import LangGraph
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.support import CHECK, NOW, Recovery, claim, client_of, delivery, new_id

if TYPE_CHECKING:
    from runledger.domain.ledger import Update
    from tests.integration.conftest import Load
    from tests.integration.faults import Faults
    from tests.integration.scene import Scene

GET = "GET /threads/…/runs/…"
HTML = Told(body="<html>Sign in</html>", headers={"Content-Type": "text/html"})


@pytest.mark.parametrize(
    "told",
    [
        HTML,
        Told(body=[{}]),
        Told(body={"detail": "?"}),
        Told(500, {"detail": "no"}),
        Told(429, {"detail": "no"}),
        Told(cut=True),
    ],
    ids=["page", "list", "other object", "500", "429", "cut"],
)
@pytest.mark.parametrize("step", [GET, "POST /threads/…/history"])
def test_g1_a_run_about_which_langgraph_talks_rubbish_stops_no_other(scene: Scene, told: Told, step: str) -> None:
    poisoned = scene.launched()
    others = [scene.launched() for _ in range(3)]
    thread_id = scene.run(poisoned)["thread_id"]
    scene.langgraph.instead = lambda sent: told if sent.step == step and thread_id in sent.path else None
    scene.pass_at(120)
    assert {scene.run(run_id)["outcome"] for run_id in others} == {"succeeded"}
    item = scene.run(poisoned)
    assert (item["outcome"], item["due_at"], item["failures"]) == ("pending", CHECK + 240, 1)
    assert scene.output.counts == {"reconciled": 3, "check_failed": 1}
    scene.langgraph.instead = lambda _: None
    assert scene.look(poisoned)["outcome"] == "succeeded"


def test_g1_a_server_that_does_not_answer_is_asked_every_five_minutes_however_long_that_lasts(scene: Scene) -> None:
    run_id = scene.launched()
    scene.langgraph.instead = lambda _: HTML
    times = [int(scene.look(run_id)["due_at"]) - CHECK for _ in range(5)]
    assert times == [240, 540, 840, 1140, 1440]
    assert "checks" not in scene.run(run_id)
    assert scene.output.counts == {"check_failed": 5, "stuck": 1}


def test_g1_a_run_that_fails_again_and_again_is_looked_at_at_growing_intervals(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = scene.launched()
    monkeypatch.setattr(run_states, "reconciled", lambda *_, **__: 1 // 0)
    times = [int(scene.look(run_id)["due_at"]) - CHECK for _ in range(5)]
    assert times == [240, 720, 1620, 2520, 3420]


def test_g1_g11_a_run_without_a_thread_is_told_on_its_webhooks_word_and_nobody_is_asked(scene: Scene) -> None:
    run_id, other = new_id(), scene.launched()
    told = parse_delivery(delivery(run_id, None, kwargs={"temporary": True}).encode())
    assert isinstance(told, Delivery)
    scene.apply(run_states.believed(told, Placed(told.payload, None), scene.langgraph.url, scene.wall.now))
    item = scene.look(run_id)
    assert (item["outcome"], item["source"], item["confirmed"]) == ("succeeded", "webhook", False)
    assert not {"thread_id", "unpublished", "due_at", "due_shard"} & set(item)
    assert scene.run(other)["outcome"] == "succeeded"
    assert not any(run_id in sent.path for sent in scene.langgraph.requests)
    assert scene.output.counts == {"reconciled": 1, "published": 1}


def test_g1_a_run_that_is_none_stops_no_other(scene: Scene) -> None:
    other, table = scene.launched(), scene.aws.template.names["RunsTable"]
    item = {"run_id": {"S": "a"}, "due_at": {"N": "5"}, "due_shard": {"S": "0"}}
    scene.aws.client("dynamodb").put_item(TableName=table, Item=item)
    scene.pass_at(120)
    assert scene.run(other)["outcome"] == "succeeded"
    assert scene.run("a")["due_at"] == CHECK + 240


def test_g1_a_run_about_which_langgraph_says_another_stops_no_other(scene: Scene) -> None:
    run_id, other = scene.launched(), scene.launched()
    scene.langgraph.known[run_id]["run_id"] = new_id()
    scene.pass_at(120)
    assert [scene.run(it)["outcome"] for it in (run_id, other)] == ["pending", "succeeded"]


def test_g1_a_run_whose_handling_raises_stops_no_other(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned, other = scene.launched(), scene.launched()
    made = run_states.reconciled

    def reconciled(run_id: str, *rest: Any, **more: Any) -> Update:
        return made(run_id, *rest, **more) if run_id != poisoned else 1 // 0  # type: ignore[return-value]

    monkeypatch.setattr(run_states, "reconciled", reconciled)
    scene.pass_at(120)
    assert (scene.run(poisoned)["outcome"], scene.run(poisoned)["due_at"]) == ("pending", CHECK + 240)
    assert scene.run(other)["outcome"] == "succeeded"
    assert scene.output.counts == {"reconciled": 1, "check_failed": 1}
    (line,) = (line for line in scene.output.logs if line["level"] == "ERROR")
    assert (line["run_id"], line["exception_name"]) == (poisoned, "ZeroDivisionError")


@pytest.mark.parametrize("can_be_pushed_back", [True, False])
def test_g1_a_run_that_cannot_be_written_stops_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, can_be_pushed_back: bool
) -> None:
    poisoned, other = scene.launched(), scene.launched()
    gone = scene.launched(is_known=False)
    apply = scene.launcher.runs.apply

    def failing(update: Update) -> dict[str, Any] | None:
        if update.key["run_id"] in (poisoned, gone) and ("outcome" in update.set or not can_be_pushed_back):
            raise unavailable("The ledger can't be written (ValidationException).")
        found: dict[str, Any] | None = apply(update)
        return found

    monkeypatch.setattr(scene.launcher.runs, "apply", failing)
    scene.pass_at(120)
    assert scene.run(other)["outcome"] == "succeeded"
    item = scene.run(poisoned)
    later = 240 if can_be_pushed_back else TICKET_SECONDS
    assert (item["outcome"], item["due_at"]) == ("pending", CHECK + later)
    missed = {} if can_be_pushed_back else {"check_failed": 2}  # a miss sets no outcome
    assert scene.output.counts == {"reconciled": 1, "check_failed": 1, **missed}
    monkeypatch.setattr(scene.launcher.runs, "apply", apply)
    assert scene.look(poisoned)["outcome"] == "succeeded"


def test_g1_a_payload_that_cannot_be_stored_leaves_the_run_as_it_was(load: Load, scene: Scene, faults: Faults) -> None:
    scene.reconcile = Recovery(
        load("sweep", LangGraphUrl=scene.langgraph.url, InlinePayloadBytes="0"), load("worker"), scene.aws
    )
    run_id = scene.launched()
    with faults.on(client_of(scene.launcher.bucket), kinds.BROKEN):
        item = scene.look(run_id)
    assert (item["outcome"], item["due_at"]) == ("pending", CHECK + 240)
    assert scene.look(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("told", [Told(503, "down"), Told(cut=True), HTML], ids=["503", "cut", "page"])
def test_g1_while_langgraph_is_down_it_is_left_alone_and_nothing_is_lost(scene: Scene, told: Told) -> None:
    runs = [scene.launched() for _ in range(50)]
    scene.langgraph.instead = lambda _: told
    scene.pass_at(120)
    assert scene.output.counts == {"check_failed": 30}
    assert len(scene.langgraph.requests) == 30, "three batches are enough to see it"
    assert {int(scene.run(run_id)["due_at"]) for run_id in runs} == {CHECK + 240}
    assert sum("failures" in scene.run(run_id) for run_id in runs) == 30, "of the others nothing is known"
    scene.langgraph.instead = lambda _: None
    scene.pass_at(360)
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"succeeded"}


@pytest.mark.parametrize("is_silent", [True, False], ids=["silent", "refused port"])
def test_g1_a_langgraph_that_does_not_answer_costs_a_look_its_time_and_no_more(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, *, is_silent: bool
) -> None:
    monkeypatch.setitem(vars(perform_runs), "_EACH_SECONDS", 0.2)
    scene.launcher.server.langgraph.deadline = 0.6
    scene.langgraph.instead = lambda _: Told(silent=True)
    if not is_silent:
        unreached = LangGraph(f"http://127.0.0.1:{free_port('127.0.0.1')}")
        unreached.url = scene.langgraph.url
        object.__setattr__(scene.launcher.server, "langgraph", unreached)
    run_id = scene.launched()
    item = scene.look(run_id)
    assert (item["outcome"], item["due_at"]) == ("pending", CHECK + 240)
    assert scene.output.counts == {"check_failed": 1}


@pytest.mark.parametrize("secret", ["LangGraphApiKeySecret"])
def test_g1_a_secret_that_cannot_be_used_fails_the_step_and_is_counted(scene: Scene, secret: str) -> None:
    good = scene.aws.secret(secret)
    scene.aws.put_secret(secret, "put-your-langgraph-api-key-here")
    run_id = scene.launched()
    scene.pass_at(120)
    assert scene.run(run_id)["due_at"] == CHECK + 240
    assert scene.output.counts == {"check_failed": 1}
    scene.aws.put_secret(secret, good)
    assert scene.look(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g1_a_ledger_that_cannot_be_read_ends_the_sweep_and_the_next_minute_does_the_work(
    scene: Scene, faults: Faults, kind: str
) -> None:
    run_id = scene.launched()
    with faults.on(client_of(scene.reconcile.sweep.parts.runs), kind):
        scene.pass_at(120)
    assert scene.output.counts == {"failed": 1}
    assert scene.look(run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("kind", kinds.ALL)
def test_g1_an_item_that_the_worker_cannot_read_comes_again_when_its_ticket_ends(
    scene: Scene, faults: Faults, kind: str
) -> None:
    run_id = scene.launched()
    with faults.on(client_of(scene.launcher.runs), kind):
        scene.pass_at(120)
    assert scene.output.counts == {"failed": 1}
    assert scene.run(run_id)["due_at"] == CHECK + TICKET_SECONDS
    assert scene.look(run_id)["outcome"] == "succeeded"


def test_g1_launches_for_which_there_is_no_time_are_due_again_at_once(scene: Scene) -> None:
    run_id, launch_id = scene.launched(), new_id()
    scene.launcher.launches.apply(claim(launch_id, langgraph_url=scene.langgraph.url))
    scene.wall.now = NOW + 120
    scene.reconcile.enqueue()
    (batch,) = scene.reconcile.batches()
    assert scene.reconcile.bring(batch, seconds=35) == []
    assert scene.run(run_id)["outcome"] == "succeeded", "runs are asked about at once"
    assert (scene.aws.launch(launch_id) or {})["due_at"] == CHECK
    scene.reconcile.run()
    assert (scene.aws.launch(launch_id) or {})["state"] == "started"


def test_g4_a_second_pass_over_the_same_items_finds_nothing_to_do(scene: Scene) -> None:
    runs = [scene.launched("success", next=["ask"]), scene.launched("running"), scene.launched("error")]
    runs.append(scene.launched(is_known=False))
    scene.pass_at(120)
    before, counts = [scene.run(run_id) for run_id in runs], scene.output.counts
    assert scene.steps
    scene.reconcile.run()
    assert scene.steps == []
    assert [scene.run(run_id) for run_id in runs] == before
    assert scene.output.counts == counts


def test_g4_of_two_passes_at_once_one_counts(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other does the same a moment earlier, each time."""
    runs = [scene.launched("success", next=["ask"]), scene.launched("running"), scene.launched("error")]
    runs.append(scene.launched(is_known=False))
    settling = scene.launched("success")
    scene.delivered(settling)
    apply = scene.launcher.runs.apply

    def slower(update: Update) -> dict[str, Any] | None:
        apply(update)
        found: dict[str, Any] | None = apply(update)
        return found

    monkeypatch.setattr(scene.launcher.runs, "apply", slower)
    scene.pass_at(120)
    assert scene.output.counts == {}
    items = [scene.run(run_id) for run_id in runs]
    assert [item["outcome"] for item in items] == ["awaiting_input", "pending", "failed", "pending"]
    assert (items[1]["checks"], items[3]["misses"]) == (1, 1)
    assert scene.run(settling)["outcome"] == "succeeded"


def test_what_waits_longest_is_told_for_each_table(scene: Scene) -> None:
    scene.pass_at(0)
    assert set(scene.output.gauges("oldest_due")) == {0}
    for _ in range(12):
        scene.launched("running")
    scene.launcher.launches.apply(claim(new_id(), langgraph_url="https://before.example"))
    scene.pass_at(720)
    assert scene.output.gauges("oldest_due")[2:4] == [600, 660]


def test_g1_no_shard_is_starved_by_sweeps_that_run_out_of_time(scene: Scene) -> None:
    """Each minute begins with another shard; within one, whoever has waited longest comes first."""
    for _ in range(30):
        scene.launched("running")
        scene.wall.now -= 1
    table = scene.reconcile.sweep.parts.runs
    listed = []
    for minute in range(8):
        scene.wall.now = NOW + 120 + 60 * minute
        listed.append([(item["due_shard"], item["due_at"]) for item in sweep._longest_due(table)])  # noqa: SLF001 - its order
    shards = {shard for shard, _ in listed[0]}
    assert {items[0][0] for items in listed} == shards
    assert len(shards) > 4
    for items in listed:
        assert [at for one in shards for shard, at in items if shard == one] == [
            at for one in shards for at in sorted(at for shard, at in items if shard == one)
        ]


def test_g10_due_runs_are_read_a_page_at_a_time_and_asked_about_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runledger.adapters.dynamodb._PAGE", 2)
    runs = [scene.launched("running") for _ in range(40)]
    scene.pass_at(120)
    assert scene.steps == [GET] * 40
    assert {int(scene.run(run_id)["due_at"]) for run_id in runs} == {CHECK + 240}


def test_a_line_of_the_log_is_about_its_own_run_alone(scene: Scene) -> None:
    launch_id, run_id = new_id(), scene.launched("error")
    scene.launcher.launches.apply(launch_states.heard(launch_id, NOW))
    scene.pass_at(120)
    (line,) = scene.output.logs
    assert (line["message"], line["run_id"], line["launch_id"]) == (
        "reconciled",
        run_id,
        scene.run(run_id)["launch_id"],
    )
    assert line["service"] == "worker"
