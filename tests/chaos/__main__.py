"""`make chaos`: a minute of load on a stack of its own whose functions are killed at random, then the judgement.

CHAOS_SECONDS and CHAOS_LAUNCHES bound it; CHAOS_SEED=N repeats the same choices. Exits with 1 for any violation.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from local import interrupts
from local.functions import InvocationError
from local.resources import scan
from local.stack import SCHEDULED, Stack
from local.triggers import in_background
from tests.chaos.callers import Callers, planned
from tests.chaos.evidence import gather, record_deliveries
from tests.chaos.judge import Evidence, summary, violations
from tests.chaos.killer import Killer, restart_langgraph
from tests.integration.listener import listen

_SWEEP_SECONDS = 5.0  # in place of a minute, so that it is at work when it is killed
_REDELIVERY_SECONDS = 35  # in place of 180: after how long a message comes again; longer than the function may take
_CHECK_SECONDS = 130  # more than a lease of a launch, or the first check of a run
_ROUNDS = 5  # of callers that insist: what notify could not settle is looked at when it is due
_REST_SECONDS = 240
_MOST_SHOWN = 20


def main() -> int:
    """Run it; return the exit status."""
    seconds, number = int(os.environ.get("CHAOS_SECONDS") or 60), int(os.environ.get("CHAOS_LAUNCHES") or 300)
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    interrupts.raise_once()
    print(f"{number} launches in {seconds} s, seed {seed}; functions are killed, LangGraph is restarted once")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="runledger-chaos-") as folder,
            Stack(folder=Path(folder), parameters={"MaxCheckSeconds": "120"}) as stack,
        ):
            return _report(*_chaos(stack, seconds, number, random.Random(seed)))
    except KeyboardInterrupt:
        print("stopped")
        return 130


def _chaos(stack: Stack, seconds: int, number: int, chance: random.Random) -> tuple[Evidence, list[str]]:
    """Return the evidence, and what else went wrong."""
    received, listener = record_deliveries(stack), listen(stack.client, stack.template.names["EventBus"], "chaos")
    queue = stack.template.names["LaunchQueue"]
    stack.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": str(_REDELIVERY_SECONDS)})
    callers = Callers(stack, [planned(n, chance) for n in range(number)])
    killer, kept = Killer(stack, chance), [False]
    restart = threading.Timer(seconds / 2, lambda: kept.__setitem__(0, restart_langgraph(stack)))
    restart.start()
    stop_killing, end_reconcile = (
        in_background(run) for run in (killer.run, lambda stopped: _reconcile_often(stack, stopped))
    )
    callers.launch_all(seconds)
    stop_killing()
    restart.join()
    killed = ", ".join(f"{count} {name}" for name, count in sorted(killer.killed.items()))
    print(f"killed: {sum(killer.killed.values())} ({killed}); {callers.requests} requests")
    problems = [] if kept[0] else ["LangGraph was stopped before it wrote its state: nothing can be judged"]
    for _ in range(_ROUNDS):
        stack.let_pass(_CHECK_SECONDS)  # nobody is at work on what was begun
        if callers.insist():
            break
    end_reconcile()
    problems += _come_to_rest(stack)
    return gather(stack, callers.launches, received, listener), problems


def _reconcile_often(stack: Stack, stopped: threading.Event) -> None:
    while not stopped.wait(_SWEEP_SECONDS):
        with suppress(InvocationError):  # it was killed
            stack.pools["SweepFunction"].invoke(SCHEDULED)


def _come_to_rest(stack: Stack) -> list[str]:
    """Let time pass until every run has ended and is published, no launch is unfinished and no message waits."""
    ends = time.monotonic() + _REST_SECONDS
    while (left := _unfinished(stack)) and time.monotonic() < ends:
        time.sleep(2)
        stack.let_pass(_CHECK_SECONDS)
        with suppress(InvocationError):
            stack.pools["SweepFunction"].invoke(SCHEDULED)
    return [f"not at rest after {_REST_SECONDS} s: {', '.join(left)}"] if left else []


def _unfinished(stack: Stack) -> list[str]:
    runs, launches = (list(scan(stack.table(name))) for name in ("RunsTable", "LaunchesTable"))
    left = {
        "runs that have not ended": [run for run in runs if run["outcome"] in ("pending", "settling")],
        "runs that are not published": [run for run in runs if run.get("unpublished")],
        "launches that have not started": [launch for launch in launches if launch["state"] == "starting"],
        "messages": range(_messages(stack)),
    }
    return [f"{len(some)} {what}" for what, some in left.items() if some]


def _messages(stack: Stack) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found: dict[str, Any] = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.template.names["LaunchQueue"], AttributeNames=names
    )["Attributes"]
    return sum(int(found[name]) for name in names)


def _report(found: Evidence, problems: list[str]) -> int:
    for line in summary(found):
        print(line)
    problems += violations(found)
    for problem in problems[:_MOST_SHOWN]:
        print(f"✗ {problem}")
    if len(problems) > _MOST_SHOWN:
        print(f"✗ … and {len(problems) - _MOST_SHOWN} more")
    if not problems:
        print("✓ 0 lost, 0 doubled, 0 differing payloads; each outcome published, each event under one id")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
