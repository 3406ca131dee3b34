"""Runs that LangGraph does not know: lost only for certain, and never because it is not itself (G1, G13)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from runledger import deadline
from runledger.deadline import CALL_SECONDS
from runledger.domain import run_states
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.retry import TICKET_SECONDS
from runledger.domain.settling import Seen
from runledger.domain.times import iso
from runledger.use_cases import perform_runs
from runledger_langgraph.client import LangGraph
from tests.integration.langgraph_double import CREATED_AT, Told
from tests.integration.support import CHECK, NOW, delivery, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.langgraph_double import Sent
    from tests.integration.scene import Scene

HALF_AN_HOUR, DAY = 1_800, 86_400


def test_g1_a_run_is_lost_after_three_misses_over_half_an_hour(scene: Scene) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    first, second = scene.look(run_id), scene.look(run_id)
    assert (first["misses"], first["missed_since"], first["due_at"]) == (1, CHECK, CHECK + 900)
    assert (second["misses"], second["missed_since"], second["due_at"]) == (2, CHECK, CHECK + 1800)
    assert first["outcome"] == second["outcome"] == "pending"
    item = scene.look(run_id)
    assert (item["outcome"], item["source"]) == ("lost", "launch")
    assert scene.output.counts == {"lost": 1}
    for _ in range(2):
        scene.pass_at(DAY)
        assert scene.output.counts == {"lost": 1, "published": 1}
    assert not {"due_at", "due_shard"} & set(scene.run(run_id))


def test_g8_a_lost_run_that_is_heard_of_and_still_not_found_is_told_of_no_second_time(scene: Scene) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    for _ in range(4):
        scene.look(run_id)
    scene.apply(run_states.due_now(run_id, scene.wall.now))
    for _ in range(5):  # it is looked for anew, as often as any other
        if "due_at" in scene.run(run_id):
            scene.look(run_id)
    assert scene.output.counts == {"lost": 1, "published": 1}
    assert "due_at" not in scene.run(run_id)


def test_g1_a_run_is_not_lost_within_half_an_hour_however_often_it_is_missed(scene: Scene) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    for seconds in range(120, 1920, 60):
        scene.wall.now = NOW + seconds
        scene.apply(run_states.due_now(run_id, scene.wall.now))
        scene.reconcile.run()
    item = scene.run(run_id)
    assert (item["outcome"], item["misses"]) == ("pending", 30)
    scene.pass_at(DAY)
    assert scene.run(run_id)["outcome"] == "lost"


def test_g1_misses_count_only_in_a_row(scene: Scene) -> None:
    scene.remembered()
    run_id, thread_id = scene.launched(is_known=False), new_id()
    scene.look(run_id)
    scene.look(run_id)
    scene.langgraph.add(thread_id, run_id=run_id, status="running")
    assert not {"misses", "missed_since"} & set(scene.look(run_id))
    del scene.langgraph.known[run_id]
    assert [scene.look(run_id)["outcome"] for _ in range(3)] == ["pending", "pending", "lost"]


def test_g4_a_lost_run_that_is_heard_of_and_found_is_recorded(scene: Scene) -> None:
    run_id = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(run_id)
    scene.langgraph.add(scene.run(run_id)["thread_id"], run_id=run_id, status="error")
    scene.apply(run_states.due_now(run_id, scene.wall.now))
    assert scene.look(run_id)["outcome"] == "failed"


def test_g1_each_run_that_langgraph_does_not_know_is_missed_however_many_there_are(scene: Scene) -> None:
    gone = [scene.launched(is_known=False) for _ in range(9)]
    scene.pass_at(120)
    assert {(item["misses"], item["due_at"]) for item in map(scene.run, gone)} == {(1, CHECK + 900)}


WITNESSES: dict[str, tuple[Callable[[Scene, str], object], bool]] = {
    "an older run": (lambda scene, _: scene.remembered(), True),
    "a run of the same moment": (lambda scene, _: scene.remembered(0), True),
    "nothing": (lambda *_: None, False),
    "an older run that it has deleted": (lambda scene, _: scene.remembered(is_known=False), False),
    "a younger run": (lambda scene, _: scene.remembered(-60), False),
    "a run that is too old": (lambda scene, _: scene.remembered(2 * DAY), False),
    "a run on the same thread": (lambda scene, thread_id: scene.remembered(thread_id=thread_id), False),
    "a run of another deployment": (lambda scene, _: scene.remembered(langgraph_url="https://other.example"), False),
}


@pytest.mark.parametrize("known", WITNESSES)
def test_g13_a_run_is_lost_only_where_the_same_langgraph_knows_another_one_as_old(scene: Scene, known: str) -> None:
    """Else it may be another LangGraph, or have an empty database; what is younger tells nothing of that."""
    run_id = scene.launched(is_known=False)
    witness, is_proof = WITNESSES[known]
    witness(scene, scene.run(run_id)["thread_id"])
    for _ in range(4):
        scene.look(run_id)
        if scene.run(run_id)["outcome"] == "lost":
            break
    item = scene.run(run_id)
    assert (item["outcome"], "unproven" in item) == ("lost" if is_proof else "pending", False)
    assert ("langgraph_forgets" in scene.output.counts) is not is_proof


@pytest.mark.parametrize("known", [name for name, (_, is_proof) in WITNESSES.items() if not is_proof])
def test_g13_the_log_says_that_there_is_no_proof_and_nothing_of_what_langgraph_may_know(
    scene: Scene, known: str
) -> None:
    """It may know a younger run, the canary that was just made, or a run as old that it was not asked about."""
    run_id = scene.launched(is_known=False)
    WITNESSES[known][0](scene, scene.run(run_id)["thread_id"])
    for _ in range(3):
        scene.look(run_id)
    (line,) = (line for line in scene.output.logs if line["level"] == "ERROR")
    assert line["message"] == (
        "LangGraph does not know a run, and neither a run nor a canary that is as old proves that it is itself"
    )
    assert (line["run_id"], line["created_at"]) == (run_id, scene.run(run_id)["created_at"])


def test_g11_g13_what_only_a_token_vouches_for_proves_nothing(scene: Scene) -> None:
    told = parse_delivery(delivery(new_id(), None, kwargs={"temporary": True, "webhook": ""}).encode())
    assert isinstance(told, Delivery)
    scene.apply(run_states.believed(told, Placed(told.payload, None), scene.langgraph.url, NOW - 60))
    scene.langgraph.add(new_id(), run_id=told.run_id, status="success")
    run_id = scene.launched(is_known=False)
    for _ in range(4):
        scene.look(run_id)
    assert scene.run(run_id)["outcome"] == "pending"


def test_g13_a_canary_that_langgraph_knows_proves_it_where_all_runs_are_deleted(scene: Scene) -> None:
    first = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(first)
    assert scene.run(first)["outcome"] == "pending", "the canary is younger"
    (made,) = scene.langgraph.threads_made
    later = scene.launched(is_known=False)
    assert [scene.look(later)["outcome"] for _ in range(3)] == ["pending", "pending", "lost"]
    assert scene.langgraph.threads_made == {made}
    assert "unproven" not in scene.run(later)


def test_g13_a_canary_that_langgraph_has_forgotten_proves_nothing_and_is_made_anew(scene: Scene) -> None:
    first = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(first)
    scene.langgraph.threads_made.clear()  # as a database that was emptied
    later = scene.launched(is_known=False)
    missed: set[int] = set()
    while not scene.langgraph.threads_made:
        scene.look(later)
        missed |= {int(item["missed_since"]) for item in scene.aws.items("LaunchesTable") if "missed_since" in item}
    (since,) = missed
    assert scene.wall.now >= since + HALF_AN_HOUR
    assert scene.run(later)["outcome"] == "pending"
    (item,) = scene.aws.items("LaunchesTable")
    assert {item["thread_id"]} == scene.langgraph.threads_made
    assert (item["created_at"], "missed_since" in item) == (iso(scene.wall.now), False)


def test_g13_a_canary_that_is_missed_for_a_while_is_kept_and_proves_it_again(scene: Scene) -> None:
    """A URL or a proxy leads elsewhere for some minutes: what is made there would be younger than every run of now."""
    first = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(first)
    made = set(scene.langgraph.threads_made)
    later = scene.launched(is_known=False)
    for _ in range(2):
        scene.look(later)
    scene.langgraph.threads_made.clear()
    scene.look(later)
    assert scene.langgraph.threads_made == set()
    assert [item["missed_since"] for item in scene.aws.items("LaunchesTable")] == [int(scene.wall.now)]
    scene.langgraph.threads_made = set(made)
    assert scene.look(later)["outcome"] == "lost"
    assert scene.langgraph.threads_made == made
    assert not [item for item in scene.aws.items("LaunchesTable") if "missed_since" in item]


def test_g13_a_canary_that_was_missed_days_ago_is_missed_anew(scene: Scene) -> None:
    """What has proved LangGraph since may have been a run, so that nobody asked for the canary."""
    first = scene.launched(is_known=False)
    for _ in range(3):
        scene.look(first)
    scene.langgraph.threads_made.clear()
    scene.look(first)
    (missed,) = scene.aws.items("LaunchesTable")
    scene.apply(run_states.postponed(first, int(scene.run(first)["due_at"]), scene.wall.now + 3 * DAY))
    scene.look(first)
    assert scene.langgraph.threads_made == set()
    (item,) = scene.aws.items("LaunchesTable")
    assert item == {**missed, "missed_since": int(scene.wall.now)}


def test_g13_what_langgraph_has_proved_once_proves_nothing_later(scene: Scene) -> None:
    scene.remembered()
    first, later = scene.launched(is_known=False), scene.launched(is_known=False)
    scene.apply(run_states.postponed(later, CHECK, CHECK + 3600))
    assert [scene.look(first)["outcome"] for _ in range(3)] == ["pending", "pending", "lost"]
    scene.langgraph.known.clear()
    for _ in range(4):
        scene.look(later)
    assert scene.run(later)["outcome"] == "pending"


def test_g10_g13_of_many_runs_that_it_does_not_know_one_asks_for_a_proof(scene: Scene) -> None:
    runs = [scene.launched(is_known=False) for _ in range(5)]
    for _ in range(3):
        scene.look(runs[0])
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"pending"}
    assert scene.output.counts["langgraph_forgets"] == 1


def test_g13_a_run_that_has_waited_for_a_person_for_long_needs_the_proof_too(scene: Scene) -> None:
    run_id = scene.launched("success")
    scene.apply(run_states.reconciled(run_id, asking(), None, scene.wall.now, is_heard=True))
    scene.langgraph.known.clear()
    scene.wall.now += 8 * DAY
    for _ in range(4):
        scene.look(run_id)
    assert scene.run(run_id)["outcome"] == "awaiting_input"
    scene.pass_at(16 * DAY)
    assert scene.run(run_id)["outcome"] == "abandoned"


def asking() -> Seen:
    return Seen("success", "awaiting_input", "2026-11-22T06:00:00.000000Z", None, "[]", began=True)


def test_g13_while_langgraph_does_not_tell_whether_it_is_itself_nothing_is_given_up(scene: Scene) -> None:
    witness, run_id = scene.remembered(), scene.launched(is_known=False)
    scene.langgraph.instead = lambda sent: Told(503, {"detail": "no"}) if witness in sent.path else None
    for _ in range(4):
        scene.look(run_id)
    assert (scene.run(run_id)["outcome"], int(scene.run(run_id)["misses"])) == ("pending", 2)
    scene.langgraph.instead = lambda _: None
    assert scene.look(run_id)["outcome"] == "lost"


def test_g1_no_run_is_lost_while_langgraph_forgets_and_all_are_found_when_it_remembers(scene: Scene) -> None:
    scene.remembered()
    runs = [scene.launched("success") for _ in range(3)]
    remembered, scene.langgraph.known = scene.langgraph.known, {}
    for _ in range(8):
        scene.look(runs[0])
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"pending"}
    assert "lost" not in scene.output.counts
    assert scene.output.counts["langgraph_forgets"] > 0
    scene.langgraph.known = remembered
    scene.wall.now = max(float(scene.run(run_id)["due_at"]) for run_id in runs)
    scene.reconcile.run()
    assert {scene.run(run_id)["outcome"] for run_id in runs} == {"succeeded"}


def test_g13_g14_what_has_outlasted_every_run_is_given_up_all_the_same_and_says_that_it_is_not_proved(
    scene: Scene,
) -> None:
    """Else a LangGraph that was set up anew would leave its runs pending for ever."""
    runs = [scene.launched(is_known=False) for _ in range(2)]
    week = scene.launcher.max_run_seconds
    for seconds in (1, 902, 1803, 2704):
        scene.pass_at(week + seconds)
    assert [(scene.run(run_id)["outcome"], scene.run(run_id)["unproven"]) for run_id in runs] == [("lost", True)] * 2


def test_g1_a_run_that_starts_late_outlasts_every_run_later(scene: Scene) -> None:
    week = scene.launcher.max_run_seconds
    runs = [scene.launched(is_known=False, after_seconds=2 * week) for _ in range(2)]
    for seconds in (120, 1021, 1922, 2823):
        scene.pass_at(2 * week + seconds)
    assert [scene.run(run_id)["outcome"] for run_id in runs] == ["pending"] * 2


@pytest.mark.parametrize("status", [401, 403])
def test_g1_where_any_run_is_refused_none_is_marked_and_the_key_is_read_again(scene: Scene, status: int) -> None:
    scene.aws.put_secret("LangGraphApiKeySecret", "lsv2_old_key")
    runs = [scene.launched("running") for _ in range(4)]
    gone, refused = scene.launched(is_known=False), runs[0]

    def refuse(sent: Sent) -> Told | None:
        is_refused = refused in sent.path and sent.headers["x-api-key"] == "lsv2_old_key"
        return Told(status, {"detail": "no"}) if is_refused else None

    scene.langgraph.instead = refuse
    scene.pass_at(120)
    assert "misses" not in scene.run(gone)
    assert {scene.run(run_id)["due_at"] for run_id in (*runs, gone)} == {CHECK + 240}
    assert scene.output.counts == {"misconfigured": 1, "check_failed": 1}
    scene.aws.put_secret("LangGraphApiKeySecret", "lsv2_new_key")
    scene.pass_at(360)
    assert scene.run(gone)["misses"] == 1
    assert {sent.headers["x-api-key"] for sent in scene.langgraph.requests[-5:]} == {"lsv2_new_key"}


@pytest.mark.parametrize("seconds_before", [0, 90, 3500])
def test_g1_a_run_that_was_rolled_back_is_known_by_the_run_that_did_it(scene: Scene, seconds_before: int) -> None:
    """However far LangGraph's clock and ours are apart, within an hour."""
    run_id = scene.launched(is_known=False)
    thread_id = scene.run(run_id)["thread_id"]
    scene.langgraph.add(thread_id, multitask_strategy="reject", created_at="2026-11-22T04:00:00+00:00")
    created_at = datetime.fromisoformat(CREATED_AT) - timedelta(seconds=seconds_before)
    scene.langgraph.add(thread_id, multitask_strategy="rollback", created_at=created_at.isoformat())
    item = scene.look(run_id)
    assert (item["outcome"], item["source"]) == ("rolled_back", "reconcile")
    assert "misses" not in item
    assert "due_at" not in scene.look(run_id)
    assert scene.output.counts == {"published": 1}


