"""`make demo`: launch a run of every kind on a stack of its own, watch them land, check the ledger, stop.

Exits with 1 when anything is not as it must be.
"""

from __future__ import annotations

import gzip
import json
import logging
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.json import JSON
from rich.panel import Panel
from rich.table import Table

from local import interrupts, logs, resources
from local.stack import Stack

_LAND_SECONDS = 60
console = Console(highlight=False)  # what is printed fits into 80 columns


@dataclass(frozen=True)
class Kind:
    """One kind of run: what is launched, and the outcome that must be in the ledger."""

    name: str
    request: dict[str, Any]
    outcome: str
    sends_webhook: bool = True


@dataclass
class Demo:
    """The launches made and the checks done so far."""

    stack: Stack
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)  # by kind: the answer to the launch
    failures: list[str] = field(default_factory=list)

    def launch(self, kind: Kind, **more: Any) -> None:
        """Launch a run and show the answer."""
        body = {"assistant_id": "agent", **kind.request, **more}
        status, answer = self.post(kind, body)
        self.check(f"{kind.name}: launched", status == 202, f"{status} {answer}")  # noqa: PLR2004
        if status == 202:  # noqa: PLR2004
            self.runs[kind.name] = answer
            console.print(
                f"[bold blue]launch[/]    {kind.name:<22} [dim]launch[/] {logs.short(answer['launch_id'])}"
                f"  [dim]run[/] {logs.short(answer['run_id'])}"
            )

    def post(self, kind: Kind, body: dict[str, Any]) -> tuple[int, Any]:
        """POST /runs with a key of the kind's own."""
        return _post(f"{self.stack.apis['Api'].url}/runs", body, {"idempotency-key": kind.name})

    def send(self, kind: Kind) -> None:
        """Launch a run by a message of the launch queue; note the run once the ledger has it."""
        queue = self.stack.template.names["LaunchQueue"]
        body = {"assistant_id": "agent", "idempotency_key": kind.name, **kind.request}
        self.stack.client("sqs").send_message(QueueUrl=queue, MessageBody=json.dumps(body))
        metadata, ends = json.dumps(kind.request["metadata"]), time.monotonic() + _LAND_SECONDS
        while kind.name not in self.runs and time.monotonic() < ends:
            for run in self.items().values():
                if run.get("metadata") == metadata:
                    self.runs[kind.name] = run
            time.sleep(0.1)
        self.check(f"{kind.name}: launched", kind.name in self.runs)
        console.print(f"[bold blue]message[/]   {kind.name:<37} [dim]run[/] {logs.short(self._run_id(kind.name))}")

    def _run_id(self, name: str) -> str:
        return str(self.runs.get(name, {}).get("run_id", ""))

    def ask(self, name: str, what: str, body: dict[str, Any]) -> dict[str, Any]:
        """Resume or cancel a run, and show that; return the answer."""
        run_id = self._run_id(name)
        console.print(f"[bold blue]{what:<9}[/] {name:<37} [dim]run[/] {logs.short(run_id)}")
        status, answer = _post(f"{self.stack.apis['Api'].url}/runs/{run_id}/{what}", body)
        self.check(f"{name}: {what}", status == 202, f"{status} {answer}")  # noqa: PLR2004
        return dict(answer or {})

    def check(self, what: str, holds: bool, otherwise: str = "") -> None:  # noqa: FBT001 - a check's own verdict
        """Note what does not hold."""
        if not holds:
            self.failures.append(f"{what}: {otherwise}" if otherwise else what)

    def items(self) -> dict[str, dict[str, Any]]:
        """Return the Runs table by run_id."""
        return {item["run_id"]: item for item in resources.scan(self.stack.table("RunsTable"))}


KINDS = (
    Kind("answer", {"input": {"task": "answer"}}, "succeeded"),
    Kind("answer, streamed", {"input": {"task": "answer"}, "stream": True}, "succeeded"),
    Kind("asks a person", {"input": {"task": "ask"}}, "awaiting_input"),
    Kind("asks, is answered", {"input": {"task": "ask"}}, "answered"),
    Kind("fails", {"input": {"task": "fail"}}, "failed"),
    Kind("returns 2 MB", {"input": {"task": "large", "bytes": 2_000_000}}, "succeeded"),
    Kind("cancelled", {"input": {"task": "slow", "seconds": 60}}, "cancelled"),
    Kind("never began", {"input": {"task": "answer"}, "after_seconds": 3600}, "cancelled", sends_webhook=False),
    Kind("superseded", {"input": {"task": "slow", "seconds": 60}}, "rolled_back"),
)
SUCCESSOR = Kind("its successor", {"input": {"task": "answer"}, "multitask_strategy": "rollback"}, "succeeded")
MESSAGE = Kind("by a message", {"input": {"task": "answer"}, "metadata": {"from": "a queue"}}, "succeeded")
ANSWER = Kind("its answer", {"resume": "yes"}, "succeeded")
_ALL = (*KINDS, MESSAGE, SUCCESSOR, ANSWER)


