"""G10: what each route, each event and a pass of reconcile costs stays the same as the ledger grows."""

from __future__ import annotations

import dataclasses
import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from runledger.adapters.secrets_manager import Secret
from runledger.domain import run_states
from runledger.domain.deliveries import Payload
from runledger.domain.ledger import SHARDS, Placed, shard
from runledger.domain.settling import Seen
from tests.bench.counts import BILLS, BUDGET, PAYLOADS, STORED, Bill
from tests.integration.crowd import TOMORROW, Crowd
from tests.integration.meter import Meter
from tests.integration.scene import QUESTION
from tests.integration.support import Door, Mailbox, Recovery, Stream, Webhook, claim, delivery, new_id, stand_still
from tests.integration.test_launch_requests import webhook_token

if TYPE_CHECKING:
    from tests.integration.conftest import Load
    from tests.integration.langgraph_double import LangGraphDouble, Sent
    from tests.integration.support import Aws, WallClock

OTHERS = (100, 10_000, 100_000)
LIMIT = 4  # with 100 others, each shard has more
DUE = 10
THREAD = new_id()  # of all the other runs


@pytest.fixture
def doors(load: Load, langgraph: LangGraphDouble) -> dict[str, Door]:
    names = ("launch", "webhook", "query", "sweep", "worker")
    inline = str(PAYLOADS["32 KB"])  # so that a large one in the item is counted too
    doors = {name: load(name, LangGraphUrl=langgraph.url, InlinePayloadBytes=inline) for name in names}
    assert isinstance(doors["webhook"], Webhook)
    doors["webhook"].is_usual = False  # the launch function records each run here
    return doors


