"""How fast workers work off a backlog, measured here: several side by side, against a LangGraph that takes 60 ms.

Each worker is a process of its own with the worker's own code, its share of the items, and tables in memory that take
as long as DynamoDB is assumed to take (`durations.py`). So the worker itself is measured: its calls one after the other
and its processor time, on as many processors as there are. `make recovery`, some five minutes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runledger.domain import launch_states, run_states
from runledger.domain.ledger import Placed, Update
from runledger.domain.tickets import LAUNCH, RUN, Ticket
from runledger.domain.tokens import KeyRing
from runledger.use_cases.call_back import Callbacks
from runledger.use_cases.launcher import Launcher
from runledger.use_cases.outages import Outages
from runledger.use_cases.perform_step import perform
from runledger.use_cases.prove_server import Prover
from runledger.use_cases.publish import Publisher
from runledger.use_cases.record_delivery import Recorder
from runledger.use_cases.work import Work
from runledger_langgraph.deployments import Deployments
from tests.bench.durations import LANGGRAPH_MS, WAITED_MS
from tests.unit.changes import changed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue

RUNS, LAUNCHES, WORKERS, BATCH = 20_000, 5_000, 8, 10
_ENDED = {"created_at": "2026-11-22T05:59:32.500000+00:00", "updated_at": "2026-11-22T05:59:33.500000+00:00"}


@dataclass
class Table:
    """A table in memory, as slow as DynamoDB."""

    key: str
    items: dict[str, dict[str, Any]] = field(default_factory=dict)

    def apply(self, update: Update) -> dict[str, Any] | None:
        time.sleep(WAITED_MS["UpdateItem"] / 1000)
        return self.write(update)

    def write(self, update: Update) -> dict[str, Any] | None:
        was = self.items.get(update.key[self.key], {})
        after = changed(was, update)
        if after is not None:
            self.items[update.key[self.key]] = after
        return was if after is None else None

    def item(self, item_id: str) -> dict[str, Any] | None:
        time.sleep(WAITED_MS["GetItem"] / 1000)
        return self.items.get(item_id)

    def of_launch(self, launch_id: str) -> Iterator[dict[str, Any]]:
        time.sleep(WAITED_MS["Query"] / 1000)
        return iter([run for run in self.recent() if run.get("launch_id") == launch_id])

    def recent(self) -> list[dict[str, Any]]:
        return list(self.items.values())[-BATCH:]

    def newest_of_outcome(self, *_: object) -> list[dict[str, Any]]:
        return []


class Elsewhere:
    """What no step here needs: a bucket that stores nothing, a bus, tasks, secrets."""

    name = "bucket"
    ring = KeyRing("k0", {"k0": b"k" * 32}, {})

    def place(self, _launch_id: str, _run_id: str, payload: Any, _inline_bytes: int) -> Placed:
        return Placed(payload, None)

    def put_questions(self, *_: object) -> None:
        return None

    def send(self, _events: object) -> None:
        time.sleep(WAITED_MS["PutEvents"] / 1000)

    def value(self) -> Any:
        return self.ring

    def forget(self) -> None:
        return None


class Keys(Elsewhere):
    """The API keys: one that the server does not look at."""

    def value(self) -> Any:
        from runledger.adapters.secrets_manager import api_keys  # noqa: PLC0415 - boto3 takes a while to load

        return api_keys("a-key")


def work(url: str, kind: str, ready: Any, done: Queue[Counter[str]]) -> None:
    """Be one worker: work off a share of the backlog."""
    os.environ["POWERTOOLS_LOG_LEVEL"] = "CRITICAL"
    runs, launches, elsewhere = Table("run_id"), Table("launch_id"), Elsewhere()
    ledger: Any = runs
    servers = Deployments(url, (), Keys(), "bench", may_be_insecure=True)
    callbacks: Any = Callbacks(elsewhere, runs, launches, elsewhere)  # type: ignore[arg-type]
    launcher = Launcher(
        "bench",
        servers.configured,
        servers,
        Recorder(runs, elsewhere),  # type: ignore[arg-type]
        ledger,
        launches,
        elsewhere,  # type: ignore[arg-type]
        callbacks,
        elsewhere,
        "https://webhook.example/webhook",
        604_800,
    )
    publisher: Any = Publisher(ledger, elsewhere, callbacks)
    its = Work(launcher, publisher, Prover(ledger, launches, servers), Outages(), 900, 3072)
    tickets = list(_backlog(kind, url, runs, launches))
    ready.wait()
    for start in range(0, len(tickets), BATCH):
        perform(its, tickets[start : start + BATCH])
    ended = Counter(str(run["outcome"]) for run in runs.items.values()) + Counter(
        f"launch {launch['state']}" for launch in launches.items.values()
    )
    done.put(ended)


def _backlog(kind: str, url: str, runs: Table, launches: Table) -> Iterator[Ticket]:
    now = time.time() - 300
    for _ in range((RUNS if kind == "runs" else LAUNCHES) // WORKERS):
        item_id, thread_id = str(uuid.uuid4()), str(uuid.uuid4())
        if kind == "runs":
            facts = {"launch_id": str(uuid.uuid4()), "thread_id": thread_id, "assistant_id": "agent"}
            runs.write(run_states.pending(run_id=item_id, after_seconds=0, now=now, langgraph_url=url, **facts))
            yield Ticket(RUN, item_id, int(runs.items[item_id]["due_at"]))
        else:
            claimed = launch_states.claimed(
                launch_id=item_id,
                digest="d",
                request='{"assistant_id": "agent", "input": {}}',
                request_key=None,
                assistant_id="agent",
                thread_id=thread_id,
                own_thread=True,
                stream=False,
                langgraph_url=url,
                holder="somebody",
                now=now,
            )
            launches.write(claimed)
            yield Ticket(LAUNCH, item_id, int(launches.items[item_id]["due_at"]))


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as LangGraph does, after as long as it takes: every run has ended well, and no launch has one yet."""
    while head := (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n"):
        method, path, _ = head[0].split(" ")
        length = next((int(line.split(":")[1]) for line in head if line.lower().startswith("content-length:")), 0)
        body = json.loads(await reader.readexactly(length)) if length else {}
        await asyncio.sleep(LANGGRAPH_MS / 1000)
        status, answer = _answer(method, path.partition("?")[0].strip("/").split("/"), body)
        text = json.dumps(answer).encode() if answer is not None else b""
        headers = f"Content-Type: application/json\r\nContent-Length: {len(text)}"
        writer.write(f"HTTP/1.1 {status} OK\r\n{headers}\r\n\r\n".encode() + text)
        await writer.drain()


def _answer(method: str, parts: list[str], body: dict[str, Any]) -> tuple[int, Any]:
    match method, parts:
        case "POST", ["threads"]:
            return 200, {"thread_id": body["thread_id"]}
        case "DELETE", _:
            return 204, None
        case "POST", ["threads", _, "history"]:
            members = {"next": [], "tasks": [], "metadata": {"run_id": body["metadata"]["run_id"]}}
            return 200, [{"values": {"answer": "x" * 1500}, **members, "created_at": _ENDED["updated_at"]}]
        case "GET", ["threads", _, "runs"]:
            return 200, []
        case "GET", ["threads", thread_id, "runs", run_id]:
            kwargs = {"input": {}, "config": {}, "webhook": "https://webhook.example/webhook?token=a.secret-token"}
            about = {"assistant_id": str(uuid.uuid4()), "metadata": {}, "multitask_strategy": "reject"}
            ids = {"run_id": run_id, "thread_id": thread_id}
            return 200, {**ids, **about, **_ENDED, "status": "success", "kwargs": kwargs}
    return 200, {"run_id": str(uuid.uuid4()), "assistant_id": str(uuid.uuid4()), "status": "pending", **_ENDED}


def _double(port: Any) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_serve, "127.0.0.1", 0)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    asyncio.run(run())


