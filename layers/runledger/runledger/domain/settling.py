"""What LangGraph's status and a run's last checkpoint mean together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from runledger.domain.json_text import clean, metadata_of
from runledger.domain.outcomes import Outcome, outcome_of
from runledger.domain.questions import open_questions, shown
from runledger.domain.run_errors import task_error
from runledger.domain.times import iso, normalised

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERS = "answers_run_id"  # in the metadata of a run that answers another's question: that run's id
ANSWER_DIGEST = "answer_digest"  # beside it: of which answer
# In the metadata of every run that Runledger makes: what the ledger noted before LangGraph was asked for it. The other
# names can be inherited, from the thread's metadata say; whoever sets them there does not know this.
NONCE = "start_nonce"
STILL = ("pending", "running")  # statuses of a run that has not ended
_MAX_MISSING = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """How a run ended, as LangGraph reports it when asked.

    `questions` is JSON text: `[{"id": …, "value": …}, …]`, and so is `metadata`, None where too long. Where not all of
    the questions fit into an item, `all_questions` has them, and `question_count` is their number. `began` is False
    for a run that was cancelled while pending: it has no checkpoint, and LangGraph sends no webhook about it.
    `ignored` is an answer that came when the question had been answered: LangGraph calls it a success and does nothing.
    `missing` says what could not be read, and why.
    """

    status: str
    outcome: Outcome
    ended_at: str | None
    error: dict[str, str] | None
    questions: str | None
    began: bool
    metadata: str | None = None
    ignored: bool = False
    all_questions: str | None = field(default=None, repr=False)
    question_count: int | None = None
    missing: str | None = None


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


def seen(
    run: Mapping[str, Any],
    checkpoint: Mapping[str, Any] | None,
    *,
    is_own: bool = True,
    thread: Mapping[str, Any] | None = None,
) -> Seen:
    """Read an ended run (`runs.get`) with its own last checkpoint (`threads.get_history` by its `run_id`).

    Where it made none, `checkpoint` is the one that it went on from (not `is_own`), and `thread` is its thread as it
    left it (`status`, `interrupts`), None where another run has been there since.

    A success whose checkpoint names a next node has stopped before the end: at an interrupt, whose questions are in its
    tasks, or at a breakpoint, which has none. One that a command sent to a node of its choice may stop there and leave
    no checkpoint that says so: only the thread shows it. Without either nothing waits.
    """
    tasks = (checkpoint or {}).get("tasks") or []
    is_stopped = bool((checkpoint or {}).get("next")) or _is_interrupted(thread)
    waits = run["status"] == "success" and is_stopped
    outcome = "awaiting_input" if waits else outcome_of(run["status"], temporary=True)
    errors = [task_error(task["error"]) for task in tasks if task.get("error")]
    found = Seen(
        status=run["status"],
        outcome=outcome,
        ended_at=(normalised(checkpoint.get("created_at")) if checkpoint and is_own else None)
        or normalised(run.get("updated_at")),
        error=errors[0] if errors and outcome == "failed" else None,
        questions=None,
        began=checkpoint is not None or run["status"] != "interrupted",
        metadata=metadata_of(run.get("metadata")),
        ignored=run["status"] == "success" and not (waits or is_own) and bool((run.get("metadata") or {}).get(ANSWERS)),
    )
    return _asking(found, checkpoint, thread) if waits else found


def unsettled(run: Mapping[str, Any]) -> Seen:
    """Read an ended run whose checkpoint is not known yet: a success stays `settling`."""
    outcome = outcome_of(run["status"], temporary=False)
    metadata = metadata_of(run.get("metadata"))
    return Seen(run["status"], outcome, normalised(run.get("updated_at")), None, None, began=True, metadata=metadata)


def unread(run: Mapping[str, Any], missing: str, thread: Mapping[str, Any] | None = None) -> Seen:
    """Read an ended run whose checkpoint can't be had, for the reason `missing`, by its status (G14).

    A success waits where `thread`, as above, says so; otherwise it has succeeded. A status that is not known here is no
    success that anybody could rely on: it counts as a failure, and says so.
    """
    found = replace(unsettled(run), missing=clean(missing)[:_MAX_MISSING])
    if found.outcome != "settling":
        return found
    if run["status"] != "success":
        message = f"LangGraph's status is {clean(run['status'])!r}, which Runledger does not know."
        return replace(found, outcome="failed", error={"message": message})
    if _is_interrupted(thread):
        return _asking(replace(found, outcome="awaiting_input"), None, thread)
    return replace(found, outcome="succeeded")


def _is_interrupted(thread: Mapping[str, Any] | None) -> bool:
    if thread is None:
        return False
    return thread.get("status") == "interrupted" or any((thread.get("interrupts") or {}).values())


def _asking(found: Seen, checkpoint: Mapping[str, Any] | None, thread: Mapping[str, Any] | None) -> Seen:
    questions = open_questions(checkpoint, thread)
    text, has_more = shown(questions)
    if not has_more:
        return replace(found, questions=text)
    return replace(found, questions=text, all_questions=json.dumps(questions), question_count=len(questions))
