"""What the rest of AWS hears of a run: one event for each outcome that means something to it (G8).

The detail says what happened and where to read more, never the payload, and stays far below the 256 KB that EventBridge
takes: the texts of a run's item are bounded. Each event has an id that is the same whenever it is sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.domain.json_text import members_of, object_of

if TYPE_CHECKING:
    from runledger.domain.run import Run

SOURCE = "runledger"
CORRECTED = "corrected"  # stands for an outcome that was told already, and that LangGraph has contradicted
_SILENT = ("pending", "settling", "unconfirmed")  # what a run is until it means something
_FIRST = ("lost", "awaiting_input")  # outcomes that others can follow, in their order
_LAST = (CORRECTED,)
_SHOWN = (
    "run_id",
    "launch_id",
    "thread_id",
    "assistant_id",
    "metadata",
    "status",
    "error",
    "created_at",
    "started_at",
    "ended_at",
    "payload_bytes",
    "result_too_large",
    "missing",
    "question_count",
    "doubled",
    "confirmed",
    "unproven",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event on the bus; `detail` is JSON text."""

    detail_type: str
    detail: str


def is_published(outcome: str) -> bool:
    """Whether a run's coming to this outcome is an event."""
    return outcome not in _SILENT


def detail_type(outcome: str) -> str:
    """Return the event's name, such as `Run Awaiting Input`."""
    return f"Run {outcome.replace('_', ' ').title()}"


def events_of(run: Run) -> list[Event]:
    """Return the events of a run that have not left yet, in the order in which its outcomes came."""
    return [_event_of(run, outcome) for outcome in sorted(run.get("unpublished", ()), key=_rank)]


def _rank(outcome: str) -> int:
    order = (*_FIRST, None, *_LAST)
    return order.index(outcome if outcome in order else None)


def _event_of(run: Run, outcome: str) -> Event:
    is_correction = outcome == CORRECTED
    members = {
        "id": json.dumps(f"{run['run_id']}/{outcome}" + (f"/{int(run['corrected'])}" if is_correction else "")),
        "outcome": json.dumps(run["outcome"] if is_correction else outcome),
        **members_of(run, _SHOWN),
        "links": json.dumps({"run": f"/runs/{run['run_id']}"}),
    }
    if outcome == "awaiting_input":
        members["questions"] = run.get("questions", "[]")
    if is_correction and "corrected_from" in run:
        members["corrected_from"] = json.dumps(run["corrected_from"])
    if outcome == "answered":
        members["answered_by"] = json.dumps(run["answered_by"])
    return Event(detail_type(outcome), object_of(members))
