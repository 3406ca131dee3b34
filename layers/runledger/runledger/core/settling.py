"""What LangGraph's own word and a run's last checkpoint mean together."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.core.json_text import clean, metadata_of
from runledger.core.outcomes import Outcome, outcome_of
from runledger.core.times import normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERS = "answers_run_id"  # in the metadata of a run that answers another's question: that run's id
ANSWER_DIGEST = "answer_digest"  # beside it: of which answer
# In the metadata of every run that Runledger makes: what the ledger noted before LangGraph was asked for it. The other
# names can be inherited, from the thread's metadata say; whoever sets them there does not know this.
NONCE = "start_nonce"
STILL = ("pending", "running")  # statuses of a run that has not ended
MAX_QUESTIONS_BYTES = 16_384  # larger questions are left to the thread's state in LangGraph; their ids are kept
_MAX_ERROR = 2_000
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
        error={"message": errors[0]} if errors and outcome == "failed" else None,
        questions=_questions(tasks) if waits else None,
        began=checkpoint is not None or run["status"] != "interrupted",
        metadata=metadata_of(run.get("metadata")),
        ignored=run["status"] == "success" and not (waits or is_own) and bool((run.get("metadata") or {}).get(ANSWERS)),
    )


def unsettled(run: Mapping[str, Any]) -> Seen:
    """Read an ended run whose checkpoint is not known: a success stays `settling`."""
    outcome = outcome_of(run["status"], temporary=False)
    metadata = metadata_of(run.get("metadata"))
    return Seen(run["status"], outcome, normalised(run.get("updated_at")), None, None, began=True, metadata=metadata)


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
