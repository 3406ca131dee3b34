"""G10: what each route, each event and a pass of reconcile costs stays the same as the ledger grows."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.client import BaseClient
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType, Item

from runledger.adapters.secrets import Secret
from runledger.adapters.tables import request
from runledger.core import run_states
from runledger.core.deliveries import Payload
from runledger.core.ledger import Placed
from runledger.core.settling import Seen
from tests.integration import capacity
from tests.integration.scene import QUESTION
from tests.integration.support import NOW, Door, Mailbox, Schedule, Stream, delivery, new_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.conftest import Load
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws, WallClock

OTHERS = (10, 10_000)
LIMIT = 5
SUMMARY_BYTES = 1_000  # of a run in an index, at the most
THREAD = new_id()  # of all the other runs
RUN, CHECKPOINT = "LangGraph GET /threads/…/runs/…", "LangGraph POST /threads/…/history"
CALLS = {
    "POST /runs": {"UpdateItem": 3, "LangGraph POST /threads/…/runs": 1},
    "a message of the launch queue": {"UpdateItem": 3, "LangGraph POST /threads/…/runs": 1},
    "POST /webhook": {"UpdateItem": 1},
    "POST /runs/{run_id}/resume": {
        "GetItem": 1,
        "UpdateItem": 3,
        "LangGraph GET /threads/…/runs": 1,
        "LangGraph GET /threads/…/runs/…": 1,
        "LangGraph POST /threads/…/runs": 1,
    },
    "POST /runs/{run_id}/cancel": {"GetItem": 1, "UpdateItem": 1, "LangGraph POST /threads/…/runs/…/cancel": 1},
    "a record to be settled": {"UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
    "a record to be told": {"GetItem": 2, "PutEvents": 1, "UpdateItem": 1},
    "GET /runs/{run_id}": {"GetItem": 1},
    "GET /launches/{launch_id}": {"GetItem": 1, "Query": 1},
    "GET /runs?thread_id=…": {"Query": 1},
    "GET /runs?outcome=…": {"Query": 8},
    "a pass of reconcile, with one run due": {"Query": 16, "UpdateItem": 1, RUN: 1, CHECKPOINT: 1},
    "a pass of reconcile, with one event due": {"Query": 16, "GetItem": 2, "PutEvents": 1, "UpdateItem": 3},
}

COUNTED = ("bytes", "units", "half units")  # what is no call
UNITS = {  # of DynamoDB, written and read; indexes take most of what is written
    "POST /runs": (9, 0.0),
    "a message of the launch queue": (9, 0.0),
    "POST /webhook": (9, 0.0),
    "POST /runs/{run_id}/resume": (15, 1.0),
    "POST /runs/{run_id}/cancel": (3, 1.0),
    "a record to be settled": (7, 0.0),
    "a record to be told": (3, 2.0),
    "GET /runs/{run_id}": (0, 1.0),
    "GET /launches/{launch_id}": (0, 1.5),
    "GET /runs?thread_id=…": (0, 0.5),
    "GET /runs?outcome=…": (0, 4.0),
    "a pass of reconcile, with one run due": (8, 8.0),
    "a pass of reconcile, with one event due": (8, 10.0),
}


class Meter:
    """Counts the calls that are made while it runs, the bytes that they send and read, and the units they consume."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, langgraph: LangGraphDouble, aws: Aws) -> None:
        self._tables = {
            aws.template.names[name]: properties
            for name, properties in aws.template.resources("AWS::DynamoDB::Table").items()
        }
        self.bills: dict[str, dict[str, int]] = {}
        self._langgraph = langgraph
        self._bill: Counter[str] | None = None
        call = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001 - all calls pass here

        def counted(client: Any, operation: str, parameters: Any) -> Any:
            before = self._item(parameters)
            bill = self._bill if client.meta.endpoint_url.endswith(".amazonaws.com") else None  # else another stack's
            if bill is not None:
                bill[operation] += 1
                bill["bytes sent"] += _size(parameters)
            answer = call(client, operation, parameters)
            if bill is not None:
                bill["bytes read"] += _size({name: part for name, part in answer.items() if name != "ResponseMetadata"})
                self._consume(bill, operation, parameters, answer, before)
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", counted)

    def _item(self, parameters: Any) -> dict[str, Any] | None:
        """Return the item that a call names, in DynamoDB's JSON."""
        if "Key" not in parameters or parameters.get("TableName") not in self._tables:
            return None
        ((_, key),) = parameters["Key"].items()
        table = dynamodb_backends["123456789012"]["us-east-1"].tables[parameters["TableName"]]
        item = table.items.get(DynamoType(key))
        return dict(item.to_json()["Attributes"]) if isinstance(item, Item) else None

    def _consume(self, bill: Counter[str], operation: str, parameters: Any, answer: Any, before: Any) -> None:
        match operation:
            case "UpdateItem":
                properties = self._tables[parameters["TableName"]]
                bill["units written"] += capacity.written(before, self._item(parameters), properties)
            case "GetItem":
                bill["half units read"] += int(2 * capacity.read([answer.get("Item", {})], newest=True))
            case "Query":
                bill["half units read"] += int(2 * capacity.read(answer["Items"], newest=False))

    @contextmanager
    def on(self, what: str) -> Iterator[None]:
        self._bill = Counter()
        self._langgraph.requests.clear()
        yield
        asked = Counter(f"LangGraph {sent.step}" for sent in self._langgraph.requests)
        self.bills[what], self._bill = dict(self._bill | asked), None


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))


