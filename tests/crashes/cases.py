"""What is tried: a launch, a delivery, a record of the stream, a reconcile; what should come of it; and how to tell."""

from __future__ import annotations

import gzip
import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local import resources
from runledger.domain.launches import launch_id_of
from tests.crashes import faults
from tests.crashes.faults import KILLED_AFTER, KILLED_BEFORE, LATE, VERY_LATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crashes.world import Reply, World

_READS = re.compile(r"secretsmanager|Query|GetItem|GetObject|GetQueue|^GET|/history$")
_OF_READS = (faults.DOWN, KILLED_BEFORE)  # a read has no effect that could come late


@dataclass
class Case:
    """One launch and what becomes of it."""

    world: World
    task: dict[str, Any]
    stream: bool = False
    thread_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    token: str | None = None  # of the task that waits for the launch
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    answers: list[str] = field(default_factory=list)  # the run's id, in each answer that the caller got
    event: dict[str, Any] | None = None  # LangGraph's delivery
    seconds: int = 0  # further runs of the launch
    ahead: float = 0.0

    @property
    def launch_id(self) -> str:
        return launch_id_of(self.key, self.world.ledger_id)

    def body(self) -> dict[str, Any]:
        """Return what is asked for."""
        body = {"assistant_id": "agent", "input": self.task, "stream": self.stream, "metadata": self.metadata}
        body |= {"thread_id": self.thread_id} if self.thread_id else {}
        return body | ({"callback": {"task_token": self.token}} if self.token else {})

    def call(self) -> Reply:
        """Launch, as the caller does."""
        reply = self.world.request("launch", "/runs", json.dumps(self.body()), headers={"idempotency-key": self.key})
        if reply.status == 202:
            self.answers.append(reply.body["run_id"])
        return reply

    def insist(self) -> None:
        """Repeat the request as a caller does, until it is accepted."""
        for _ in range(40):
            reply = self.call()
            if reply.status == 202:
                return
            assert reply.status >= 500 or reply.body["type"].endswith("launch-in-progress"), reply
            self.world.ahead += int(reply.headers.get("Retry-After", 5))
        raise AssertionError(f"never accepted: {reply}")

    def is_at_rest(self, outcomes: list[str], outcome: str) -> bool:
        """Whether nothing more is to be waited for, though reconcile goes on looking: a question is a question."""
        return outcomes == ["awaiting_input"] == [outcome]

    def item(self, table: str) -> dict[str, Any]:
        (item,) = (item for item in self.world.items(table) if not item.get("doubled"))
        return item

    def langgraph_runs(self) -> list[dict[str, Any]]:
        """Return LangGraph's own list of the launch's runs."""
        threads = [self.thread_id] if self.thread_id else self.world.threads(self.launch_id)
        return [run for thread in threads for run in self.world.runs(thread, self.launch_id)]

    def await_event(self) -> dict[str, Any]:
        self.event = self.world.delivery(self.item("LaunchesTable")["run_id"])
        return self.event

    def runs_to_hear_of(self) -> list[str]:
        """Return the runs whose webhooks come in the end."""
        return [launch["run_id"] for launch in self.world.items("LaunchesTable") if "run_id" in launch]

    def check(self, outcome: str) -> list[str]:
        """Return what is wrong with the ledger, or with LangGraph's own list of runs: nothing, if all is well."""
        launches, runs = self.world.items("LaunchesTable"), self.world.items("RunsTable")
        made = self.world.faults.creations[self.launch_id]
        if not launches or launches[0]["state"] == "refused":  # nothing started, and the caller has heard so or is dead
            return ["lost: a run that no launch knows"] * (made > 0 or bool(runs or self.answers))
        wrong = []
        mains, seconds = [r for r in runs if "doubled" not in r], [r for r in runs if "doubled" in r]
        if [run["run_id"] for run in mains] != [launches[0].get("run_id")] or launches[0]["state"] != "started":
            wrong.append(f"lost: launch {launches}, runs {runs}")
        elif (mains[0]["outcome"], set(self.answers) - {mains[0]["run_id"]}) != (outcome, set()):
            wrong.append(f"lost: {mains[0]}, answers {self.answers}")
        elif self.result(mains[0]) != self.expected():
            wrong.append(f"lost: the result of {mains[0]}")
        if made - len(seconds) != 1 or (seconds and self.thread_id is None):
            wrong.append(f"doubled: LangGraph made {made} runs, {len(seconds)} are marked: {runs}")
        if len(self.langgraph_runs()) != made:
            wrong.append(f"doubled: LangGraph lists {self.langgraph_runs()}")
        self.seconds = len(seconds)
        if any(run["outcome"] in ("pending", "settling") or "due_at" in run for run in seconds):
            wrong.append(f"lost: a second run {seconds}")
        stages = ("awaiting_input", outcome) if outcome == "answered" else (outcome,)
        ids = {f"{run['run_id']}/{stage}" for run in mains for stage in stages}
        ids |= {f"{run['run_id']}/{run['outcome']}" for run in seconds}
        ids |= {self.token} if self.token else set()
        wrong += [f"lost: a task waits for {launches}"] * ("task_token" in launches[0])
        if not ids <= self.world.faults.told or any("unpublished" in run for run in runs):
            wrong.append(f"lost: an event of {ids}; told are {self.world.faults.told}")
        forged = [told for told in self.world.faults.told if told.startswith(INVENTED) or told.endswith("/failed")]
        wrong += [f"doubled: an event of what only a token vouches for: {told}" for told in forged]
        return wrong

    def result(self, run: dict[str, Any]) -> Any:
        """Return the recorded result of a run."""
        if "payload" in run:
            return json.loads(run["payload"])["values"]
        bucket = self.world.template.names["PayloadBucket"]
        stored = resources.session().client("s3").get_object(Bucket=bucket, Key=run["payload_key"])
        return json.loads(gzip.decompress(stored["Body"].read()))["values"]

    def expected(self) -> Any:
        match self.task["task"]:
            case "answer":
                return {
                    **self.task,
                    "result": {"text": "It is 42. 🎉", "sum": 0.1 + 0.2, "one": 1.0, "large": 2**63 - 1},
                }
            case "large":
                return {**self.task, "result": "x" * self.task["bytes"]}
        return self.task


