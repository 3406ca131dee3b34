"""One key and body, one launch and one run, however often it is asked for and whatever died in between (G2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from runledger.domain import launch_states, run_states
from runledger.domain.inspection import Started
from runledger.domain.launches import launch_id_of, parse_launch
from runledger.domain.retry import LEASE_SECONDS
from runledger.domain.settling import Seen
from tests.integration import faults as kinds
from tests.integration.langgraph_double import Told
from tests.integration.support import CHECK, LEASE_ENDS, LEDGER_ID, NOW, claim, client_of, marks, new_id

if TYPE_CHECKING:
    from tests.integration.faults import Faults
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.support import Aws, Door, Mailbox, Output, Reply, WallClock

KEY = "order 4711"
LAUNCH_ID = launch_id_of(KEY, LEDGER_ID)
FIRST = new_id()  # the thread of the launch that `held` records
BODY = '{"assistant_id": "agent", "input": {"n": 1.0}}'
SAME = '{"input":{"n":1.0},"assistant_id":"agent"}'
CALLERS = new_id()
ON_CALLERS_THREAD = json.dumps({**json.loads(BODY), "thread_id": CALLERS})
NAMED = new_id()
CREATE, LIST, DELETE = "POST /threads/…/runs", "GET /threads/…/runs", "DELETE /threads/…"
START = ["POST /threads", CREATE]


def ask(launch: Door, body: str = BODY, key: str | None = KEY) -> Reply:
    return launch.call(body, headers={"Idempotency-Key": key} if key is not None else {})


def creations(langgraph: LangGraphDouble) -> list[Sent]:
    return [sent for sent in langgraph.requests if sent.step == CREATE]


def held(launch: Door, langgraph: LangGraphDouble, body: str = BODY, now: float = NOW, **changes: Any) -> None:
    """Have somebody put the launch down who then says no more."""
    request = parse_launch(body.encode())
    facts: dict[str, Any] = {"digest": request.digest, "request": body, "langgraph_url": langgraph.url}
    facts["thread_id"] = FIRST
    if request.thread_id:
        facts |= {"thread_id": request.thread_id, "own_thread": False}
    assert launch.parts.launcher.launches.apply(claim(LAUNCH_ID, now, **{**facts, **changes})) is None


def made(langgraph: LangGraphDouble) -> list[str]:
    """Return the threads that were made, each once, in their order."""
    return list(dict.fromkeys(sent.body["thread_id"] for sent in langgraph.requests if sent.step == "POST /threads"))


def assert_started(aws: Aws, run_id: str, thread_id: str, attempt: int) -> None:
    item = aws.launch(LAUNCH_ID) or {}
    assert (item["state"], item["run_id"], item["thread_id"], item["attempt"]) == (
        "started",
        run_id,
        thread_id,
        attempt,
    )
    assert not {"due_at", "request", "reason"} & set(item)
    run = aws.run(run_id) or {}
    assert (run["launch_id"], run["thread_id"], run["outcome"]) == (LAUNCH_ID, thread_id, "pending")


@pytest.mark.parametrize("stream", [False, True])
def test_g2_the_same_key_and_body_have_the_same_answer_and_one_creation(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock, *, stream: bool
) -> None:
    texts = [json.dumps({**json.loads(text), "stream": stream}) for text in (BODY, SAME, BODY)]
    replies = []
    for text in texts:
        replies.append(ask(launch, text))
        wall.now += 3600
    assert [reply.status for reply in replies] == [202] * 3
    assert replies[0].body == replies[1].body == replies[2].body
    assert replies[0].headers["Location"] == replies[2].headers["Location"]
    assert (replies[0].body["launch_id"], replies[0].body["thread_id"]) == (LAUNCH_ID, made(langgraph)[0])
    assert len(langgraph.requests) == 2
    assert len(aws.items("RunsTable")) == len(aws.items("LaunchesTable")) == 1
    assert output.counts == {"launched": 1, "repeated": 2}


def test_g2_a_repeat_says_what_the_run_has_come_to_by_then(launch: Door, langgraph: LangGraphDouble) -> None:
    first = ask(launch)
    calls: list[str] = []
    client_of(launch.parts.launcher.runs).meta.events.register(
        "before-send", lambda event_name, **_: calls.append(event_name.rpartition(".")[2])
    )
    ask(launch)
    assert calls == ["UpdateItem", "GetItem"]
    end(launch, langgraph.run_id)
    again = ask(launch)
    assert again.body == {**first.body, "outcome": "failed"}
    assert (again.status, again.headers["Location"]) == (202, first.headers["Location"])
    assert len(creations(langgraph)) == 1


def test_g2_a_run_that_is_adopted_may_be_over_by_then(
    launch: Door, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    langgraph.runs = Told(cut=True)
    langgraph.before_run = langgraph.make
    ask(launch)
    launch.parts.launcher.record_run(LAUNCH_ID, made(langgraph)[0], Started(langgraph.run_id, "agent"), NOW)
    end(launch, langgraph.run_id)
    wall.now += LEASE_SECONDS
    assert ask(launch).body["outcome"] == "failed"


def end(launch: Door, run_id: str) -> None:
    """Have reconcile find out that a run failed."""
    seen = Seen("error", "failed", None, {"message": "no"}, None, began=True)
    assert launch.parts.launcher.runs.apply(run_states.reconciled(run_id, seen, None, NOW)) is None


def test_g2_a_repeat_of_a_launch_whose_run_was_removed_starts_nothing_and_leads_nowhere(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    first = ask(launch).body
    aws.remove(first["run_id"])
    reply = ask(launch)
    assert (reply.status, reply.problem, reply.body["launch_id"]) == (410, "run-removed", LAUNCH_ID)
    assert first["run_id"] in reply.body["detail"]
    assert "Location" not in reply.headers
    assert len(creations(langgraph)) == 1


def test_g1_a_message_that_comes_again_after_its_run_was_removed_is_done_with(mailbox: Mailbox, aws: Aws) -> None:
    record = mailbox.send(BODY)
    assert mailbox.bring(record) == [True]
    (run,) = aws.items("RunsTable")
    aws.remove(run["run_id"])
    assert mailbox.bring(record) == [True]
    assert mailbox.letters == []


@pytest.mark.parametrize("prefix", ["", "/runs", "/runs-prod", "/v1"])
def test_links_begin_with_the_base_path_whatever_it_is(launch: Door, prefix: str) -> None:
    body = launch.post("/runs", BODY, prefix=prefix)
    run_id = body.body["run_id"]
    assert body.headers["Location"] == body.body["links"]["run"] == f"{prefix}/runs/{run_id}"
    assert body.body["links"]["launch"] == f"{prefix}/launches/{body.body['launch_id']}"
    cancelled = launch.post(f"/runs/{run_id}/cancel", "{}", prefix=prefix)
    assert cancelled.body["links"]["run"] == f"{prefix}/runs/{run_id}"


def test_g2_without_a_key_every_request_is_a_launch(launch: Door, langgraph: LangGraphDouble) -> None:
    one, other = ask(launch, key=None).body, ask(launch, key=None).body
    assert one["launch_id"] != other["launch_id"]
    assert len(creations(langgraph)) == 2


@pytest.mark.parametrize("state", ["started", "held", "lapsed", "refused"])
def test_g2_the_same_key_with_another_body_is_409_and_changes_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock, state: str
) -> None:
    if state == "refused":
        langgraph.runs = Told(422, {"detail": "no"})
    if state in ("started", "refused"):
        ask(launch)
    else:
        held(launch, langgraph)
    wall.now += 3600 * (state == "lapsed")
    before, asked = aws.launch(LAUNCH_ID), len(langgraph.requests)
    reply = ask(launch, BODY.replace("1.0", "1"))
    assert (reply.status, reply.problem, reply.body["launch_id"]) == (409, "idempotency-key-reused", LAUNCH_ID)
    assert aws.launch(LAUNCH_ID) == before
    assert len(langgraph.requests) == asked
    assert output.counts["refused:idempotency-key-reused"] == 1


@pytest.mark.parametrize(("after", "retry_after"), [(0, "5"), (LEASE_SECONDS - 3, "3"), (LEASE_SECONDS - 1, "1")])
def test_g2_while_somebody_is_at_work_on_it_the_answer_is_409_and_when_to_come_again(
    launch: Door,
    aws: Aws,
    langgraph: LangGraphDouble,
    output: Output,
    wall: WallClock,
    after: int,
    retry_after: str,
) -> None:
    held(launch, langgraph)
    wall.now = NOW + after
    reply = ask(launch)
    assert (reply.status, reply.problem) == (409, "launch-in-progress")
    assert (reply.headers["Retry-After"], reply.body["launch_id"]) == (retry_after, LAUNCH_ID)
    assert (aws.launch(LAUNCH_ID) or {})["holder"] == "somebody"
    assert langgraph.requests == []
    assert output.counts == {"refused": 1, "refused:launch-in-progress": 1}


def test_g2_an_answer_that_was_lost_is_asked_for_until_the_run_is_adopted(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock
) -> None:
    langgraph.before_run, langgraph.runs = langgraph.make, Told(cut=True)
    assert ask(launch).problem == "langgraph-fault"
    assert ask(launch).problem == "launch-in-progress"
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch)
    assert (reply.status, reply.body["run_id"], reply.body["thread_id"]) == (202, langgraph.run_id, made(langgraph)[0])
    assert [sent.step for sent in langgraph.requests] == [*START, LIST]
    assert_started(aws, langgraph.run_id, made(langgraph)[0], attempt=1)
    assert output.counts["adopted"] == 1
    assert ask(launch).body == reply.body


def test_g2_a_run_whose_webhook_was_recorded_is_adopted_without_asking_langgraph(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    held(launch, langgraph)
    run_id = new_id()
    launch.parts.launcher.runs.apply(
        run_states.pending(
            run_id=run_id, launch_id=LAUNCH_ID, thread_id=FIRST, assistant_id=None, after_seconds=0, now=NOW
        )
    )
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch)
    assert (reply.status, reply.body["run_id"]) == (202, run_id)
    assert langgraph.requests == []
    assert_started(aws, run_id, FIRST, attempt=1)


def test_g2_the_oldest_of_the_launchs_runs_is_adopted_and_no_others(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    """On a caller's thread there are others: of other launches, and of LangGraph's own clients."""
    held(launch, langgraph, ON_CALLERS_THREAD)
    strangers = [langgraph.add(CALLERS, metadata={"launch_id": new_id()}), langgraph.add(CALLERS, metadata=None)]
    ours = [langgraph.add(CALLERS, metadata=marks(LAUNCH_ID)) for _ in range(2)]
    strangers += [langgraph.add(CALLERS) for _ in range(150)]
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch, ON_CALLERS_THREAD).body["run_id"] == ours[0]
    assert not set(strangers) & {item["run_id"] for item in aws.items("RunsTable")}
    assert [sent.step for sent in langgraph.requests] == [LIST, LIST]


def test_g10_a_long_thread_is_read_no_further_back_than_the_launch(
    launch: Door, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    held(launch, langgraph, ON_CALLERS_THREAD)
    for at in range(350):
        langgraph.add(CALLERS, created_at=f"2026-11-22T04:{at // 60:02}:{at % 60:02}+00:00")
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch, ON_CALLERS_THREAD).status == 202
    assert [sent.step for sent in langgraph.requests] == [LIST, CREATE]


def test_g2_where_nothing_was_started_the_thread_is_fenced_off_and_another_taken(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock
) -> None:
    held(launch, langgraph)
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch)
    assert (reply.status, reply.body["thread_id"]) == (202, made(langgraph)[-1])
    assert [sent.step for sent in langgraph.requests] == [LIST, DELETE, *START]
    assert langgraph.threads_deleted == [FIRST]
    (sent,) = creations(langgraph)
    assert sent.path == f"/threads/{made(langgraph)[-1]}/runs"
    assert sent.body["input"] == {"n": 1.0}
    assert sent.body["metadata"] == {**marks(LAUNCH_ID), "answers_run_id": None, "answer_digest": None}
    assert_started(aws, langgraph.run_id, made(langgraph)[-1], attempt=2)
    assert output.counts == {"started_over": 1, "launched": 1}


def test_g2_a_thread_that_was_never_made_is_made_and_deleted_so_that_no_other_404_is_taken_for_its_absence(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    held(launch, langgraph)
    langgraph.unknown.add(FIRST)
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch).body["thread_id"] == made(langgraph)[-1]
    assert [sent.step for sent in langgraph.requests] == [LIST, START[0], LIST, DELETE, *START]
    assert_started(aws, langgraph.run_id, made(langgraph)[-1], attempt=2)


def test_g2_a_run_that_ended_before_its_thread_was_deleted_is_still_adopted(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock
) -> None:
    """Its webhook comes between the look into LangGraph and the deletion."""
    held(launch, langgraph)
    run_id = new_id()
    pending = run_states.pending(
        run_id=run_id, launch_id=LAUNCH_ID, thread_id=FIRST, assistant_id=None, after_seconds=0, now=NOW
    )

    def deliver(sent: Sent) -> None:
        if sent.method == "DELETE":
            launch.parts.launcher.runs.apply(pending)

    langgraph.instead = deliver
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch).body["run_id"] == run_id
    assert creations(langgraph) == []
    assert_started(aws, run_id, FIRST, attempt=1)
    assert output.counts == {"adopted": 1}


@pytest.mark.parametrize("step", [LIST, DELETE])
@pytest.mark.parametrize("told", [*(Told(status, {"detail": "no"}) for status in (404, 429, 500)), Told(cut=True)])
def test_g2_nothing_is_started_over_while_langgraph_does_not_tell(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, step: str, told: Told
) -> None:
    held(launch, langgraph)
    langgraph.instead = lambda sent: told if sent.step == step else None
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch)
    assert reply.status in (429, 502)
    assert (reply.body["launch_id"], "The launch goes on by itself." in reply.body["detail"]) == (LAUNCH_ID, True)
    assert creations(langgraph) == []
    item = aws.launch(LAUNCH_ID) or {}
    assert (item["state"], item["attempt"], item["due_at"]) == ("starting", 1, LEASE_ENDS + LEASE_SECONDS)
    langgraph.instead = lambda _: None
    wall.now += LEASE_SECONDS
    assert ask(launch).status == 202


@pytest.mark.parametrize("name", ["taken_over", "attempted"])
def test_g2_of_two_who_take_a_launch_up_one_goes_on(
    launch: Door,
    aws: Aws,
    langgraph: LangGraphDouble,
    wall: WallClock,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    """The other reads the same item, and is faster: in taking over, or after this one stood still for too long."""
    held(launch, langgraph)
    wall.now = NOW + LEASE_SECONDS
    launches, states = launch.parts.launcher.launches, launch_states
    make = getattr(states, name)

    def slower(*args: Any) -> Any:
        monkeypatch.setattr(states, name, make)
        there = launch_states.Launch.read(aws.launch(LAUNCH_ID) or {})
        assert launches.apply(launch_states.taken_over(there, "a faster one", wall.now)) is None
        return make(*args)

    monkeypatch.setattr(states, name, slower)
    reply = ask(launch)
    assert (reply.status, reply.problem) == (409, "launch-in-progress")
    assert creations(langgraph) == []
    assert (aws.launch(LAUNCH_ID) or {})["holder"] == "a faster one"


@pytest.mark.parametrize(
    "told", [Told(422, {"detail": "no"}), Told(401, {"detail": "no"}), Told(429, {"detail": "no"})]
)
def test_g2_a_refused_launch_is_tried_again_with_the_same_key(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock, told: Told
) -> None:
    langgraph.runs = told
    assert ask(launch).status >= 400
    assert (aws.launch(LAUNCH_ID) or {})["state"] == "refused"
    langgraph.runs = None
    wall.now = NOW + 1  # its lease has not lapsed, but nobody holds it
    reply = ask(launch)
    assert (reply.status, reply.body["thread_id"]) == (202, made(langgraph)[1])
    assert_started(aws, langgraph.run_id, made(langgraph)[1], attempt=2)


def test_a_launch_that_was_refused_on_a_callers_thread_is_tried_again_as_it_was_asked_for(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    """LangGraph has proven that there is no run of it, so nothing can come late."""
    body = json.dumps({**json.loads(ON_CALLERS_THREAD), "multitask_strategy": "enqueue"})
    langgraph.runs = Told(429, {"detail": "no"})
    assert ask(launch, body).status == 429
    langgraph.runs = None
    assert ask(launch, body).status == 202
    assert [sent.body["multitask_strategy"] for sent in creations(langgraph)] == ["enqueue", "enqueue"]
    assert_started(aws, langgraph.run_id, CALLERS, attempt=1)


def test_g2_a_launch_that_is_refused_again_and_again_counts_its_attempts(
    launch: Door, aws: Aws, langgraph: LangGraphDouble
) -> None:
    langgraph.runs = Told(422, {"detail": "no"})
    assert [ask(launch).status for _ in range(3)] == [422] * 3
    item = aws.launch(LAUNCH_ID) or {}
    assert (item["state"], item["attempt"], item["thread_id"]) == ("refused", 3, made(langgraph)[2])
    assert "due_at" not in item
    assert langgraph.threads_deleted == made(langgraph)[:2]


@pytest.mark.parametrize(
    ("skip", "repeated"),
    [(0, False), (1, False), (2, False), (1, True), (4, True), (5, True), (6, True)],
    ids=["claim", "run", "launch", "take over", "attempt", "run of the second", "launch of the second"],
)
def test_g2_a_write_whose_answer_was_lost_is_ours_all_the_same(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults, wall: WallClock, skip: int, *, repeated: bool
) -> None:
    if repeated:
        held(launch, langgraph)
        wall.now = NOW + LEASE_SECONDS
    with faults.on(client_of(launch.parts.launcher.launches), kinds.ANSWER_LOST, times=1, skip=skip):
        reply = ask(launch)
    (request,) = faults.requests
    assert request.headers["X-Amz-Target"].endswith(b".UpdateItem")
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert len(creations(langgraph)) == 1
    assert_started(aws, langgraph.run_id, made(langgraph)[-1], attempt=1 + repeated)


@pytest.mark.parametrize("skip", [1, 2], ids=["run", "launch"])
def test_g2_a_run_that_could_not_be_recorded_is_found_by_its_callers_next_request(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults, wall: WallClock, skip: int
) -> None:
    with faults.on(client_of(launch.parts.launcher.launches), kinds.BROKEN, skip=skip):
        first = ask(launch)
    assert first.status == 202
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch).body == first.body
    assert len(creations(langgraph)) == 1
    assert_started(aws, langgraph.run_id, made(langgraph)[0], attempt=1)


@pytest.mark.parametrize(("size", "stored"), [(8_192, False), (8_193, True), (1_000_000, True)])
def test_g2_a_large_request_is_kept_in_the_bucket_for_whoever_starts_over(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, size: int, *, stored: bool
) -> None:
    bare = len(json.dumps({"assistant_id": "agent", "input": ""}))
    body = json.dumps({"assistant_id": "agent", "input": "x" * (size - bare)})
    seen: list[Any] = []
    langgraph.before_run = lambda _: seen.append(aws.launch(LAUNCH_ID))
    assert ask(launch, body).status == 202
    (item,) = seen
    digest = parse_launch(body.encode()).digest
    assert item.get("request_key") == (f"launches/{LAUNCH_ID}/{digest}.json.gz" if stored else None)
    assert item.get("request") == (None if stored else body)
    assert {key: found["Body"] for key, found in aws.objects().items()} == (
        {item["request_key"]: body} if stored else {}
    )
    assert not {"request", "request_key"} & set(aws.launch(LAUNCH_ID) or {})


def test_g2_a_large_request_that_cannot_be_kept_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, faults: Faults
) -> None:
    body = json.dumps({"assistant_id": "agent", "input": "x" * 10_000})
    with faults.on(client_of(launch.parts.launcher.bucket), kinds.BROKEN):
        assert ask(launch, body).problem == "unavailable"
    assert aws.is_empty()
    assert langgraph.requests == []
    assert ask(launch, body).status == 202


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\t", "é", "\x7f", "line\nline"])
def test_a_key_of_a_bad_form_is_400_and_starts_nothing(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, key: str
) -> None:
    reply = ask(launch, key=key)
    assert (reply.status, reply.problem) == (400, "invalid-request")
    assert "Idempotency-Key" in reply.body["detail"]
    assert langgraph.requests == []
    assert aws.is_empty()
    assert output.counts == {"refused": 1, "refused:invalid-request": 1}


def test_g2_on_a_callers_thread_a_launch_that_starts_over_stays_to_be_watched(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, output: Output, wall: WallClock
) -> None:
    held(launch, langgraph, ON_CALLERS_THREAD)
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch, ON_CALLERS_THREAD)
    assert (reply.status, reply.body["thread_id"]) == (202, CALLERS)
    assert [sent.step for sent in langgraph.requests] == [LIST, CREATE]
    item = aws.launch(LAUNCH_ID) or {}
    assert (item["state"], item["attempt"], item["due_at"]) == ("started", 2, CHECK + LEASE_SECONDS)
    assert output.counts == {"started_over": 1, "launched": 1}
    assert ask(launch, ON_CALLERS_THREAD).body == reply.body


def test_g2_a_first_start_on_a_callers_thread_is_not_watched(launch: Door, aws: Aws) -> None:
    ask(launch, ON_CALLERS_THREAD)
    assert "due_at" not in (aws.launch(LAUNCH_ID) or {})


def test_g2_on_a_callers_thread_that_the_last_attempt_keeps_busy_its_run_is_adopted(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    """The last attempt's request takes effect between the look into LangGraph and this attempt's."""
    held(launch, langgraph, ON_CALLERS_THREAD)
    langgraph.before_run, langgraph.runs = langgraph.make, Told(409, {"detail": "busy"})
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch, ON_CALLERS_THREAD)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert [sent.step for sent in langgraph.requests] == [LIST, CREATE, LIST]
    assert (aws.launch(LAUNCH_ID) or {})["run_id"] == langgraph.run_id


@pytest.mark.parametrize(
    "names", [{"answers_run_id": NAMED}, {"answers_run_id": NAMED, "start_nonce": "guessed"}], ids=str
)
@pytest.mark.parametrize("body", [BODY, ON_CALLERS_THREAD], ids=["own", "callers"])
def test_g2_a_run_whose_creation_was_lost_is_found_whatever_it_could_inherit(
    launch: Door, langgraph: LangGraphDouble, wall: WallClock, body: str, names: dict[str, str]
) -> None:
    """An assistant or a thread can have any metadata, which its runs inherit where they say nothing of their own."""
    langgraph.inherited = names
    langgraph.before_run, langgraph.runs = langgraph.make, Told(cut=True)
    assert ask(launch, body).status == 502
    langgraph.before_run, langgraph.runs = lambda _: None, None
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch, body)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert len(creations(langgraph)) == 1
    assert langgraph.threads_deleted == []


def test_g2_on_a_callers_thread_a_run_that_inherits_the_launchs_id_is_not_the_launchs(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    held(launch, langgraph, ON_CALLERS_THREAD)
    others = langgraph.add(CALLERS, status="running", values="", metadata={"launch_id": LAUNCH_ID})
    wall.now = NOW + LEASE_SECONDS
    reply = ask(launch, ON_CALLERS_THREAD)
    assert (reply.status, reply.body["run_id"]) == (202, langgraph.run_id)
    assert aws.run(others) is None


def test_g2_on_a_callers_thread_that_somebody_else_keeps_busy_it_is_refused(
    launch: Door, aws: Aws, langgraph: LangGraphDouble, wall: WallClock
) -> None:
    held(launch, langgraph, ON_CALLERS_THREAD)
    langgraph.runs = Told(409, {"detail": "busy"})
    wall.now = NOW + LEASE_SECONDS
    assert ask(launch, ON_CALLERS_THREAD).problem == "thread-busy"
    assert (aws.launch(LAUNCH_ID) or {})["state"] == "refused"
