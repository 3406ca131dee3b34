"""POST /runs/{run_id}/cancel: a run ends, and the ledger is told by whoever comes first (G1, G4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from runledger.domain import answer_states, run_states, unconfirmed
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.retry import LEASE_SECONDS
from tests.integration.langgraph_double import Told
from tests.integration.support import NOW, delivery, new_id
from tests.integration.test_answers import waits

if TYPE_CHECKING:
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.scene import Scene
    from tests.integration.support import Door, Output, Reply, WallClock

CANCEL = "POST /threads/…/runs/…/cancel"


def cancel(launch: Door, run_id: str, body: str | None = None) -> Reply:
    return launch.post(f"/runs/{run_id}/cancel", body)


@pytest.mark.parametrize("status", ["pending", "running"])
@pytest.mark.parametrize("body", [None, "", "{}"])
def test_g1_a_run_that_goes_on_is_cancelled_and_due_at_once(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, output: Output, status: str, body: str | None
) -> None:
    """One that had not begun sends no webhook."""
    run_id = scene.launched(status, values="")
    before = scene.run(run_id)
    reply = cancel(launch, run_id, body)
    assert (reply.status, reply.headers["Location"]) == (202, f"/runs/{run_id}")
    assert reply.body == {
        "launch_id": before["launch_id"],
        "run_id": run_id,
        "thread_id": before["thread_id"],
        "outcome": "pending",
        "links": {"run": f"/runs/{run_id}", "launch": f"/launches/{before['launch_id']}"},
    }
    assert langgraph.known[run_id]["status"] == "interrupted"
    assert scene.run(run_id)["due_at"] == int(NOW)
    assert output.counts["cancelled"] == 1
    assert cancel(launch, run_id).text == reply.text, "asked twice"
    assert scene.look(run_id)["outcome"] == "cancelled"
    again = cancel(launch, run_id)
    assert (again.status, again.body["outcome"]) == (202, "cancelled")
    assert output.counts["cancelled"] == 1


@pytest.mark.parametrize(("status", "word"), [("success", "success"), ("error", "error"), (None, "not known any more")])
def test_g1_a_run_that_has_ended_unheard_of_is_409_and_due_at_once(
    launch: Door, scene: Scene, status: str | None, word: str
) -> None:
    run_id = scene.launched(status) if status else scene.launched(is_known=False)
    reply = cancel(launch, run_id)
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (409, "run-is-over", "2")
    assert word in reply.body["detail"]
    item = scene.run(run_id)
    assert (item["outcome"], item["due_at"]) == ("pending", int(NOW))


def test_g4_a_run_that_waits_ends_in_the_ledger_alone(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, output: Output
) -> None:
    run_id = waits(scene)
    reply = cancel(launch, run_id)
    assert (reply.status, reply.body["outcome"]) == (202, "cancelled")
    item = scene.run(run_id)
    assert (item["outcome"], item["status"]) == ("cancelled", "success")
    assert item["unpublished"] == {"awaiting_input", "cancelled"}
    assert langgraph.requests == []
    assert cancel(launch, run_id).text == reply.text
    assert output.counts["cancelled"] == 1
    assert launch.post(f"/runs/{run_id}/resume", '{"resume": 1}').problem == "not-waiting"
    assert scene.look(run_id)["outcome"] == "cancelled"
    assert "due_at" not in scene.run(run_id)


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "answered"])
def test_a_run_that_is_over_is_409(launch: Door, scene: Scene, langgraph: LangGraphDouble, outcome: str) -> None:
    if outcome == "answered":
        run_id = waits(scene)
        launch.post(f"/runs/{run_id}/resume", '{"resume": 1}')
    else:
        run_id = scene.launched("error" if outcome == "failed" else "success")
        scene.look(run_id)
    langgraph.requests.clear()
    reply = cancel(launch, run_id)
    assert (reply.status, reply.problem) == (409, "run-is-over")
    assert outcome in reply.body["detail"]
    assert "Retry-After" not in reply.headers
    assert langgraph.requests == []


def test_a_success_that_is_not_settled_is_409_for_a_moment(launch: Door, scene: Scene) -> None:
    run_id = scene.launched()
    scene.delivered(run_id)
    reply = cancel(launch, run_id)
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (409, "run-is-over", "2")


@pytest.mark.parametrize("is_made", [True, False])
def test_g2_a_run_that_somebody_is_answering_is_not_cancelled_under_their_hands(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, wall: WallClock, *, is_made: bool
) -> None:
    run_id = waits(scene)
    scene.apply(answer_states.answering(scene.run(run_id), "digest", "somebody", NOW))
    held = cancel(launch, run_id)
    assert (held.status, held.problem, held.headers["Retry-After"]) == (409, "answer-in-progress", "5")
    metadata = {"launch_id": scene.run(run_id)["launch_id"], "answers_run_id": run_id, "answer_digest": "digest"}
    metadata["start_nonce"] = "somebody"
    if is_made:
        then = langgraph.add(scene.run(run_id)["thread_id"], status="running", values="", metadata=metadata)
    wall.now = NOW + LEASE_SECONDS
    reply = cancel(launch, run_id)
    if is_made:
        assert (reply.status, reply.problem) == (409, "run-is-over")
        assert (scene.run(run_id)["outcome"], scene.run(run_id)["answered_by"]) == ("answered", then)
        assert scene.run(then)["outcome"] == "pending"
    else:
        assert (reply.status, scene.run(run_id)["outcome"]) == (202, "cancelled")


def test_g2_a_run_that_an_earlier_answer_may_have_reached_is_not_cancelled_before_langgraph_is_asked(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    run_id = waits(scene)
    langgraph.runs = Told(cut=True)
    assert launch.post(f"/runs/{run_id}/resume", '{"resume": 1}').status == 502
    first, langgraph.runs, wall.now = langgraph.requests[-1], Told(429, {"detail": "later"}), NOW + LEASE_SECONDS
    assert launch.post(f"/runs/{run_id}/resume", '{"resume": 2}').status == 429
    assert "answer_holder" not in scene.run(run_id)
    made = langgraph.make(first)
    assert cancel(launch, run_id).problem == "run-is-over"
    assert scene.run(run_id)["answered_by"] == made


@pytest.mark.parametrize("first", ["answer", "cancel"])
def test_g4_of_an_answer_and_a_cancel_at_once_one_is_done(
    launch: Door, scene: Scene, langgraph: LangGraphDouble, first: str
) -> None:
    """Both have read the run before either changed it."""
    run_id = waits(scene)
    read = scene.run(run_id)
    requests = [(f"/runs/{run_id}/resume", '{"resume": 1}'), (f"/runs/{run_id}/cancel", None)]
    one, other = requests if first == "answer" else requests[::-1]
    assert launch.post(*one).status == 202
    launch.parts.launcher.runs.item = lambda *_: read
    alone = Told(body=[langgraph.known[run_id]])
    langgraph.instead = lambda sent: alone if sent.step == "GET /threads/…/runs" else None
    reply = launch.post(*other)
    assert (reply.status, reply.problem) == (409, "run-is-over" if first == "answer" else "not-waiting")
    assert scene.run(run_id)["outcome"] == {"answer": "answered", "cancel": "cancelled"}[first]


def test_g4_a_late_webhook_of_a_run_that_was_cancelled_while_it_waited_is_no_conflict(
    launch: Door, scene: Scene, webhook: Door, output: Output
) -> None:
    run_id = scene.launched(next=["work"], tasks=[])
    assert scene.look(run_id)["outcome"] == "awaiting_input"
    scene.wall.now = NOW
    assert cancel(launch, run_id).status == 202
    launch_id = scene.run(run_id)["launch_id"]
    token = scene.aws.token(launch_id)
    reply = webhook.call(delivery(run_id, launch_id, token), query=f"token={token}")
    assert (reply.status, reply.body["outcome"]) == (200, "cancelled")
    item = scene.run(run_id)
    assert (item["source"], item["outcome"], "conflict" in item) == ("webhook", "cancelled", False)
    assert "conflict" not in output.counts


@pytest.mark.parametrize("run_id", [new_id(), "nonsense"])
def test_a_run_that_the_ledger_has_not_is_404(launch: Door, run_id: str) -> None:
    assert (cancel(launch, run_id).status, cancel(launch, run_id).problem) == (404, "unknown")


def test_g6_langgraph_out_of_order_is_502_and_changes_nothing(
    launch: Door, scene: Scene, langgraph: LangGraphDouble
) -> None:
    run_id = scene.launched("running")
    before = scene.run(run_id)
    langgraph.instead = lambda sent: Told(500, "no") if sent.step == CANCEL else None
    reply = cancel(launch, run_id)
    assert (reply.status, reply.problem) == (502, "langgraph-fault")
    assert scene.run(run_id) == before


def test_a_run_without_a_thread_is_answered_without_it(launch: Door, scene: Scene) -> None:
    """A run of another client, believed on a shared key's word; it has been cancelled in LangGraph itself."""
    run_id = new_id()
    told = parse_delivery(delivery(run_id, None, status="interrupted", kwargs={"temporary": True}).encode())
    assert isinstance(told, Delivery)
    scene.apply(run_states.believed(told, Placed(told.payload, None), scene.langgraph.url, NOW))
    reply = cancel(launch, run_id)
    assert (reply.status, reply.body["outcome"]) == (202, "cancelled")
    assert "thread_id" not in reply.body