def main() -> int:
    """Run the demo; return the exit status."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    interrupts.raise_once()
    console.print("Starting a LangGraph server, an AWS of moto, the functions of template.yaml …", style="dim")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="runledger-demo-") as folder,
            Stack(folder=Path(folder), log=_show) as stack,
        ):
            demo = Demo(stack)
            _run(demo)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    for failure in demo.failures:
        console.print(f"[bold red]✗[/] {failure}")
    if demo.failures:
        return 1
    console.print(
        f"[bold green]✓[/] {len(demo.runs) - 1} launches and an answer, {len(demo.runs)} runs in the ledger, "
        "each as it must be."
    )
    return 0


def _run(demo: Demo) -> None:
    console.rule("launches, deliveries as they are recorded, and events as they are published")
    for kind in KINDS:
        demo.launch(kind)
    demo.send(MESSAGE)
    superseded = demo.runs.get("superseded", {})
    _wait_until_running(demo, ("cancelled", "superseded"))
    demo.launch(SUCCESSOR, thread_id=superseded.get("thread_id"))
    for name in ("cancelled", "never began"):
        demo.ask(name, "cancel", {})
    _wait_until_told(demo, tuple(kind for kind in (*KINDS, MESSAGE, SUCCESSOR) if kind.sends_webhook))
    demo.runs[ANSWER.name] = demo.ask("asks, is answered", "resume", ANSWER.request)
    _wait_until_told(demo, (ANSWER,))
    _check_doors(demo, demo.items())
    _repeat(demo)
    console.rule("later: reconcile asks LangGraph about what is open")
    demo.stack.recover()
    _wait_until_told(demo, _ALL)
    items = demo.items()
    _show_ledger(demo, items)
    _show_result(demo, items)


def _wait_until_running(demo: Demo, names: tuple[str, ...]) -> None:
    """Wait for runs to have begun: a run that is cancelled before sends no webhook."""
    for name in names:
        run = demo.runs.get(name)
        url = run and f"{demo.stack.langgraph_url}/threads/{run['thread_id']}/runs/{run['run_id']}"
        ends = time.monotonic() + _LAND_SECONDS
        while url and time.monotonic() < ends and json.loads(_get(url))["status"] == "pending":
            time.sleep(0.2)


def _wait_until_told(demo: Demo, kinds: tuple[Kind, ...]) -> None:
    """Wait until the bus has heard what the runs of these kinds came to."""
    wanted = {demo.runs[kind.name]["run_id"] for kind in kinds if kind.name in demo.runs}
    ends = time.monotonic() + _LAND_SECONDS
    while time.monotonic() < ends:
        items = demo.items()
        untold = {run_id for run_id in wanted if not _is_told(items.get(run_id, {}))}
        if not untold:
            return
        time.sleep(0.2)
    demo.check("each outcome is an event on the bus", holds=False, otherwise=str(sorted(untold)))


def _is_told(item: dict[str, Any]) -> bool:
    return item.get("outcome", "pending") not in ("pending", "settling") and "unpublished" not in item


def _check_doors(demo: Demo, items: dict[str, dict[str, Any]]) -> None:
    """Try a forged delivery: it must be refused and change nothing."""
    console.print("[bold blue]forge[/]     a delivery with a token of our own making, to be refused")
    run = demo.runs.get("answer", {})
    launch_id = run.get("launch_id", "")
    forged = f"k0.{launch_id}.9999999999.{'A' * 43}"
    body = {"run_id": run.get("run_id"), "status": "error", "metadata": {"launch_id": launch_id}}
    status, _ = _post(f"{demo.stack.webhook_url}?token={forged}", body)
    demo.check("a forged delivery is refused", status == 401, str(status))  # noqa: PLR2004
    demo.check("a forged delivery changes nothing", demo.items() == items)


def _repeat(demo: Demo) -> None:
    """Send the first request again, as a caller does who heard no answer: it must be the same run."""
    kind = KINDS[0]
    console.print(f"[bold blue]repeat[/]    {kind.name}: the same key and body again, to be the same run")
    status, answer = demo.post(kind, {"assistant_id": "agent", **kind.request})
    is_same = answer == {**demo.runs.get(kind.name, {}), "outcome": "succeeded"}  # the answer says what became of it
    demo.check("the same key is the same run", is_same, f"{status} {answer}")


def _show_ledger(demo: Demo, items: dict[str, dict[str, Any]]) -> None:
    table = Table(title="the ledger", box=box.SIMPLE_HEAD, title_style="bold", padding=0)
    for column in ("run", "what", "status", "outcome", "recorded by", "result"):
        table.add_column(column, no_wrap=True)
    for kind in _ALL:
        run_id = demo.runs.get(kind.name, {}).get("run_id", "")
        item = items.get(run_id, {})
        outcome = item.get("outcome", "missing")
        demo.check(f"{kind.name}: outcome", outcome == kind.outcome, f"{outcome}, not {kind.outcome}")
        text = _payload(demo, item)
        demo.check(f"{kind.name}: payload", bool(text) and json.loads(text)["run_id"] == run_id, "not as it was sent")
        demo.check(f"{kind.name}: no token", "token=" in text and "token=k" not in text, "the payload holds a token")
        table.add_row(
            logs.short(run_id),
            kind.name,
            str(item.get("status", "")),
            f"[green]{outcome}[/]" if outcome == kind.outcome else f"[red]{outcome}[/]",
            f"{item.get('source', '')} {_seconds(item)}",
            _size(item),
        )
    console.print(table)
    console.print("[dim]webhook +0.1 s: recorded so long after the run had ended; reconcile asked LangGraph itself.[/]")
    question = items.get(demo.runs.get("asks a person", {}).get("run_id", ""), {}).get("questions", "")
    demo.check("the question is in the ledger", "Shall I go on?" in question, question)
    asked = json.dumps([one["value"] for one in json.loads(question or "[]")])
    console.print(f"[dim]awaiting_input: the graph asked a person {asked}; LangGraph calls that success too.[/]")
    error = items.get(demo.runs.get("fails", {}).get("run_id", ""), {}).get("error", {})
    console.print(f"[dim]failed: {error.get('type')}: {error.get('message')}[/]\n")


def _show_result(demo: Demo, items: dict[str, dict[str, Any]]) -> None:
    """Read the first run as its caller does; its payload must be the table's, character by character."""
    answer = demo.runs.get("answer")
    if answer is None:
        return
    text = _get(f"{demo.stack.apis['Api'].url}{answer['links']['run']}")
    payload = _payload(demo, items.get(answer["run_id"], {}))
    demo.check("the result can be read over HTTP", bool(payload) and f'"payload": {payload}' in text, text)
    demo.check("the result's digits are LangGraph's own", "0.30000000000000004" in text, text)
    values = json.dumps(json.loads(text).get("payload", {}).get("values"))
    console.print(
        Panel(JSON(values), title=f"values in the payload of GET /runs/{logs.short(answer['run_id'])}", expand=False)
    )


