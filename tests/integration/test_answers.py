"""POST /runs/{run_id}/resume: a run that waits is answered once, and goes on under the same launch (G2, G4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import answer_states, unconfirmed
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed
from runledger.domain.retry import LEASE_SECONDS
from tests.integration.faults import BROKEN
from tests.integration.langgraph_double import Sent, Told
from tests.integration.scene import QUESTION
from tests.integration.support import CHECK, LEDGER_ID, NOW, client_of, delivery, new_id

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.scene import Scene
    from tests.integration.support import Aws, Door, Output, Reply, WallClock

YES, NO = '{"resume": "yes"}', '{"resume": "no"}'


@pytest.fixture
def waiting(scene: Scene, launch: Door) -> str:
    """A run that waits for an answer."""
    assert launch
    return waits(scene)


def waits(scene: Scene, **changes: Any) -> str:
    facts = {"next": ["work"], "tasks": QUESTION, "values": '{"task":"ask"}', **changes}
    run_id = scene.launched(**facts)
    scene.delivered(run_id)
    scene.look(run_id)
    scene.wall.now = NOW
    scene.langgraph.requests.clear()
    return run_id


def answer(launch: Door, run_id: str, body: str = YES) -> Reply:
    return launch.post(f"/runs/{run_id}/resume", body)


def created(langgraph: LangGraphDouble) -> list[Sent]:
    return [sent for sent in langgraph.requests if sent.method == "POST" and sent.path.endswith("/runs")]


def test_g2_an_answer_makes_a_run_of_the_same_launch(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, aws: Aws, output: Output
) -> None:
    asked = scene.run(waiting)
    reply = answer(launch, waiting)
    run_id = langgraph.run_id
    assert (reply.status, reply.headers["Location"]) == (202, f"/runs/{run_id}")
    assert reply.body == {
        "launch_id": asked["launch_id"],
        "run_id": run_id,
        "thread_id": asked["thread_id"],
        "outcome": "pending",
        "links": {"run": f"/runs/{run_id}", "launch": f"/launches/{asked['launch_id']}"},
    }
    (sent,) = created(langgraph)
    assert sent.body["command"] == {"resume": {"i1": "yes"}}
    assert sent.body["multitask_strategy"] == "reject"
    assert sent.body["assistant_id"] == langgraph.known[waiting]["assistant_id"]
    metadata = sent.body["metadata"]
    assert (metadata["launch_id"], metadata["answers_run_id"]) == (asked["launch_id"], waiting)
    assert asked["launch_id"] in sent.body["webhook"]
    item = scene.run(waiting)
    assert (item["outcome"], item["answered_by"]) == ("answered", run_id)
    assert item["unpublished"] == {"awaiting_input", "answered"}
    assert "answer_holder" not in item
    then = aws.run(run_id)
    assert then
    assert (then["outcome"], then["launch_id"], then["due_at"]) == ("pending", asked["launch_id"], CHECK)
    assert output.counts["answered"] == 1


def test_g2_the_same_answer_gets_the_same_reply_and_another_one_409(
    launch: Door, waiting: str, langgraph: LangGraphDouble, output: Output
) -> None:
    first = answer(launch, waiting)
    again = answer(launch, waiting, ' {"resume":{"i1":"yes"}} ')
    assert (again.status, again.text, again.headers["Location"]) == (202, first.text, first.headers["Location"])
    other = answer(launch, waiting, NO)
    assert (other.status, other.problem) == (409, "already-answered")
    assert other.body["answered_by"] == langgraph.run_id
    assert len(created(langgraph)) == 1
    assert output.counts["repeated"] == 1
    assert output.counts["refused:already-answered"] == 1


def test_a_run_goes_on_as_it_began(launch: Door, scene: Scene, langgraph: LangGraphDouble) -> None:
    """With what it was launched with, without what LangGraph has added to that."""
    config = {"tags": ["a"], "recursion_limit": 7, "configurable": {"thread_id": "x"}, "metadata": {"run_attempt": 1}}
    kept = {"context": {"user": 1}, "interrupt_before": ["b"], "interrupt_after": "*", "durability": "exit"}
    kwargs = {"input": {}, "config": config, "webhook": "https://x.example?token=a.b", "temporary": False, **kept}
    metadata = {"created_by": "system", "graph_id": "g", "assistant_id": "a", "launch_id": "l", "mine": [1.0]}
    metadata["ledger_id"] = LEDGER_ID
    run_id = waits(scene, kwargs=kwargs, metadata=metadata)
    assert answer(launch, run_id).status == 202
    (sent,) = created(langgraph)
    assert {name: sent.body[name] for name in kept} == kept
    assert sent.body["config"] == {"tags": ["a"], "recursion_limit": 7}
    asked = scene.run(run_id)
    assert sent.body["metadata"] == {
        "mine": [1.0],
        "launch_id": asked["launch_id"],
        "ledger_id": LEDGER_ID,
        "answers_run_id": run_id,
        "answer_digest": asked["answer_digest"],
        "start_nonce": sent.body["metadata"]["start_nonce"],
    }
    assert scene.run(langgraph.run_id)["metadata"] == asked["metadata"]


def test_a_breakpoint_is_gone_on_from_with_an_empty_object(
    launch: Door, scene: Scene, langgraph: LangGraphDouble
) -> None:
    run_id = waits(scene, tasks=[{"id": "task", "interrupts": []}])
    assert answer(launch, run_id, YES).problem == "invalid-request"
    assert answer(launch, run_id, "{}").status == 202
    (sent,) = created(langgraph)
    assert "command" not in sent.body
    assert sent.body.get("input") is None


def test_g2_the_answer_to_a_run_that_was_not_launched_begins_a_launch(
    launch: Door, scene: Scene, langgraph: LangGraphDouble
) -> None:
    """Its webhook needs a token of its own: a shared key would speak for all runs that were not launched.

    Before its answer the run was claimed with a shared key, and LangGraph has confirmed it (G11).
    """
    thread_id = new_id()
    run_id = langgraph.add(thread_id, next=["work"], tasks=QUESTION)
    told = parse_delivery(delivery(run_id, None, thread_id=thread_id).encode())
    assert isinstance(told, Delivery)
    scene.apply(unconfirmed.claimed(told, Placed(told.payload, None), None, langgraph.url, NOW))
    assert scene.look(run_id)["outcome"] == "awaiting_input"
    reply = answer(launch, run_id)
    assert reply.status == 202
    (sent,) = created(langgraph)
    launch_id = reply.body["launch_id"]
    assert sent.body["metadata"]["launch_id"] == launch_id
    assert launch_id in sent.body["webhook"]
    assert scene.run(langgraph.run_id)["launch_id"] == launch_id
    begun = scene.aws.launch(launch_id)
    assert begun
    assert (begun["state"], begun["run_id"], begun["thread_id"]) == ("started", langgraph.run_id, thread_id)
    assert "due_at" not in begun
    assert "launch_id" not in scene.run(run_id)
    assert answer(launch, run_id).body == reply.body


MANY = [{"id": f"t{at}", "interrupts": [{"id": f"{at:032x}", "value": "x" * 200}]} for at in range(1_000)]


def test_every_one_of_many_questions_is_answered(launch: Door, scene: Scene, langgraph: LangGraphDouble) -> None:
    run_id = waits(scene, tasks=MANY)
    item = scene.run(run_id)
    assert (item["question_count"], len(json.loads(item["questions"]))) == (1_000, 372)
    reply = answer(launch, run_id, '{"resume": "yes"}')
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert "and 990 more" in reply.body["detail"]
    values = {f"{at:032x}": at for at in range(1_000)}
    assert answer(launch, run_id, json.dumps({"resume": {**values, "other": 1}})).status == 400
    assert answer(launch, run_id, json.dumps({"resume": values})).status == 202
    (sent,) = created(langgraph)
    assert sent.body["command"] == {"resume": values}


def test_of_questions_some_of_which_are_answered_only_the_others_are_asked(
    launch: Door, scene: Scene, langgraph: LangGraphDouble
) -> None:
    """Of parallel branches one has asked once, the other twice; the answer that went on made no checkpoint."""
    done = {"id": "t1", "interrupts": [{"id": "once", "value": "Once?"}], "result": {"said": "yes"}}
    still = {"id": "t2", "interrupts": [{"id": "second", "value": "And then?"}], "result": None}
    thread_id = new_id()
    langgraph.add(thread_id, next=["once", "twice"], tasks=[done, still])
    run_id = waits(scene, thread_id=thread_id, values="", kwargs={"command": {"resume": {}}, "config": {}})
    assert json.loads(scene.run(run_id)["questions"]) == [{"id": "second", "value": "And then?"}]
    assert answer(launch, run_id, YES).status == 202
    (sent,) = created(langgraph)
    assert sent.body["command"] == {"resume": {"second": "yes"}}


@pytest.mark.parametrize("body", [None, "", "[]", "{}", '{"resume": 1, "more": 2}', "nonsense"])
def test_a_bad_answer_is_400_and_asks_langgraph_nothing(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, body: str | None
) -> None:
    before = scene.run(waiting)
    reply = launch.post(f"/runs/{waiting}/resume", body)
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert scene.run(waiting) == before
    assert langgraph.requests == []


@pytest.mark.parametrize("run_id", [new_id(), "nonsense"])
def test_a_run_that_the_ledger_has_not_is_404(launch: Door, run_id: str) -> None:
    assert (answer(launch, run_id).status, answer(launch, run_id).problem) == (404, "unknown")


def test_a_run_is_found_however_its_id_is_spelt(launch: Door, waiting: str) -> None:
    assert answer(launch, waiting.upper()).status == 202


@pytest.mark.parametrize("status", ["pending", "success", "error"])
def test_a_run_that_does_not_wait_is_409(launch: Door, scene: Scene, status: str) -> None:
    run_id = scene.launched(status)
    if status != "pending":
        scene.delivered(run_id, status)
    reply = answer(launch, run_id)
    assert (reply.status, reply.problem) == (409, "not-waiting")
    assert ("Retry-After" in reply.headers) == (status != "error")


def test_g4_a_run_that_was_answered_elsewhere_is_409_and_the_ledger_hears_of_it(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble
) -> None:
    thread_id = scene.run(waiting)["thread_id"]
    other = langgraph.add(thread_id, kwargs={"command": {"resume": "elsewhere"}})
    reply = answer(launch, waiting)
    assert (reply.status, reply.problem, reply.body["answered_by"]) == (409, "already-answered", other)
    item = scene.run(waiting)
    assert (item["outcome"], item["answered_by"]) == ("answered", other)
    assert "answer_digest" not in item
    assert created(langgraph) == []
    assert answer(launch, waiting).problem == "already-answered", "not the same answer: nobody knows which it was"


def test_g4_a_run_whose_thread_went_on_without_an_answer_is_abandoned(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble
) -> None:
    langgraph.add(scene.run(waiting)["thread_id"])
    reply = answer(launch, waiting)
    assert (reply.status, reply.problem) == (409, "not-waiting")
    assert "answered_by" not in reply.body
    assert scene.run(waiting)["outcome"] == "abandoned"
    assert answer(launch, waiting).problem == "not-waiting"


def test_a_run_that_langgraph_no_longer_knows_is_409(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble
) -> None:
    langgraph.unknown.add(scene.run(waiting)["thread_id"])
    reply = answer(launch, waiting)
    assert (reply.status, reply.problem) == (409, "not-waiting")
    assert scene.run(waiting)["outcome"] == "awaiting_input", "reconcile finds out"


@pytest.mark.parametrize("body", [YES, NO])
def test_g2_while_one_answers_the_others_wait(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, body: str
) -> None:
    scene.apply(answer_states.answering(scene.run(waiting), "digest", "somebody", NOW))
    reply = answer(launch, waiting, body)
    assert (reply.status, reply.problem, reply.headers["Retry-After"]) == (409, "answer-in-progress", "5")
    assert langgraph.requests == []


@pytest.mark.parametrize("body", [YES, NO])
def test_g2_two_answers_at_once_make_one_run(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, body: str
) -> None:
    """The second has read the run before the first held it, and holds it after the first has finished."""
    read = scene.run(waiting)
    first = answer(launch, waiting)
    launcher = launch.parts.launcher
    launcher.runs.item = lambda *_: read
    alone = Told(body=[langgraph.known[waiting]])
    langgraph.instead = lambda sent: alone if sent.step == "GET /threads/…/runs" else None
    second = answer(launch, waiting, body)
    assert second.status == (202 if body == YES else 409)
    if body == YES:
        assert second.text == first.text
    assert len(created(langgraph)) == 1


@pytest.mark.parametrize(
    ("told", "status", "problem"),
    [
        (Told(422, {"detail": "no"}), 422, "langgraph-refused"),
        (Told(404, {"detail": "no"}), 422, "langgraph-unknown"),
        (Told(409, {"detail": "busy"}), 409, "thread-busy"),
        (Told(401, {"detail": "who?"}), 502, "api-key-refused"),
        (Told(422, {"detail": "Webhook must use https"}), 502, "webhook-url-refused"),
        (Told(404, "no such host"), 502, "langgraph-fault"),
    ],
)
def test_g2_a_refused_answer_leaves_the_run_free_for_another(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, told: Told, status: int, problem: str
) -> None:
    langgraph.runs = told
    reply = answer(launch, waiting)
    assert (reply.status, reply.problem) == (status, problem)
    assert "errors" not in reply.body
    item = scene.run(waiting)
    assert item["outcome"] == "awaiting_input"
    assert not {"answer_holder", "answer_digest", "answer_until"} & set(item)
    langgraph.runs = None
    assert answer(launch, waiting, NO).status == 202


@pytest.mark.parametrize("body", [YES, NO])
@pytest.mark.parametrize("is_made", [True, False])
def test_g2_an_answer_whose_fate_is_unknown_is_looked_for_before_another_is_sent(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, wall: WallClock, body: str, *, is_made: bool
) -> None:
    langgraph.runs = Told(cut=True)
    if is_made:
        langgraph.before_run = langgraph.make
    reply = answer(launch, waiting)
    assert (reply.status, reply.problem) == (502, "langgraph-fault")
    assert "send it again" in reply.body["detail"]
    assert answer(launch, waiting, body).problem == "answer-in-progress"
    langgraph.runs, langgraph.before_run = None, lambda _: None
    made, first = langgraph.run_id, len(created(langgraph))
    wall.now = NOW + LEASE_SECONDS
    again = answer(launch, waiting, body)
    item = scene.run(waiting)
    assert item["outcome"] == "answered"
    if not is_made:
        assert again.status == 202
        assert len(created(langgraph)) == first + 1
        return
    assert len(created(langgraph)) == first, "it has arrived"
    assert item["answered_by"] == made
    assert scene.run(made)["launch_id"] == item["launch_id"]
    assert (again.status, again.body.get("run_id")) == ((202, made) if body == YES else (409, None))


def test_g2_an_answer_that_keeps_its_own_thread_busy_is_the_answer(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble
) -> None:
    """A proxy has repeated the request, and the second was refused."""
    langgraph.before_run, langgraph.runs = langgraph.make, Told(409, {"detail": "busy"})
    reply = answer(launch, waiting)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert scene.run(waiting)["answered_by"] == langgraph.run_id


@pytest.mark.parametrize("nonce", [{}, {"start_nonce": None}, {"start_nonce": "guessed"}], ids=str)
@pytest.mark.parametrize("is_held", [True, False])
def test_g2_a_run_that_inherits_the_names_of_an_answer_is_none(
    launch: Door,
    scene: Scene,
    waiting: str,
    langgraph: LangGraphDouble,
    wall: WallClock,
    nonce: dict[str, Any],
    *,
    is_held: bool,
) -> None:
    """From its thread's metadata, say: it is known by what the ledger had before LangGraph was asked."""
    if is_held:
        scene.apply(answer_states.answering(scene.run(waiting), "digest", "somebody", NOW))
    names = {"launch_id": scene.run(waiting)["launch_id"], "answers_run_id": waiting, "answer_digest": "digest"}
    langgraph.add(scene.run(waiting)["thread_id"], status="pending", values="", metadata={**names, **nonce})
    assert scene.look(waiting)["outcome"] == "awaiting_input"
    wall.now = NOW + LEASE_SECONDS
    assert answer(launch, waiting).status == 202
    assert len(created(langgraph)) == 1