class Message(Case):
    """A launch by a message."""

    record: dict[str, Any] | None = None

    def bring(self) -> bool:
        """Bring the message once; return whether it is done with."""
        assert self.record
        return self.world.bring(self.record)

    def insist(self) -> None:
        """Bring the message as the queue does, until it is done with."""
        for _ in range(40):
            if self.bring():
                return
            self.world.ahead += 181
        raise AssertionError("the message comes again and again")


class Poison(Message):
    """A message that can be no launch."""

    def body(self) -> dict[str, Any]:
        return {**super().body(), "nonsense": 1}

    def check(self, outcome: str) -> list[str]:
        """It is a dead letter, and the task that waits was told."""
        wrong = ["doubled: a launch"] * bool(self.world.items("LaunchesTable"))
        letters = self.world.letters(self.key)
        wrong += ["lost: there is no letter"] * (outcome == "a letter" and not letters)
        wrong += ["lost: a task waits"] * (outcome == "a letter" and self.token not in self.world.faults.told)
        return wrong + [f"lost: the token stands in {letter}" for letter in letters if "task_token" in letter]


class Question(Case):
    """A run that waits for a person, and what becomes of it."""

    def ask(self, what: str, body: object) -> Reply:
        """POST to a route of the run that waits."""
        parameters = {"run_id": self.item("LaunchesTable")["run_id"]}
        return self.world.request("launch", f"/runs/{{run_id}}/{what}", json.dumps(body), parameters=parameters)

    def call(self) -> Reply:
        """Launch first; when that is done, answer."""
        if not self.world.items("LaunchesTable"):
            return super().call()
        reply = self.ask("resume", {"resume": "yes"})
        if reply.status == 202:
            self.answers.append(reply.body["run_id"])
        return reply

    def insist(self) -> None:
        """Repeat the answer as a caller does, until it is accepted."""
        for _ in range(40):
            reply = self.call()
            if reply.status == 202:
                return
            assert reply.status >= 500 or reply.body["type"].endswith("answer-in-progress"), reply
            self.world.ahead += int(reply.headers.get("Retry-After", 5))
        raise AssertionError(f"never accepted: {reply}")

    def runs_to_hear_of(self) -> list[str]:
        return [run["run_id"] for run in self.langgraph_runs()]

    def is_at_rest(self, outcomes: list[str], outcome: str) -> bool:  # noqa: ARG002
        return outcomes == ["awaiting_input"] and self.world.faults.creations[self.launch_id] == 1

    def check(self, outcome: str) -> list[str]:
        """One answer at most has an effect; it is in the ledger, and what it answers names it."""
        runs, made = self.world.items("RunsTable"), self.world.faults.creations[self.launch_id]
        asked = next(run for run in runs if run["run_id"] == self.item("LaunchesTable")["run_id"])
        given = [run for run in runs if run is not asked and "doubled" not in run]
        ignored = [run for run in runs if "doubled" in run]
        wrong = []
        if made == 1:
            if asked["outcome"] not in ("awaiting_input", outcome) or given or set(self.answers) - {asked["run_id"]}:
                wrong.append(f"lost: {runs}, answers {self.answers}")
        elif [run["run_id"] for run in given] != [asked.get("answered_by")] or given[0]["outcome"] != "succeeded":
            wrong.append(f"lost: {runs}")
        elif self.result(given[0])["result"] != "A person said: yes":
            wrong.append(f"lost: the result of {given}")
        elif not set(self.answers) <= {asked["run_id"], given[0]["run_id"]}:
            wrong.append(f"lost: {runs}, answers {self.answers}")
        if len(given) + len(ignored) + 1 != made:
            wrong.append(f"doubled: LangGraph made {made} runs: {runs}")
        ids = {f"{run['run_id']}/{run['outcome']}" for run in runs}
        if not ids <= self.world.faults.told or any("unpublished" in run for run in runs):
            wrong.append(f"lost: an event of {ids}; told are {self.world.faults.told}")
        self.ignored = len(ignored)
        return wrong