def test_g1_a_rollback_before_the_run_was_made_did_not_roll_it_back(scene: Scene) -> None:
    run_id = scene.launched(is_known=False)
    scene.langgraph.add(
        scene.run(run_id)["thread_id"], multitask_strategy="rollback", created_at="2026-11-22T04:58:00+00:00"
    )
    item = scene.look(run_id)
    assert (item["outcome"], item["misses"]) == ("pending", 1)


@pytest.mark.parametrize("when", ["while it is asked", "when all were asked"])
def test_g1_what_there_is_no_time_for_is_due_still_and_the_pass_ends_in_time_with_its_metrics(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """LangGraph took all the time there was: neither recorded nor judged, and due again when the ticket ends."""
    due = [scene.launched(is_known=False), *([scene.launched("success")] if when == "while it is asked" else [])]
    before = [{**scene.run(run_id), "due_at": CHECK + TICKET_SECONDS, "enqueued": 1} for run_id in due]

    def then_late(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*asked: Any) -> Any:
            done = call(*asked)
            monkeypatch.setattr(deadline, "_ends", time.monotonic() + CALL_SECONDS - 0.01)
            return done

        return called

    where, name = (LangGraph, "ask") if when == "while it is asked" else (perform_runs, "_record")
    with monkeypatch.context() as patch:
        patch.setattr(where, name, then_late(getattr(where, name)))
        scene.pass_at(120)
    assert [scene.run(run_id) for run_id in due] == before
    assert scene.output.gauges("oldest_due")
    assert not {"lost", "missed", "reconciled"} & set(scene.output.counts)
    scene.pass_at(120 + TICKET_SECONDS)
    assert all(scene.run(run_id) != run for run_id, run in zip(due, before, strict=True))


@pytest.mark.parametrize(("seconds", "is_rolled_back"), [(-1, False), (1, True)])
def test_g1_a_run_whose_id_tells_when_it_was_made_is_rolled_back_by_a_later_one_alone(
    scene: Scene, seconds: int, *, is_rolled_back: bool
) -> None:
    """LangGraph's ids have its own clock in them, 90 seconds behind ours here."""
    made = datetime.fromtimestamp(NOW - 90, UTC)
    run_id = str(UUID(int=(int(made.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62)))
    scene.launched(run_id=run_id)
    del scene.langgraph.known[run_id]
    created_at = (made + timedelta(seconds=seconds)).isoformat()
    scene.langgraph.add(scene.run(run_id)["thread_id"], multitask_strategy="rollback", created_at=created_at)
    assert (scene.look(run_id)["outcome"] == "rolled_back") is is_rolled_back


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"])
@pytest.mark.parametrize("status", ["success", "paused"])
def test_g14_a_time_in_a_body_that_cannot_be_leaves_no_run_open(scene: Scene, created_at: str, status: str) -> None:
    scene.remembered()
    run_id = scene.launched(is_known=False)
    scene.delivered(run_id, status, created_at=created_at)
    outcomes = [scene.look(run_id)["outcome"] for _ in range(3)]
    assert outcomes[-1] == ("succeeded" if status == "success" else "failed")


NOT_FOUND = Told(404, {"detail": "Not Found"})


@pytest.mark.parametrize(
    ("ok", "is_langgraph"),
    [(Told(body={"ok": True, "services": {}}), True), (NOT_FOUND, False), (Told(body="fine"), False)],
)
def test_g1_not_found_is_langgraphs_word_about_a_run_where_langgraph_is_there(
    scene: Scene, ok: Told, *, is_langgraph: bool
) -> None:
    """LangGraph says of a run that it does not know what many another server says of any path."""
    run_id = scene.launched(is_known=False)
    answers = {"GET /ok": ok, "GET /threads/…/runs/…": NOT_FOUND}
    scene.langgraph.instead = lambda sent: answers.get(sent.step)
    item = scene.look(run_id)
    assert ("misses" in item) is is_langgraph
    assert ("failures" in item) is not is_langgraph