def test_g2_the_answer_of_one_who_died_is_known_whoever_came_after(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    """A first answer is made late, after others have tried and were refused."""
    langgraph.runs = Told(cut=True)
    assert answer(launch, waiting).status == 502
    first = created(langgraph)[-1]
    langgraph.runs = Told(429, {"detail": "later"})
    for _ in range(3):
        wall.now += LEASE_SECONDS
        assert answer(launch, waiting, NO).problem == "langgraph-throttles"
    assert len({sent.body["metadata"]["start_nonce"] for sent in created(langgraph)}) == 1
    made, langgraph.runs = langgraph.make(first), None
    reply = answer(launch, waiting, NO)
    assert (reply.problem, reply.body["answered_by"]) == ("already-answered", made)
    assert "answer_nonce" not in scene.run(waiting)
    assert answer(launch, waiting).body["run_id"] == made


@pytest.mark.parametrize("status", ["pending", "running", "success", "error"])
@pytest.mark.parametrize("written", [0, 1])
def test_g1_an_answer_that_could_not_be_recorded_is_202_all_the_same_and_found_by_reconcile(
    launch: Door,
    scene: Scene,
    waiting: str,
    langgraph: LangGraphDouble,
    output: Output,
    faults: Faults,
    status: str,
    written: int,
) -> None:
    """Also where it has ended without a checkpoint: LangGraph makes none where the same node asks again, or fails."""
    asked = scene.run(waiting)
    client = client_of(launch.parts.launcher.runs)
    with faults.on(client, BROKEN, skip=2 + written):  # the run is read and held
        reply = answer(launch, waiting)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert output.counts["unrecorded"] == 1
    assert bool(scene.aws.run(langgraph.run_id)) == bool(written)
    assert scene.run(waiting)["outcome"] == "awaiting_input"
    langgraph.known[langgraph.run_id]["status"] = status
    item = scene.look(waiting)
    assert (item["outcome"], item["answered_by"]) == ("answered", langgraph.run_id)
    assert scene.wall.now == NOW + LEASE_SECONDS
    then = scene.run(langgraph.run_id)
    assert (then["launch_id"], then["thread_id"]) == (asked["launch_id"], asked["thread_id"])
    assert then["outcome"] == "pending"
    assert then["metadata"] == asked["metadata"]
    assert answer(launch, waiting).body == reply.body
    assert answer(launch, waiting, NO).problem == "already-answered"


def test_g1_an_answer_is_a_run_like_any_other_whose_webhook_may_be_lost(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble
) -> None:
    answer(launch, waiting)
    langgraph.add(**{**langgraph.known[langgraph.run_id], "status": "success"})
    assert scene.look(langgraph.run_id)["outcome"] == "succeeded"


@pytest.mark.parametrize("source", ["webhook", "reconcile"])
def test_g4_an_answer_after_which_the_same_node_asks_again_waits(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, source: str
) -> None:
    """It makes no checkpoint; the one it went on from has the new question."""
    answer(launch, waiting)
    then, kwargs = langgraph.run_id, {"command": {"resume": {"i1": "yes"}}, "config": {}}
    langgraph.known[then] |= {"status": "success", "kwargs": kwargs}
    again = [{"id": "task", "interrupts": [{"id": "i2", "value": "Sure?"}]}]
    langgraph.checkpoints[waiting] = langgraph.checkpoints[waiting].replace(
        json.dumps(QUESTION)[1:-1], json.dumps(again)[1:-1]
    )
    if source == "webhook":
        scene.delivered(then)
    item = scene.look(then)
    assert (item["outcome"], json.loads(item["questions"])) == ("awaiting_input", [{"id": "i2", "value": "Sure?"}])
    assert answer(launch, then, NO).status == 202
    assert created(langgraph)[-1].body["command"] == {"resume": {"i2": "no"}}


@pytest.mark.parametrize("source", ["webhook", "reconcile"])
def test_g2_an_answer_that_langgraph_ignored_is_marked(
    launch: Door, scene: Scene, waiting: str, langgraph: LangGraphDouble, source: str
) -> None:
    """Somebody answered in LangGraph itself in the moment before: a success that did nothing."""
    answer(launch, waiting)
    then, thread_id = langgraph.run_id, scene.run(waiting)["thread_id"]
    langgraph.add(thread_id, values='{"done":1}')
    langgraph.known[then] |= {"status": "success", "kwargs": {"command": {"resume": {"i1": "yes"}}}}
    if source == "webhook":
        scene.delivered(then)
    item = scene.look(then)
    assert (item["outcome"], item["doubled"]) == ("succeeded", True)