def _payload(demo: Demo, item: dict[str, Any]) -> str:
    if "payload_key" in item:
        bucket = demo.stack.template.names["PayloadBucket"]
        stored = demo.stack.client("s3").get_object(Bucket=bucket, Key=item["payload_key"])["Body"].read()
        return gzip.decompress(stored).decode()
    return str(item.get("payload", ""))


def _seconds(item: dict[str, Any]) -> str:
    """Return how long after its end the run was in the ledger."""
    if not {"ended_at", "delivered_at"} <= item.keys():
        return ""
    ended, delivered = (_epoch(str(item[name])) for name in ("ended_at", "delivered_at"))
    return f"+{delivered - ended:.1f} s"


def _size(item: dict[str, Any]) -> str:
    """Return how long the result is; what is too long for an item is in the bucket."""
    size = int(item.get("payload_bytes", 0))
    return f"{size / 1e6:.1f} MB, S3" if "payload_key" in item else f"{size:,} B"


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _show(function: str, line: str) -> None:
    """Print deliveries as they land, and whatever went wrong."""
    members = logs.parse(line)
    if members is None:
        return
    launch, run = (logs.short(members.get(name, "")) for name in ("launch_id", "run_id"))
    ids = f"[dim]launch[/] {launch}  [dim]run[/] {run}"
    if members["message"] in ("settled", "reconciled"):
        console.print(f"[bold green]asked[/]     {members['outcome']:<22} {ids}")
    elif members["message"] == "published":
        console.print(f"[bold magenta]published[/] {members['event']:<22} {ids}")
    elif members["message"] == "delivered":
        console.print(f"[bold green]recorded[/]  {members['outcome']:<22} {ids}  [dim]{members['bytes']:,} bytes[/]")
    elif members["level"] != "INFO":
        logs.show(console, function, line)


def _post(url: str, body: dict[str, Any], headers: dict[str, str] | None = None) -> tuple[int, Any]:
    content = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


if __name__ == "__main__":
    sys.exit(main())
