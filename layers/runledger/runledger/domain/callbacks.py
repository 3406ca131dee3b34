"""What a Step Functions task that waits for a launch is told, once the launch is over or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.domain import views
from runledger.domain.events import detail_type
from runledger.domain.json_text import members_of, object_of
from runledger.domain.run_states import OPEN
from runledger.domain.verification import is_doubtful

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.run import Run

MAX_OUTPUT_BYTES = 256 * 1024  # of a task's result, Step Functions' own limit
_CAUSE = ("launch_id", "run_id", "thread_id", "status", "outcome", "error", "answered_by")


@dataclass(frozen=True, slots=True)
class Report:
    """A task's end: its `output` as JSON text, or an `error`'s name with its cause as JSON text (under 32 KB)."""

    output: str | None
    error: str = ""
    cause: str = ""


def is_over(run: Run) -> bool:
    """Whether a run has come to its end, and LangGraph has confirmed that; one that was answered has.

    Its answer may go on.
    """
    return run["outcome"] not in OPEN and not is_doubtful(run)


def report_of(run: Run, payload: str | None, bucket: str) -> Report:
    """Report the run at which a launch is over.

    A success is the run as `GET /runs/{run_id}` shows it. `payload` is its text, or None where it is left in `bucket`;
    where it makes the output too large it is left out, and `payload_bytes` says so.
    """
    outcome = run["outcome"]
    if outcome != "succeeded":
        return Report(None, detail_type(outcome).replace(" ", ""), object_of(members_of(run, _CAUSE)))
    bare = {name: value for name, value in run.items() if name != "payload"}
    output = views.run({**bare, "payload": payload}, "") if payload is not None else ""
    if not output or len(output.encode()) > MAX_OUTPUT_BYTES:
        output = views.run(bare, "", payload_at=(bucket, run["payload_key"]) if "payload_key" in run else None)
    return Report(output)


def refusal_of(launch: Mapping[str, Any]) -> Report:
    """Report a launch that LangGraph has refused."""
    return Report(None, "LaunchRefused", object_of(members_of(launch, ("launch_id", "reason", "detail"))))


def removal_of(launch: Mapping[str, Any]) -> Report:
    """Report a launch whose run was removed from the ledger, so that its end can't be known any more."""
    return Report(None, "RunRemoved", object_of(members_of(launch, ("launch_id", "run_id"))))
