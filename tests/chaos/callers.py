"""Callers of a stack whose functions are killed: some insist until they are answered, some give up, some send messages.

Every request is counted, and there is an end to them.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from local.stack import Stack

MAX_REQUESTS = 10_000
_CALLERS = 8
_TRIES = 6  # while functions are killed
_LAST_TRIES = 10  # when nothing is killed any more
_PAUSE_SECONDS = 1.0
_GIVES_UP_SECONDS = 0.2
_ACCEPTED = 202
_TASKS: tuple[dict[str, Any], ...] = (
    {"task": "answer"},
    {"task": "ask"},
    {"task": "fail"},
    {"task": "large", "bytes": 60_000},  # stands in the bucket
    {"task": "slow", "seconds": 1.5},
)


@dataclass
class Launch:
    """One launch as its caller sees it: what was asked, and the runs that the answers named."""

    number: int
    body: dict[str, Any]
    way: str  # `insists`, `gives up` or `message`
    is_answered: bool  # the question of its run is to be answered
    run_ids: set[str] = field(default_factory=set)
    answer_ids: set[str] = field(default_factory=set)
    last: str = ""  # answer that its caller got

    @property
    def key(self) -> str:
        """The idempotency key."""
        return f"chaos-{self.number}"

    @property
    def must_run(self) -> bool:
        """Whether there must be a run of it: its caller did not give up."""
        return self.way != "gives up"


def planned(number: int, chance: random.Random) -> Launch:
    """Return the launch with this number, of a kind that `chance` chooses."""
    task = _TASKS[number % len(_TASKS)]
    way = chance.choices(["insists", "gives up", "message"], [6, 2, 2])[0]
    body = {"assistant_id": "agent", "input": task, "metadata": {"n": str(number)}, "stream": chance.random() < 1 / 4}
    return Launch(number, body, way, is_answered=task["task"] == "ask" and way == "insists")


class Callers:
    """Makes the launches, evenly over some seconds."""

    def __init__(self, stack: Stack, launches: list[Launch]) -> None:
        """`stack` runs."""
        self._stack, self.launches = stack, launches
        self._requests = count(1)
        self.requests = 0

    def launch_all(self, seconds: float) -> None:
        """Make all launches within so many seconds, each tried a few times."""
        begins, each = time.monotonic(), seconds / len(self.launches)

        def one(launch: Launch) -> None:
            time.sleep(max(0.0, begins + launch.number * each - time.monotonic()))
            self._launch(launch, _TRIES)

        self._at_once(one, self.launches)

    def insist(self) -> bool:
        """Repeat what was not answered, as callers do who want to know; return whether all is answered now."""
        self._at_once(lambda launch: self._launch(launch, _LAST_TRIES), self.launches)
        insisting = [launch for launch in self.launches if launch.way == "insists"]
        return all(launch.run_ids and (launch.answer_ids or not launch.is_answered) for launch in insisting)

    def _at_once(self, do: Any, launches: list[Launch]) -> None:
        with ThreadPoolExecutor(_CALLERS) as callers:
            for _ in callers.map(do, launches):
                pass

    def _launch(self, launch: Launch, tries: int) -> None:
        match launch.way:
            case "message" if not launch.run_ids:
                queue = self._stack.template.names["LaunchQueue"]
                text = json.dumps({**launch.body, "idempotency_key": launch.key})
                for _ in range(2):  # a sender that is not sure
                    self._stack.client("sqs").send_message(QueueUrl=queue, MessageBody=text)
                launch.run_ids.add("sent")
            case "gives up" if not launch.run_ids:
                launch.run_ids.add(self._post(launch, "/runs", launch.body, _GIVES_UP_SECONDS) or "gave up")
            case "insists":
                if not launch.run_ids:
                    self._insist(launch, "/runs", launch.body, tries, launch.run_ids)
                if launch.is_answered and launch.run_ids and not launch.answer_ids:
                    (run_id,) = launch.run_ids
                    answer = {"resume": f"answer {launch.number}"}
                    self._insist(launch, f"/runs/{run_id}/resume", answer, tries, launch.answer_ids)

    def _insist(self, launch: Launch, path: str, body: Any, tries: int, run_ids: set[str]) -> None:
        for _ in range(tries):
            if run_id := self._post(launch, path, body):
                run_ids.add(run_id)
                return
            time.sleep(_PAUSE_SECONDS)

    def _post(self, launch: Launch, path: str, body: Any, seconds: float = 40) -> str | None:
        """Return the run of the answer where the request was accepted."""
        self.requests = next(self._requests)
        if self.requests > MAX_REQUESTS:
            return None
        headers = {
            "content-type": "application/json",
            "idempotency-key": launch.key,
        }  # answers have none, and need none
        request = urllib.request.Request(f"{self._stack.apis['Api'].url}{path}", json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                launch.last = f"{answer.status} {answer.read().decode()}"
                return str(json.loads(launch.last[4:])["run_id"]) if answer.status == _ACCEPTED else None
        except urllib.error.HTTPError as error:
            with error:
                launch.last = f"{error.code} {error.read().decode()}"
        except (OSError, ValueError) as error:  # too late or cut off
            launch.last = f"{type(error).__name__}: {error}"
        return None
