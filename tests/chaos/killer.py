"""Kills functions at random, half of them while they have an event, and stops the LangGraph server once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    import threading

    from local.stack import Stack

FUNCTIONS = ("LaunchFunction", "WebhookFunction", "WorkerFunction", "SweepFunction")
_EVERY_SECONDS = 0.7  # each kill costs a start of a process, and the machine is to have time for the load
_BUSY_SECONDS = 0.5  # how long a process that has an event is waited for


class Killer:
    """Sends SIGKILL until it is stopped; counts what it has killed."""

    def __init__(self, stack: Stack, chance: random.Random) -> None:
        """`stack` runs."""
        self._stack, self._chance = stack, chance
        self.killed: Counter[str] = Counter()

    def run(self, stopped: threading.Event) -> None:
        """Kill one after the other."""
        while not stopped.wait(self._chance.uniform(0, 2 * _EVERY_SECONDS)):
            name = self._chance.choice(FUNCTIONS)
            is_busy = self._chance.random() < 1 / 2
            process = self._busy(name) if is_busy else self._any(name)
            if process is not None:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    self.killed[f"{name} {'at work' if is_busy else 'at random'}"] += 1

    def _any(self, name: str) -> int | None:
        processes = self._stack.pools[name].processes()
        return self._chance.choice(processes) if processes else None

    def _busy(self, name: str) -> int | None:
        ends = time.monotonic() + _BUSY_SECONDS
        while time.monotonic() < ends:
            if processes := self._stack.pools[name].processes(busy=True):
                time.sleep(self._chance.uniform(0, 0.05))  # so that it is at any point of its work
                return self._chance.choice(processes)
            time.sleep(0.001)
        return None


def restart_langgraph(stack: Stack) -> bool:
    """Stop the LangGraph server in the midst of its runs and start it again; return whether its state has survived.

    It is asked to stop, for one that is killed forgets up to ten seconds by itself, as it keeps its state in memory;
    the deliveries that it was about to send or to repeat are lost either way.
    """
    begins = time.time()
    stack.langgraph.close()
    kept = (stack.langgraph.state / ".langgraph_ops.pckl").stat().st_mtime >= begins
    stack.langgraph.start()
    return kept
