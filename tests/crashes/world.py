"""The functions in this process, on moto, with a real LangGraph server, a clock that is told, and nothing in between.

Deliveries wait in a mailbox until they are let through, three times at most, as LangGraph sends them.
"""

from __future__ import annotations

import copy
import importlib
import itertools
import json
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
from boto3.dynamodb.types import TypeDeserializer
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from local import queue, resources
from local.http_api import HttpApi
from local.stream import batches
from local.template import Route, Template
from local.worker import Context
from tests.crashes.faults import KilledError
from tests.integration.support import http_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.crashes.faults import Faults

FUNCTIONS = ("launch", "webhook", "sweep", "worker")
_OURS = (*FUNCTIONS, "runledger")  # what the names of our modules begin with
_plain = TypeDeserializer().deserialize
_STREAM = {"eventSource": "aws:dynamodb"}

type Item = dict[str, Any]
type Ledger = dict[str, dict[str, Any]]  # moto's items by table and key


@dataclass
class Reply:
    """An answer of a function behind a gateway: 500 with nothing in it where the function died."""

    status: int
    body: Any
    headers: dict[str, str]


class World:
    """Everything outside the functions, and the functions."""

    def __init__(self, template: Template, langgraph_url: str, faults: Faults, patch: Callable[..., None]) -> None:
        """`patch` sets an attribute until the end."""
        self.faults = faults
        self.ahead = 0.0  # seconds of our clock before everybody else's
        self.metrics: defaultdict[str, int] = defaultdict(int)
        self.template = template
        self.ledger_id = template.ledger_id
        self._mailbox: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._arrived = threading.Condition()
        self.langgraph = httpx.Client(base_url=langgraph_url, timeout=30)
        moto = dynamodb_backends["123456789012"]["us-east-1"].tables
        self._tables = {name: moto[template.names[name]] for name in ("RunsTable", "LaunchesTable")}
        self._apps: dict[str, Any] = {name: importlib.import_module(f"{name}.app") for name in FUNCTIONS}
        self._parts: dict[str, Any] = {name: app.parts() for name, app in self._apps.items()}
        sweep = self._apps["sweep"].parts
        sweep._built = self._parts["sweep"] = replace(sweep(), in_parallel=map)  # noqa: SLF001 - calls in an order
        self._work: list[str] = []  # messages of a worker that was killed, which come again
        clock = SimpleNamespace(time=lambda: time.time() + self.ahead, monotonic=time.monotonic)
        for name, module in sys.modules.items():
            if name.startswith(_OURS) and vars(module).get("time") is time:
                patch(module, "time", clock)
        for name in ("runledger.domain.ledger", "runledger.use_cases.sweep"):
            patch(importlib.import_module(name), "SHARDS", 2)  # each is one more call of the same kind, in each pass
        telemetry = importlib.import_module("runledger.telemetry")
        patch(telemetry, "count", self._count)

    def _count(self, name: str) -> None:
        self.metrics[name] += 1

    @contextmanager
    def other_stack(self) -> Iterator[None]:
        """Be another stack on the same LangGraph server: its own identity, its own tables."""
        launch, kept, ours = self._parts["launch"], self.take(), self.ledger_id
        self.ledger_id = "another-ledger"
        theirs = replace(launch, launcher=replace(launch.launcher, ledger_id=self.ledger_id))
        self._apps["launch"].parts._built = theirs  # noqa: SLF001 - what the function is made of
        try:
            yield
        finally:
            self.ledger_id, self._apps["launch"].parts._built = ours, launch  # noqa: SLF001 - as above
            self.take()
            self.put(kept)

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        """Run a function once; raise KilledError where it is killed."""
        function = next(f for f in self.template.functions() if f.handler == f"{name}.app.handler")
        return self._apps[name].handler(event, Context(function.timeout, function_name=function.name))

    def request(
        self,
        name: str,
        path: str,
        body: str,
        query: str = "",
        headers: dict[str, str] | None = None,
        parameters: dict[str, str] | None = None,
    ) -> Reply:
        """POST to a function behind its gateway; `parameters` are those in the braces of the path."""
        event = http_event("POST", path, body, query, headers or {}, is_base64=False)
        if parameters:
            event |= {"rawPath": path.format(**parameters), "pathParameters": parameters}
        try:
            answer = self.invoke(name, event)
        except KilledError:
            return Reply(500, {}, {})
        return Reply(answer["statusCode"], json.loads(answer["body"]), answer["headers"])

    def send(self, body: object) -> dict[str, Any]:
        """Put a message into the launch queue and receive it, as Lambda would hand it over."""
        sqs, url = resources.session().client("sqs"), self.template.names["LaunchQueue"]
        sent = sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))["MessageId"]
        while True:  # those of other cases come again, after a minute
            messages: list[Any] = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
            if messages[0]["MessageId"] == sent:
                return queue.record(messages[0], resources.queue_arn(sqs, url))

    def bring(self, record: dict[str, Any]) -> bool:
        """Bring a message to the launch function; return whether it is done with, else it comes again."""
        told = record["attributes"]
        try:
            answer = self.invoke("launch", {"Records": [copy.deepcopy(record)]})
        except KilledError:
            return False
        finally:
            told["ApproximateReceiveCount"] = str(int(told["ApproximateReceiveCount"]) + 1)
        return not answer["batchItemFailures"]

    def letters(self, key: str) -> list[str]:
        """Return the dead letters of a message."""
        kept = sqs_backends["123456789012"]["us-east-1"].queues["runledger-LaunchDeadLetterQueue"]._messages  # noqa: SLF001
        return [letter.body for letter in kept if key in letter.body]

    def reconcile(self) -> None:
        """Let the sweep run once, and workers on what it finds; what a killed worker had comes again the next time."""
        with suppress(KilledError):
            self.invoke("sweep", {})
        kept = sqs_backends["123456789012"]["us-east-1"].queues["runledger-WorkQueue"]._messages  # noqa: SLF001
        bodies, self._work = [*self._work, *(message.body for message in kept)], []
        kept.clear()
        for some in itertools.batched(bodies, 10, strict=False):
            try:
                assert not self.invoke("worker", {"Records": [_message(body) for body in some]})["batchItemFailures"]
            except KilledError:
                self._work.extend(some)

    def notify(self) -> None:
        """Bring every run of the ledger to the worker as if it had just been written."""
        (source,) = [function.source for function in self.template.functions() if function.source]
        kept: dict[str, Any] = self._tables["RunsTable"].items
        runs = [item.to_json()["Attributes"] for item in kept.values()]
        written_at = datetime.fromtimestamp(time.time() + self.ahead, UTC)
        records = [
            {
                **_STREAM,
                "dynamodb": {"NewImage": run, "ApproximateCreationDateTime": written_at, "SequenceNumber": str(number)},
            }
            for number, run in enumerate(runs)
        ]
        for batch in batches(source, records):
            with suppress(KilledError):
                self.invoke("worker", {"Records": batch})

    @property
    def next_due(self) -> float | None:
        """When something is due next, in seconds from now."""
        due = [int(item["due_at"]) for table in self._tables for item in self.items(table) if "due_at" in item]
        return min(due) - time.time() - self.ahead if due else None

    def go_cold(self) -> None:
        """Let the functions read their secrets anew, as new processes do."""
        for launcher in (self._parts["launch"].launcher, self._parts["worker"].launcher):
            launcher.ring.forget()
            launcher.server.api_key.forget()
        self._parts["webhook"].receiver.ring.forget()

    def close(self) -> None:
        """Close the connections to LangGraph, and the functions' loops, which in Lambda end with the process."""
        self.langgraph.close()
        self.faults.close()
        for name in ("launch", "worker"):
            langgraph = self._parts[name].launcher.server.langgraph
            langgraph._runner.run(langgraph._sdk.aclose())  # noqa: SLF001 - nobody else has to close it
            langgraph._runner.close()  # noqa: SLF001

    # ---- the ledger ----------------------------------------------------------------------------------------------
    def items(self, table: str) -> list[Item]:
        """Return all items of a table."""
        kept: dict[str, Any] = self._tables[table].items
        found = [item.to_json()["Attributes"] for item in kept.values()]
        return [{name: _plain(value) for name, value in item.items()} for item in found]

    def take(self) -> Ledger:
        """Empty the tables, and return what was in them; forget what was under way."""
        self._work.clear()
        sqs_backends["123456789012"]["us-east-1"].queues["runledger-WorkQueue"]._messages.clear()  # noqa: SLF001
        self._parts["worker"].outages._failures.clear()  # noqa: SLF001 - as new processes
        taken = {name: dict(table.items) for name, table in self._tables.items()}
        for table in self._tables.values():
            table.items.clear()
        return taken

    def put(self, ledger: Ledger) -> None:
        """Put a copy back of what was taken."""
        for name, items in ledger.items():
            self._tables[name].items.update(copy.deepcopy(items))

    # ---- LangGraph -----------------------------------------------------------------------------------------------
    def receive(self, event: dict[str, Any]) -> dict[str, Any]:
        """Take a delivery of LangGraph's into the mailbox."""
        delivery = json.loads(event["body"])
        with self._arrived:
            self._mailbox[delivery["run_id"]].append(event)
            self._arrived.notify_all()
        return {"statusCode": 200, "headers": {}, "body": "{}"}

    def delivery(self, run_id: str) -> dict[str, Any]:
        """Wait for LangGraph's delivery about a run."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self._mailbox[run_id], timeout=60), f"no delivery about {run_id}"
            return self._mailbox[run_id][0]

    def deliver(self, event: dict[str, Any]) -> Reply:
        """Let a delivery through, as often as LangGraph sends it."""
        for _ in range(3):
            reply = self.request("webhook", event["rawPath"], event["body"], event["rawQueryString"])
            if reply.status < 500:
                break
            self.ahead += 2
        return reply

    def threads(self, launch_id: str) -> list[str]:
        """Return the threads that LangGraph has for the attempts of a launch."""
        answer = self.langgraph.post("/threads/search", json={"metadata": {"thread_of_launch": launch_id}})
        return [thread["thread_id"] for thread in answer.json()]

    def runs(self, thread_id: str, launch_id: str) -> list[dict[str, Any]]:
        """Return LangGraph's own list of the runs of a launch on a thread."""
        answer = self.langgraph.get(f"/threads/{thread_id}/runs", params={"limit": 100})
        found = answer.json() if answer.status_code == 200 else []
        return [run for run in found if run["metadata"].get("launch_id") == launch_id]

    def wait_for_runs(self) -> None:
        """Wait until LangGraph has done the runs that the ledger has as pending: our clock may be hours ahead of it."""
        for run in self.items("RunsTable"):
            if run["outcome"] == "pending":
                self.langgraph.get(f"/threads/{run['thread_id']}/runs/{run['run_id']}/join")

    def new_thread(self) -> str:
        """Make a thread as a caller does."""
        return str(self.langgraph.post("/threads", json={}).json()["thread_id"])


def _message(body: str) -> Item:
    times = {"ApproximateReceiveCount": "1", "SentTimestamp": "0", "ApproximateFirstReceiveTimestamp": "0"}
    return {"eventSource": "aws:sqs", "messageId": body, "receiptHandle": body, "body": body, "attributes": times}


class Door:
    """Where LangGraph delivers: answers for the gateway, and keeps what comes in the world's mailbox."""

    world: World | None = None

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Do what a pool of functions does."""
        assert self.world
        return self.world.receive(event)


def open_door(port: int) -> tuple[HttpApi, Door]:
    """Open the webhook's address."""
    door = Door()
    return HttpApi("WebhookApi", "127.0.0.1", port, {Route("WebhookApi", "POST", "/webhook"): door}), door  # type: ignore[dict-item]