@dataclass(frozen=True)
class Scenario:
    """A kind of case. Each call of `act` is tried with each fault, `prepare` having been done without one.

    A run that has ended can be looked at again and again: `is_shared` prepares one case for all points. Where a kind
    differs from another in some calls alone, only those are tried: `at` matches them.
    """

    name: str
    act: Callable[[Case], object]
    prepare: Callable[[Case], object] = lambda _: None
    task: dict[str, Any] = field(default_factory=lambda: {"task": "answer"})
    stream: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    own_thread: bool = True
    insists: Callable[[Case], object] | None = None  # how the caller repeats until it is accepted; else it has died too
    at: str = ""
    is_shared: bool = False
    is_heard: bool = True  # whether the webhook arrives in the end
    is_streamed: bool = False  # whether the stream's records are repeated; else it is lost with the fault
    outcome: str = "succeeded"
    case: type[Case] = Case

    def new(self, world: World) -> Case:
        return self.case(
            world, self.task, self.stream, None if self.own_thread else world.new_thread(), self.metadata, self.token
        )


def modes_of(call: str) -> tuple[str, ...]:
    """Return the ways in which a call can fail that differ in what comes of it."""
    if _READS.search(call):
        return _OF_READS
    return tuple(mode for mode in faults.MODES if mode != (faults.VANISHED if call[0].islower() else faults.TWICE))


def launch(case: Case) -> None:
    case.call()


def insist(case: Case) -> None:
    case.insist()


def bring(case: Case) -> None:
    assert isinstance(case, Message)
    case.bring()


def sent(case: Case) -> None:
    assert isinstance(case, Message)
    case.record = case.world.send({**case.body(), "idempotency_key": case.key})


def put_off(case: Case) -> None:
    """LangGraph could not be reached when the message first came."""
    sent(case)
    with case.world.faults.watched("POST /threads$", faults.DOWN):
        bring(case)
    assert case.world.faults.was_met
    case.world.ahead += 76


