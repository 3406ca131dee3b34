"""What LangGraph's own word and a run's last checkpoint mean together."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.core.json_text import clean, metadata_of
from runledger.core.outcomes import Outcome, outcome_of
from runledger.core.times import iso, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERS = "answers_run_id"  # in the metadata of a run that answers another's question: that run's id
ANSWER_DIGEST = "answer_digest"  # beside it: of which answer
STILL = ("pending", "running")  # statuses of a run that has not ended
MAX_QUESTIONS_BYTES = 16_384  # larger questions are left to the thread's state in LangGraph; their ids are kept
_MAX_ERROR = 2_000
_EXCEPTION = re.compile(r"([A-Za-z_]\w*)\(")
_MAX_ID, _MAX_QUESTIONS = 64, 100


@dataclass(frozen=True, slots=True)
class Seen:
    """How a run ended, as LangGraph tells when asked.

    `questions` is JSON text: `[{"id": …, "value": …}, …]`, and so is `metadata`, None where too long. `began` is False
    for a run that was cancelled while pending: it has no checkpoint, and LangGraph sends no webhook about it.
    `ignored` is an answer that came when the question had been answered: LangGraph calls it a success and does nothing.
    """

    status: str
    outcome: Outcome
    ended_at: str | None
    error: dict[str, str] | None
    questions: str | None
    began: bool
    metadata: str | None = None
    ignored: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What LangGraph knows of a run from its start. `created_at` is in the ledger's format, `metadata` is JSON text."""

    thread_id: str
    assistant_id: str | None
    launch_id: str | None
    created_at: str
    metadata: str | None


def facts_of(run: Mapping[str, Any], launch_id: str | None, now: float) -> Facts:
    """Read a run as LangGraph has it (`runs.get`), which is of `launch_id`, or of no launch."""
    return Facts(
        thread_id=str(run["thread_id"]),
        assistant_id=None if run.get("assistant_id") is None else str(run["assistant_id"]),
        launch_id=launch_id,
        created_at=min(normalised(run.get("created_at")) or iso(now), iso(now)),
        metadata=metadata_of(run.get("metadata")),
    )


def seen(run: Mapping[str, Any], checkpoint: Mapping[str, Any] | None, *, is_own: bool = True) -> Seen:
    """Read an ended run (`runs.get`) with its own last checkpoint (`threads.get_history` by its `run_id`).

    Where it made none, it is the one that it went on from (not `is_own`).

    A success whose checkpoint names a next node has stopped before the end: at an interrupt, whose questions are in its
    tasks, or at a breakpoint, which has none. Without a checkpoint nothing waits.
    """
    tasks = (checkpoint or {}).get("tasks") or []
    waits = run["status"] == "success" and bool((checkpoint or {}).get("next"))
    outcome = "awaiting_input" if waits else outcome_of(run["status"], temporary=True)
    errors = [clean(str(task["error"])[:_MAX_ERROR]) for task in tasks if task.get("error")]
    return Seen(
        status=run["status"],
        outcome=outcome,
        ended_at=(normalised(checkpoint.get("created_at")) if checkpoint and is_own else None)
        or normalised(run.get("updated_at")),
        error=_error(errors[0]) if errors and outcome == "failed" else None,
        questions=_questions(tasks) if waits else None,
        began=checkpoint is not None or run["status"] != "interrupted",
        metadata=metadata_of(run.get("metadata")),
        ignored=run["status"] == "success" and not (waits or is_own) and ANSWERS in (run.get("metadata") or {}),
    )


def unsettled(run: Mapping[str, Any]) -> Seen:
    """Read an ended run whose checkpoint is not known: a success stays `settling`."""
    outcome = outcome_of(run["status"], temporary=False)
    metadata = metadata_of(run.get("metadata"))
    return Seen(run["status"], outcome, normalised(run.get("updated_at")), None, None, began=True, metadata=metadata)


def _error(text: str) -> dict[str, str]:
    """Return an error with its type, where the text is what Python shows of an exception: `ValueError('no')`."""
    found = _EXCEPTION.match(text)
    return {"type": found[1], "message": text} if found else {"message": text}


def _questions(tasks: list[dict[str, Any]]) -> str:
    asked = [
        {"id": interrupt.get("id"), "value": interrupt.get("value")}
        for task in tasks
        for interrupt in task.get("interrupts") or []
    ]
    text = json.dumps(asked)
    if len(text) > MAX_QUESTIONS_BYTES:
        text = json.dumps([{"id": str(question["id"])[:_MAX_ID]} for question in asked[:_MAX_QUESTIONS]])
    return text