@pytest.mark.parametrize("run_id", [new_id(), "x", "%", "x" * 3000])
@pytest.mark.parametrize("action", ["cancel", "resume"])
def test_what_names_no_run_is_404(launch: Door, output: Output, action: str, run_id: str) -> None:
    """Also what DynamoDB would refuse as a key, which is no fault of the ledger."""
    reply = launch.post(f"/runs/{run_id}/{action}", "{}")
    assert (reply.status, reply.problem) == (404, "unknown")
    assert ("no UUID" in reply.body["detail"]) == (len(run_id) != 36), "nobody is asked about what can be no key"
    assert output.counts == {"refused": 1, "refused:unknown": 1}


@pytest.mark.parametrize("body", ['{"action": "rollback"}', "x", "[]", "null", '{"a":'])
def test_a_body_that_says_anything_is_400_and_cancels_nothing(launch: Door, scene: Scene, body: str) -> None:
    run_id = scene.launched("running", values="")
    scene.steps.clear()
    reply = launch.post(f"/runs/{run_id}/cancel", body)
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert scene.steps == []
    assert launch.post(f"/runs/{run_id}/cancel", " {}\n").status == 202


def test_g11_a_run_that_only_a_token_vouches_for_is_not_cancelled(launch: Door, scene: Scene) -> None:
    run_id = new_id()
    told = parse_delivery(delivery(run_id, None, status="error").encode())
    assert isinstance(told, Delivery)
    scene.apply(unconfirmed.claimed(told, Placed(told.payload, None), None, scene.langgraph.url, NOW))
    reply = launch.post(f"/runs/{run_id}/cancel")
    assert (reply.status, reply.problem) == (409, "run-is-unconfirmed")
    assert scene.steps == []