def measure(kind: str) -> tuple[int, float]:
    """Return how many items were worked off, and in how many seconds."""
    context = multiprocessing.get_context("spawn")
    port, ready, done = context.Value("i", 0), context.Event(), context.Queue()
    server = context.Process(target=_double, args=(port,), daemon=True)
    server.start()
    while not port.value:
        time.sleep(0.05)
    url = f"http://127.0.0.1:{port.value}"
    workers = [context.Process(target=work, args=(url, kind, ready, done)) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    time.sleep(8)  # until each has its share
    begun = time.monotonic()
    ready.set()
    ended = sum((done.get() for _ in workers), Counter[str]())
    seconds = time.monotonic() - begun
    server.terminate()
    expected = {"succeeded": RUNS} if kind == "runs" else {"launch started": LAUNCHES, "pending": LAUNCHES}
    assert ended == expected, ended
    return (RUNS if kind == "runs" else LAUNCHES), seconds


if __name__ == "__main__":
    for name, what in (("runs", "lost runs found and recorded"), ("launches", "unfinished launches started over")):
        number, took = measure(name)
        each = 60 * number / took / WORKERS
        sys.stdout.write(
            f"{number:,} {what} by {WORKERS} workers in {took:.0f} s on {os.cpu_count()} processors: "
            f"{60 * number / took:,.0f} a minute, {each:,.0f} for each worker\n"
        )