@dataclasses.dataclass
class Story:
    """Each operation once, metered."""

    doors: dict[str, Door]
    stream: Stream
    langgraph: LangGraphDouble
    wall: WallClock
    meter: Meter
    stored: dict[str, int] = dataclasses.field(default_factory=dict)  # bytes in the tables that a run leaves there

    def tell(self) -> None:
        for size, length in PAYLOADS.items():
            self.told_by_webhook(size, length)
        self.confirmed()
        self.listed()
        self.reconciled()
        self.started_over()
        self.answered_and_cancelled()
        self.by_message()
        self.langgraph_is_done()
        for _ in range(2):  # until nothing is due
            self.a_pass()

    def launch(self, number: int = 0) -> dict[str, Any]:
        """Launch a run in the shard of that number."""
        ids = (new_id() for _ in range(1000))
        self.langgraph.run_id = next(run_id for run_id in ids if shard(run_id) == number % SHARDS)
        body = json.dumps({"assistant_id": "agent", "input": {}, "thread_id": new_id()})
        return dict(self.doors["launch"].call(body, headers={"idempotency-key": new_id()}).body)

    def told_by_webhook(self, size: str, length: int) -> None:
        """Launch a run, have it end, be told of and read, with a webhook of so many bytes."""
        with self.meter.on("POST /runs"):
            launched = self.launch()
        run_id, launch_id = launched["run_id"], launched["launch_id"]
        self.langgraph.known[run_id]["status"] = "success"
        self.stream.batches()
        token = self.stream.aws.token(launch_id)
        told = delivery(run_id, launch_id, token, thread_id=launched["thread_id"], values='"@"')
        told = told.replace('"@"', json.dumps(random.Random(1).randbytes(length).hex()[: length - len(told) + 1]))
        assert len(told) == length
        self.wall.now += 1  # else what is due next would be due at the same second, and cost less
        with self.meter.on(f"POST /webhook, {size}"):
            assert self.doors["webhook"].call(told, f"token={token}").status == 200
        for step in ("settled", "told"):
            (batch,) = self.stream.batches()
            self.wall.now += 1
            with self.meter.on(f"a record to be {step}, {size}"):
                assert self.stream.bring(batch) == []
        self.stored[size] = self.meter.stored("RunsTable", run_id) + self.meter.stored("LaunchesTable", launch_id)
        for what, link in ((f"GET /runs/{{run_id}}, {size}", "run"), ("GET /launches/{launch_id}", "launch")):
            with self.meter.on(what):
                assert self.doors["query"].get(launched["links"][link]).status == 200

    def confirmed(self) -> None:
        """Have a webhook be faster than its launcher, and tell of a failure, which LangGraph has to confirm."""

        def faster(sent: Sent) -> None:
            launch_id, token = sent.body["metadata"]["launch_id"], webhook_token(sent)
            told = delivery(self.langgraph.run_id, launch_id, token, status="error")
            assert self.doors["webhook"].call(told, f"token={token}").status == 202

        self.langgraph.before_run = faster
        with self.meter.on("POST /runs and a POST /webhook that is faster"):
            launched = self.launch()
        self.langgraph.before_run = lambda _: None
        self.langgraph.known[launched["run_id"]]["status"] = "error"
        (batch,) = self.stream.batches()
        self.wall.now += 1
        with self.meter.on("a record to be verified"):
            assert self.stream.bring(batch) == []
        (batch,) = self.stream.batches()
        assert self.stream.bring(batch) == []
        self.a_pass()  # the launch was due

    def listed(self) -> None:
        for by in (f"thread_id={THREAD}", "outcome=pending"):
            with self.meter.on(f"GET /runs?{by.partition('=')[0]}=…"):
                page = self.doors["query"].get(f"/runs?{by}&limit={LIMIT}")
            assert len(page.body["runs"]) == LIMIT

    def reconciled(self) -> None:
        """Have webhooks get lost: reconcile finds the runs, and two minutes later says so."""
        for what, number in (("one", 1), (f"{DUE}", DUE)):
            for one in range(number):
                self.launch(one)
            self.langgraph_is_done()
            self.wall.now += 120
            for step in ("due", "told"):
                with self.meter.on(f"a sweep, {what} {step}"):
                    self.recovery.enqueue()
                (batch,) = self.recovery.batches()
                with self.meter.on(f"work on {what} {step}"):
                    assert self.doors["worker"].handle({"Records": batch}) == {"batchItemFailures": []}
                self.wall.now += 120

    def started_over(self) -> None:
        """Have launches whose launcher died before it asked LangGraph."""
        launcher = self.doors["launch"].parts.launcher
        for _ in range(DUE):
            claimed = claim(new_id(), self.wall.now, langgraph_url=self.langgraph.url)
            assert launcher.launches.apply(claimed) is None
        self.wall.now += 120
        self.recovery.enqueue()
        (batch,) = self.recovery.batches()
        self.langgraph.before_run = lambda _: setattr(self.langgraph, "run_id", new_id())
        with self.meter.on(f"work on {DUE} unfinished launches"):
            assert self.doors["worker"].handle({"Records": batch}) == {"batchItemFailures": []}
        self.langgraph.before_run = lambda _: None

    def answered_and_cancelled(self) -> None:
        launch = self.doors["launch"]
        waits = self.asks()
        with self.meter.on("POST /runs/{run_id}/resume"):
            assert launch.post(f"/runs/{waits}/resume", '{"resume": "yes"}').status == 202
        with self.meter.on("POST /runs/{run_id}/cancel"):
            assert launch.post(f"/runs/{self.langgraph.run_id}/cancel").status == 202

    def by_message(self) -> None:
        mailbox = Mailbox(self.doors["launch"], self.stream.aws, self.wall)
        message = mailbox.send({"assistant_id": "agent", "input": {}, "thread_id": new_id()})
        with self.meter.on("a message of the launch queue"):
            assert mailbox.bring(message) == [True]

    def asks(self) -> str:
        """Launch a run that waits for a person, and is known to; return its id."""
        launched = self.launch()
        run_id, thread_id = str(launched["run_id"]), launched["thread_id"]
        del self.langgraph.known[run_id]
        self.langgraph.add(thread_id, run_id=run_id, next=["work"], tasks=QUESTION)
        seen = Seen("success", "awaiting_input", None, None, json.dumps(QUESTION[0]["interrupts"]), began=True)
        placed = Placed(Payload("{}", 2, "0" * 64), None)
        update = run_states.reconciled(run_id, seen, placed, self.wall.now, is_heard=True)
        assert self.doors["launch"].parts.launcher.runs.apply(update) is None
        return run_id

    def langgraph_is_done(self) -> None:
        for run in self.langgraph.known.values():
            run["status"] = "success"

    def a_pass(self, seconds: int = 120) -> None:
        self.wall.now += seconds
        self.recovery.run()

    @property
    def recovery(self) -> Recovery:
        return Recovery(self.doors["sweep"], self.doors["worker"], self.stream.aws)


