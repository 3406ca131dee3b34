"""What a run means to its caller, next to LangGraph's own word for it."""

from __future__ import annotations

from typing import Literal

Outcome = Literal[
    "pending",
    "settling",
    "awaiting_input",
    "answered",
    "abandoned",
    "succeeded",
    "failed",
    "timed_out",
    "cancelled",
    "rolled_back",
    "lost",
    "unconfirmed",
]

_BY_STATUS: dict[str, Outcome] = {
    "success": "settling",
    "error": "failed",
    "timeout": "timed_out",
    "interrupted": "cancelled",
    "rollback": "rolled_back",
}


FAILURES: tuple[Outcome, ...] = ("failed", "timed_out", "lost")
_GOOD: tuple[Outcome, ...] = ("succeeded", "awaiting_input")


def is_failure(outcome: str) -> bool | None:
    """Whether an outcome is a failure; None where it is neither that nor a success: somebody ended the run."""
    return True if outcome in FAILURES else False if outcome in _GOOD else None


def is_known(status: str) -> bool:
    """Whether `status` is a word that LangGraph 0.16 puts into a webhook."""
    return status in _BY_STATUS


def outcome_of(status: str, *, temporary: bool) -> Outcome:
    """Turn the `status` of a delivery into an outcome.

    LangGraph says `success` also when the graph stopped to ask a person, so a success is `settling` until the run's
    last checkpoint was read. A temporary run (stateless, or of a default cron) can't wait: its thread is deleted
    already. A word that is not known yet is kept as `settling` too, never refused (G6).
    """
    if status == "success" and temporary:
        return "succeeded"
    return _BY_STATUS.get(status, "settling")
