"""The open questions of a run that waits for a person, and how much of them stands in its item."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 16_384  # of the questions in an item; all of them stand in the bucket where they are more
_MAX_VALUE = 1_024  # of one question there: larger ones are shown by their ids

type Questions = list[dict[str, Any]]


def open_questions(checkpoint: Mapping[str, Any] | None, thread: Mapping[str, Any] | None) -> Questions:
    """Return what is asked and not answered yet, each `{"id": …, "value": …}`.

    `checkpoint` is the one that the run stopped at: a task of it that is done has a `result` beside the interrupts that
    it once raised. `thread` is the thread as that run left it: only there stand the interrupts of a task that a
    command has sent (`goto`); but it may show those of a task that is done as well.
    """
    tasks = (checkpoint or {}).get("tasks") or []
    asked = [task.get("interrupts") for task in tasks if task.get("result") is None]
    known = {task.get("id") for task in tasks}
    on_thread = (thread or {}).get("interrupts") or {}
    asked += [interrupts for task_id, interrupts in on_thread.items() if task_id not in known]
    return [
        {"id": interrupt.get("id"), "value": interrupt.get("value")}
        for interrupts in asked
        for interrupt in interrupts or []
    ]


def shown(questions: Questions) -> tuple[str, bool]:
    """Write as JSON text what fits of the questions into the run's item; return it, and whether something is left out.

    Large values are left out first, then all values, then what is more than fits by id alone.
    """
    text = json.dumps(questions)
    if len(text) <= MAX_BYTES:
        return text, False
    small = [one if len(json.dumps(one)) <= _MAX_VALUE else {"id": one["id"]} for one in questions]
    text = json.dumps(small)
    if len(text) > MAX_BYTES:
        text = _as_many_as_fit([json.dumps({"id": one["id"]}) for one in questions])
    return text, True


def _as_many_as_fit(ids: list[str]) -> str:
    kept, left = [], MAX_BYTES - len("[]")
    for one in ids:
        left -= len(one) + len(", ")
        if left < 0:
            break
        kept.append(one)
    return f"[{', '.join(kept)}]"