@pytest.fixture
def story(
    doors: dict[str, Door],
    aws: Aws,
    langgraph: LangGraphDouble,
    wall: WallClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Story:
    meter = Meter(monkeypatch, capsys, langgraph, aws)
    return Story(doors, Stream(doors["worker"], aws, wall), langgraph, wall, meter)


def test_g10_calls_bytes_and_capacity_are_the_same_with_100_10_000_and_100_000_other_runs(
    story: Story, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    for door in story.doors.values():
        owner = getattr(door.parts, "launcher", getattr(door.parts, "receiver", door.parts))
        for secret in [kept for kept in vars(owner).values() if isinstance(kept, Secret)]:
            secret.value()  # good for minutes: see the test of a cold function below
        servers = getattr(owner, "servers", getattr(owner, "deployments", None))
        if servers:
            servers.configured.api_key.value()
    crowd, packed = Crowd(aws, monkeypatch, THREAD), []
    bills: dict[str, Bill] = {}
    for others in OTHERS:
        crowd.grow(others)
        story.tell()
        assert crowd.is_untouched()
        bills = bills or story.meter.bills
        assert story.meter.bills == bills
        packed.append(story.meter.packed)
        story.meter.bills, story.meter.packed = {}, {}
    for packs in packed[1:]:  # the ids in them are others, and pack otherwise
        assert packs == pytest.approx(packed[0], abs=100)
    assert {what: _stated(bill) for what, bill in bills.items()} == {
        what: _stated(bill) for what, bill in BILLS.items()
    }
    for what, bill in BILLS.items():
        assert bills[what].logged == pytest.approx(bill.logged, rel=0.05), what
    assert story.stored == STORED


def _stated(bill: Bill) -> Bill:
    """Return what `counts.py` states of a bill to the last unit; log lines have line numbers of the source in them."""
    return dataclasses.replace(bill, sent=0, received=0, logged=0)


def test_g10_the_budget_of_calls_is_kept() -> None:
    assert {what: BILLS[what].aws_calls for what in BUDGET} == BUDGET


def test_g10_a_cold_function_reads_its_secrets_once_in_five_minutes(
    doors: dict[str, Door], story: Story, aws: Aws
) -> None:
    clock = stand_still(doors["webhook"], aws)
    doors["webhook"].parts.receiver.ring.forget()
    for what in ("cold", "warm", "old"):
        launched = story.launch()
        told, token = delivery(launched["run_id"], launched["launch_id"]), aws.token(launched["launch_id"])
        clock.now += 301 if what == "old" else 0
        with story.meter.on(what):
            assert doors["webhook"].call(told, f"token={token}").status == 200
    calls = {what: bill.calls for what, bill in story.meter.bills.items()}
    warm = {"UpdateItem": BUDGET["POST /webhook, 2 KB"]}
    cold = {"GetSecretValue": 1, **warm}
    assert calls == {"cold": cold, "warm": warm, "old": cold}


def test_g10_a_sweep_with_20_000_runs_due_reads_no_more_than_it_sends(
    story: Story, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    Crowd(aws, monkeypatch, THREAD).grow(20_000)
    story.wall.now += TOMORROW + 120
    recovery = story.recovery
    recovery.sweep.parts = dataclasses.replace(recovery.sweep.parts, most=500)
    with story.meter.on("a sweep"):
        recovery.enqueue()
    calls = story.meter.bills["a sweep"].calls
    assert calls.pop("Query") <= 2 * SHARDS + 5 + 2  # pages of 100
    assert calls == {"GetQueueAttributes": 1, "UpdateItem": 500, "SendMessageBatch": 50}
