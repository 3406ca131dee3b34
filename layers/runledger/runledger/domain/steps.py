"""What a run or a launch needs next: one step, decided from its item alone.

| the run                                        | step                    | performed                             |
|------------------------------------------------|-------------------------|---------------------------------------|
| has an outcome to publish, and is not doubtful | `publish`               | at once, then when due                |
| is a claim                                     | `inspect` (`claim`)     | at once, then when due                |
| has an end that LangGraph has not confirmed    | `inspect` (`end`)       | at once, then when due                |
| is settling                                    | `inspect` (`result`)    | at once, then when due                |
| is disputed, pending, or lost and notified     | `inspect` (`result`)    | when due                              |
| waits for a person                             | `inspect` (`waiting`)   | when due                              |
| was found by asking, and its webhook is missing | `report_missing`       | when due                              |
| is open, and has no thread to ask by           | `end_unasked`           | when due                              |
| is over, and nothing is left                   | `close`                 | when due                              |
| is not due yet, or due no more                 | `wait`                  |                                       |

"At once" is from the stream, for a change that nobody has worked on yet. What was tried and deferred is performed when
it is due. After each step the run is due later, or has another step, or is due no more.

| the launch, which is due                                   | step      |
|------------------------------------------------------------|-----------|
| is unfinished, and somebody holds it                       | `wait`    |
| is unfinished: its launcher died                           | `recover` |
| keeps deliveries about runs that are not confirmed         | `confirm` |
| was refused, and may have its run all the same             | `adopt`   |
| was started over on a caller's thread less than three looks ago | `watch` |
| has its run, and maybe a task that waits                   | `close`   |

The last three end the task that waits, where the launch is over. A launch that was notified has its runs asked about.
To adopt is to watch, too: such a launch is due again until it was asked about three times.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from runledger.domain.run_states import COUNTS, OPEN
from runledger.domain.verification import is_doubtful

if TYPE_CHECKING:
    from runledger.domain.launch_states import Launch
    from runledger.domain.run import Run

type Kind = Literal["publish", "inspect", "report_missing", "end_unasked", "close", "wait"]
type LaunchStep = Literal["wait", "recover", "confirm", "adopt", "watch", "close"]
type Question = Literal["claim", "end", "waiting", "result"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `question` is what an `inspect` asks; a `wait` lasts `until` an epoch second, None for ever."""

    kind: Kind
    question: Question | None = None
    until: int | None = None


def next_step(run: Run, now: float) -> Step:
    """Return what a run needs at epoch second `now`. With 0 nothing is due: only what is done at once is a step."""
    step, due_at = _at_once(run), run.get("due_at")
    if due_at is None:  # only by another hand can an event be unpublished then
        return step if step and step.kind == "publish" else Step("wait")
    if int(due_at) > now:
        return step if step and is_fresh(run) else Step("wait", until=int(due_at))
    if run.get("webhook_awaited") and (step is None or step.kind != "publish"):
        return Step("report_missing")
    return step or _when_due(run)


def next_launch_step(launch: Launch, now: float) -> LaunchStep:
    """Return what a launch needs that is due at epoch second `now`."""
    if launch.state == "starting":
        return "wait" if launch.is_held(now) else "recover"
    if launch.kept:
        return "confirm"
    if launch.state == "refused":
        return "adopt"
    return "watch" if launch.is_to_be_watched else "close"


def is_fresh(run: Run) -> bool:
    """Whether nobody has worked on a run, or is to, since it came to its outcome."""
    return not any(name in run for name in COUNTS)


def _at_once(run: Run) -> Step | None:
    if "claim" in run:
        return Step("inspect", "claim")
    if run.get("unpublished") and not is_doubtful(run):
        return Step("publish")
    if run.get("disputed") or "thread_id" not in run:
        return None
    if run.get("unverified"):
        return Step("inspect", "end")
    return Step("inspect", "result") if run["outcome"] == "settling" else None


def _when_due(run: Run) -> Step:
    is_notified = run["outcome"] == "lost" and run.get("heard")
    if run["outcome"] not in OPEN and not is_notified and not is_doubtful(run):
        return Step("close")
    if "thread_id" not in run:
        return Step("end_unasked")
    return Step("inspect", "waiting" if run["outcome"] == "awaiting_input" and not run.get("disputed") else "result")