def fill(aws: Aws, others: int, thread_id: str) -> None:
    """Have so many other runs in the ledger, all on one thread, to be looked at another day."""
    table = dynamodb_backends["123456789012"]["us-east-1"].tables[aws.template.names["RunsTable"]]
    model = run_states.pending(
        run_id="", launch_id="", thread_id=thread_id, assistant_id="agent", after_seconds=86_400, now=NOW
    )
    values = request(model)["ExpressionAttributeValues"]
    attributes = {name: values[f":{name}"] for name in model.set if f":{name}" in values}
    for number in range(others):  # into moto itself: ten thousand calls would take minutes
        run_id = {"S": new_id()}
        own = {"run_id": run_id, "launch_id": {"S": new_id()}}
        own |= {"outcome_shard": {"S": f"pending#{number % 8}"}, "due_shard": {"S": str(number % 8)}}
        table.items[DynamoType(run_id)] = Item(DynamoType(run_id), None, {**attributes, **own})  # type: ignore[assignment]


@pytest.fixture
def doors(load: Load, langgraph: LangGraphDouble) -> dict[str, Door]:
    names = ("launch", "webhook", "query", "notify", "reconcile")
    return {name: load(name, LangGraphUrl=langgraph.url) for name in names}


def story(doors: dict[str, Door], stream: Stream, langgraph: LangGraphDouble, wall: WallClock, meter: Meter) -> None:
    """Launch a run, have it end and be read; then another, whose webhook never comes."""
    launch, query, thread = doors["launch"], doors["query"], new_id()
    body = json.dumps({"assistant_id": "agent", "input": {}, "thread_id": thread})
    with meter.on("POST /runs"):
        launched = launch.call(body, headers={"idempotency-key": new_id()}).body
    langgraph.known[launched["run_id"]]["status"] = "success"
    stream.batches()
    told = delivery(launched["run_id"], launched["launch_id"], thread_id=thread)
    token = stream.aws.token(launched["launch_id"])
    with meter.on("POST /webhook"):
        assert doors["webhook"].call(told, f"token={token}").status == 200
    for step in ("a record to be settled", "a record to be told"):
        (batch,) = stream.batches()
        with meter.on(step):
            assert stream.bring(batch) == []
    reads = {
        "GET /runs/{run_id}": launched["links"]["run"],
        "GET /launches/{launch_id}": launched["links"]["launch"],
        "GET /runs?thread_id=…": f"/runs?thread_id={THREAD}&limit={LIMIT}",
        "GET /runs?outcome=…": f"/runs?outcome=pending&limit={LIMIT}",
    }
    for what, link in reads.items():
        with meter.on(what):
            assert query.get(link).status == 200
    launch.call(body, headers={"idempotency-key": new_id()})
    langgraph.known[langgraph.run_id]["status"] = "success"
    wall.now += 120
    with meter.on("a pass of reconcile, with one run due"):
        Schedule(doors["reconcile"]).run()
    wall.now += 120
    with meter.on("a pass of reconcile, with one event due"):
        Schedule(doors["reconcile"]).run()
    asks(launch, langgraph, wall)
    waits = langgraph.run_id
    with meter.on("POST /runs/{run_id}/resume"):
        assert launch.post(f"/runs/{waits}/resume", '{"resume": "yes"}').status == 202
    with meter.on("POST /runs/{run_id}/cancel"):
        assert launch.post(f"/runs/{langgraph.run_id}/cancel").status == 202
    langgraph.known[langgraph.run_id]["status"] = "success"
    mailbox = Mailbox(launch, stream.aws, wall)
    message = mailbox.send(body)
    with meter.on("a message of the launch queue"):
        assert mailbox.bring(message) == [True]
    langgraph.known[langgraph.run_id]["status"] = "success"
    for _ in range(3):  # until nothing is due
        wall.now += 120
        Schedule(doors["reconcile"]).run()
    stream.batches()


def asks(launch: Door, langgraph: LangGraphDouble, wall: WallClock) -> None:
    """Launch a run that waits for a person, and is known to."""
    thread_id = new_id()
    launched = launch.call(json.dumps({"assistant_id": "agent", "input": {}, "thread_id": thread_id})).body
    del langgraph.known[launched["run_id"]]
    langgraph.add(thread_id, run_id=launched["run_id"], next=["work"], tasks=QUESTION)
    seen = Seen("success", "awaiting_input", None, None, json.dumps(QUESTION[0]["interrupts"]), began=True)
    placed = Placed(Payload("{}", 2, "0" * 64), None)
    update = run_states.reconciled(launched["run_id"], seen, placed, wall.now, is_heard=True)
    assert launch.app.launcher.runs.apply(update) is None


def test_g10_calls_bytes_and_capacity_are_the_same_with_10_and_with_10_000_other_runs(
    doors: dict[str, Door], aws: Aws, langgraph: LangGraphDouble, wall: WallClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, meter = Stream(doors["notify"], aws, wall), Meter(monkeypatch, langgraph, aws)
    for door in doors.values():
        owner = getattr(door.app, "launcher", door.app)
        for secret in [kept for kept in vars(owner).values() if isinstance(kept, Secret)]:
            secret.value()  # good for minutes, so no part of what one call costs
    bills, had = [], 0
    for others in OTHERS:
        fill(aws, others - had, THREAD)
        had = others
        story(doors, stream, langgraph, wall, meter)
        bills.append(meter.bills)
        meter.bills = {}
    few, many = bills
    page = "GET /runs?outcome=…"  # full in each of its shards once there are many
    assert many[page].pop("bytes read") < 8 * (LIMIT + 1) * SUMMARY_BYTES
    assert few[page].pop("bytes read") > 0
    assert few == many
    calls = {what: {name: n for name, n in bill.items() if not name.startswith(COUNTED)} for what, bill in many.items()}
    assert calls == CALLS
    units = {what: (bill.get("units written", 0), bill.get("half units read", 0) / 2) for what, bill in many.items()}
    assert units == UNITS