def reconcile(case: Case) -> None:
    case.world.reconcile()


def notify(case: Case) -> None:
    case.world.notify()


def deliver(case: Case) -> None:
    assert case.event
    case.world.deliver(case.event)


def deliver_another(case: Case) -> None:
    assert case.event
    case.world.deliver({**case.event, "body": case.event["body"].replace('"status":"success"', '"status":"error"')})


def deliver_trimmed(case: Case) -> None:
    assert case.event
    case.world.deliver({**case.event, "body": json.dumps({"metadata": {"launch_id": case.launch_id}})})


def die(mode: str, call: str = r"POST /threads/…/runs(/stream)?$") -> Callable[[Case], None]:
    """Let the launcher be killed, or not get an answer, at a call; a lease later nobody works on the launch."""

    def prepare(case: Case) -> None:
        with case.world.faults.watched(call, mode):
            case.call()
        assert case.world.faults.was_met
        case.world.ahead += 61

    return prepare


def launched(case: Case) -> None:
    """The run has ended; its delivery waits in the mailbox."""
    case.insist()
    case.await_event()
    case.world.ahead += 130


def delivered(case: Case) -> None:
    launched(case)
    deliver(case)
    case.world.ahead += 130


def just_delivered(case: Case) -> None:
    launched(case)
    deliver(case)


def just_settled(case: Case) -> None:
    just_delivered(case)
    notify(case)
    assert case.item("RunsTable")["unpublished"]


def not_its_task(case: Case) -> None:
    just_settled(case)
    with case.world.faults.watched("stepfunctions", faults.DOWN):
        notify(case)
    assert case.world.faults.was_met
    case.world.ahead += 130


def unrecorded(case: Case) -> None:
    """The launcher died before it could record the run, which has ended; its delivery waits in the mailbox."""
    die(KILLED_AFTER)(case)
    (run,) = case.langgraph_runs()
    case.event = case.world.delivery(run["run_id"])


def early(case: Case) -> None:
    """The same, and its delivery has come: only its token vouches for the run."""
    unrecorded(case)
    deliver(case)
    assert case.item("LaunchesTable")["kept_count"] == 1


def invent(case: Case) -> None:
    """Somebody who has the token tells of a run that there is not."""
    assert case.event
    (told,) = re.findall(r'"run_id":"([0-9a-f-]{36})"', case.event["body"])[:1]
    body = case.event["body"].replace(told, INVENTED).replace('"status":"success"', '"status":"error"')
    case.world.deliver({**case.event, "body": body})


def invented(case: Case) -> None:
    """The launcher died before it could record the run, and an invented one is told of."""
    unrecorded(case)
    invent(case)


def forge(case: Case) -> None:
    """Somebody who has the token tells of another end than the run's, before LangGraph does."""
    deliver_another(case)


def forged(case: Case) -> None:
    launched(case)
    forge(case)
    case.world.ahead += 130


def used_elsewhere(case: Case) -> None:
    """Another stack has launched with the same key on the same LangGraph server."""
    with case.world.other_stack():
        case.insist()
    case.answers.clear()


def used_elsewhere_and_left(case: Case) -> None:
    used_elsewhere(case)
    die(KILLED_BEFORE)(case)


def reconciled(case: Case) -> None:
    launched(case)
    reconcile(case)


def trimmed(case: Case) -> None:
    launched(case)
    deliver_trimmed(case)


def asked(case: Case) -> None:
    delivered(case)
    reconcile(case)


def answer(case: Case) -> None:
    case.call()


def cancel(case: Case) -> None:
    assert isinstance(case, Question)
    case.ask("cancel", {})


def insist_on_cancel(case: Case) -> None:
    assert isinstance(case, Question)
    for _ in range(40):
        reply = case.ask("cancel", {})
        if reply.status == 202:
            return
        assert reply.status >= 500, reply
    raise AssertionError(f"never accepted: {reply}")


def answered(case: Case) -> None:
    delivered(case)
    reconcile(case)
    body = {"assistant_id": "agent", "command": {"resume": "yes"}}
    case.world.langgraph.post(f"/threads/{case.item('RunsTable')['thread_id']}/runs/wait", json=body).raise_for_status()
    case.world.ahead += 130


def doubled(case: Case) -> None:
    """The first creation took effect when the launch had been started over already, on a thread of the caller's."""
    die(VERY_LATE)(case)
    case.insist()
    case.world.faults.catch_up(VERY_LATE)
    case.world.ahead += 130


def refused_and_made(case: Case) -> None:
    """The first creation took effect when LangGraph had refused the second, on a thread of the caller's."""
    die(VERY_LATE)(case)
    die(faults.DOWN)(case)
    assert case.item("LaunchesTable")["state"] == "refused"
    case.world.faults.catch_up(VERY_LATE)
    assert case.langgraph_runs()
    case.world.ahead += 130


def heard_of(case: Case) -> None:
    """The launcher died, and of the delivery that came first not enough is left to record the run."""
    die(KILLED_AFTER)(case)
    (run,) = case.langgraph_runs()
    case.event = case.world.delivery(run["run_id"])
    deliver_trimmed(case)


def recover(scenario: Scenario, case: Case) -> None:
    """Let the world go on after a fault: callers repeat as they do, reconcile runs every minute."""
    world = case.world
    world.faults.catch_up(LATE)
    if scenario.insists:
        scenario.insists(case)
    if scenario.is_streamed:
        world.notify()
    for _ in range(3):
        world.ahead += 61
        if (due := world.next_due) is not None and due <= 0:
            world.reconcile()
    world.faults.catch_up(VERY_LATE)


def finish(scenario: Scenario, case: Case) -> list[str]:
    """Let the run end and its delivery come, and reconcile run as long as anything is due; return what is wrong."""
    world = case.world
    if scenario.is_heard:
        for run_id in case.runs_to_hear_of():
            world.deliver(world.delivery(run_id))
    for looks in range(1, 41):
        due, outcomes = world.next_due, [run["outcome"] for run in world.items("RunsTable")]
        is_published = not any("unpublished" in run for run in world.items("RunsTable"))
        if due is None or (is_published and case.is_at_rest(outcomes, scenario.outcome)):
            return case.check(scenario.outcome)
        if looks % 10 == 0:
            world.wait_for_runs()
        world.ahead += max(0, due + 1)
        world.reconcile()
    return [f"lost: stays due: {world.items('RunsTable')} {world.items('LaunchesTable')}"]


INVENTED = "01a201d6-0000-7000-8000-000000000000"
LARGE_REQUEST = {"pad": "x" * 9000}
LARGE, ASK = {"task": "large", "bytes": 50_000}, {"task": "ask"}

SCENARIOS = (
    Scenario("launch", launch, insists=insist),
    Scenario("launch, the caller dies too", launch),
    Scenario("launch on a caller's thread", launch, own_thread=False, insists=insist),
    Scenario("launch on a caller's thread, the caller dies too", launch, own_thread=False, at="runs$"),
    Scenario("streamed launch", launch, stream=True, insists=insist, at="stream$"),
    Scenario("launch of a large request", launch, metadata=LARGE_REQUEST, insists=insist, at="PutObject"),
    Scenario("repeated launch, its run is there", launch, die(KILLED_AFTER), insists=insist),
    Scenario("repeated launch, its run is not there", launch, die(KILLED_BEFORE), insists=insist),
    Scenario("repeated launch that was refused", launch, die(faults.DOWN, "POST /threads$"), insists=insist),
    Scenario("repeated launch on a caller's thread", launch, die(KILLED_BEFORE), own_thread=False, insists=insist),
    Scenario("repeated launch that was refused there", launch, die(faults.DOWN), own_thread=False, insists=insist),
    Scenario("reconcile a launch, its run is there", reconcile, die(KILLED_AFTER)),
    Scenario("reconcile a launch, its run is not there", reconcile, die(KILLED_BEFORE)),
    Scenario("reconcile a large request", reconcile, die(KILLED_BEFORE), metadata=LARGE_REQUEST, at="GetObject"),
    Scenario("reconcile a launch on a caller's thread", reconcile, die(KILLED_BEFORE), own_thread=False),
    Scenario("reconcile a doubled launch", reconcile, doubled, own_thread=False),
    Scenario("reconcile a refused launch that was made", reconcile, refused_and_made, own_thread=False),
    Scenario("reconcile a launch that was heard of", reconcile, heard_of, is_heard=False),
    Scenario("launch with a key that another stack has used", launch, used_elsewhere, insists=insist),
    Scenario("reconcile what was launched with such a key", reconcile, used_elsewhere_and_left),
    Scenario("delivery", deliver, launched, is_shared=True),
    Scenario("delivery of an unrecorded run", deliver, unrecorded),
    Scenario("repeated launch of which a delivery is kept", launch, early, insists=insist, is_heard=False),
    Scenario("reconcile a launch of which a delivery is kept", reconcile, early, is_heard=False),
    Scenario("delivery of an invented run", invent, unrecorded, at="UpdateItem"),
    Scenario("reconcile a launch of which an invented run is told", reconcile, invented),
    Scenario("delivery after a forged one", deliver, forged, is_shared=True),
    Scenario("reconcile after a forged delivery", reconcile, forged, is_shared=True),
    Scenario("delivery of a large result", deliver, launched, LARGE, is_shared=True),
    Scenario("delivery again", deliver, delivered, is_shared=True),
    Scenario("delivery after reconcile", deliver, reconciled, is_shared=True),
    Scenario("another delivery", deliver_another, delivered, is_shared=True, is_heard=False),
    Scenario("trimmed delivery", deliver_trimmed, launched, is_shared=True, is_heard=False),
    Scenario("reconcile a run", reconcile, launched, is_shared=True, is_heard=False),
    Scenario("reconcile a large result", reconcile, launched, LARGE, is_shared=True, is_heard=False, at="PutObject"),
    Scenario("reconcile what was heard of", reconcile, trimmed, is_shared=True, is_heard=False),
    Scenario("reconcile again", reconcile, reconciled, is_shared=True, is_heard=False),
    Scenario("settle the end", reconcile, delivered, is_shared=True),
    Scenario("settle a question", reconcile, delivered, ASK, is_shared=True, outcome="awaiting_input"),
    Scenario("notify settles", notify, just_delivered, is_shared=True, is_streamed=True),
    Scenario("notify settles, the stream is lost", notify, just_delivered, is_shared=True),
    Scenario("notify tells", notify, just_settled, is_shared=True, is_streamed=True),
    Scenario("notify tells, the stream is lost", notify, just_settled, is_shared=True),
    Scenario("notify tells a task", notify, just_settled, is_shared=True, token="token", at="stepf|Update"),
    Scenario("reconcile tells a task", reconcile, not_its_task, is_shared=True, token="token", at="stepf|Update"),
    Scenario("launch for a task", launch, token="token", insists=insist, at="UpdateItem"),
    Scenario("message", bring, sent, insists=insist, case=Message),
    Scenario("message, the queue is lost too", bring, sent, case=Message, at="runs$|UpdateItem|sqs"),
    Scenario("message that was put off", bring, put_off, insists=insist, case=Message, at="threads|runs$|UpdateItem"),
    Scenario("message that is no launch", bring, sent, token="token", insists=insist, outcome="a letter", case=Poison),
    Scenario("notify tells a question", notify, just_settled, ASK, is_shared=True, outcome="awaiting_input"),
    Scenario("answer", answer, asked, ASK, insists=insist, case=Question),
    Scenario("answer, the caller dies too", answer, asked, ASK, at="runs$", case=Question),
    Scenario(
        "cancel a question",
        *(cancel, asked, ASK),
        is_shared=True,
        insists=insist_on_cancel,
        outcome="cancelled",
        case=Question,
    ),
    Scenario("see an answer", reconcile, answered, ASK, is_shared=True, outcome="answered"),
)
