"""What LangGraph's word and a run's last checkpoint mean together."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runledger.domain.settling import Seen, seen

UPDATED = "2026-11-22T05:59:33.654899+00:00"
ASKS = [{"id": "t1", "interrupts": [{"id": "i1", "value": {"q": 1}, "ns": ["x"]}, {"id": "i2", "value": None}]}]


def run(status: str = "success", **changes: Any) -> dict[str, Any]:
    return {"run_id": "r", "status": status, "updated_at": UPDATED, **changes}


def checkpoint(**changes: Any) -> dict[str, Any]:
    return {"next": [], "tasks": [], "created_at": "2026-11-22T06:59:34+01:00", **changes}


def test_a_success_that_has_nothing_left_to_do_has_succeeded() -> None:
    assert seen(run(), checkpoint()) == Seen(
        status="success",
        outcome="succeeded",
        ended_at="2026-11-22T05:59:34.000000Z",
        error=None,
        questions=None,
        began=True,
    )


@pytest.mark.parametrize(
    ("tasks", "questions"),
    [
        (ASKS, [{"id": "i1", "value": {"q": 1}}, {"id": "i2", "value": None}]),
        ([*ASKS, {"id": "t2", "interrupts": [{"value": "no id"}]}], None),
        ([{"id": "t1", "interrupts": []}], []),
        ([{"id": "t1"}], []),
        ([{"id": "t1", "interrupts": None}], []),
        (None, []),
    ],
    ids=["questions", "of two tasks", "breakpoint", "no interrupts", "null interrupts", "no tasks"],
)
def test_a_success_that_has_something_left_to_do_waits_with_its_questions(
    tasks: list[dict[str, Any]] | None, questions: list[dict[str, Any]] | None
) -> None:
    found = seen(run(), checkpoint(next=["ask"], tasks=tasks))
    assert found.outcome == "awaiting_input"
    assert found.questions is not None
    asked = json.loads(found.questions)
    assert asked == (questions if questions is not None else [*asked[:2], {"id": None, "value": "no id"}])


def test_a_success_without_a_checkpoint_waits_for_nobody() -> None:
    found = seen(run(), None)
    assert (found.outcome, found.questions, found.began) == ("succeeded", None, True)
    assert found.ended_at == "2026-11-22T05:59:33.654899Z"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("error", "failed"),
        ("timeout", "timed_out"),
        ("interrupted", "cancelled"),
        ("rollback", "rolled_back"),
        ("paused", "settling"),
    ],
)
def test_only_a_success_can_wait(status: str, outcome: str) -> None:
    found = seen(run(status), checkpoint(next=["ask"], tasks=ASKS))
    assert (found.status, found.outcome, found.questions) == (status, outcome, None)


@pytest.mark.parametrize(
    ("status", "has_checkpoint", "began"),
    [
        ("interrupted", False, False),
        ("interrupted", True, True),
        ("error", False, True),
        ("timeout", False, True),
        ("success", False, True),
    ],
)
def test_g1_only_a_run_that_was_cancelled_without_a_checkpoint_never_began(
    status: str, *, has_checkpoint: bool, began: bool
) -> None:
    assert seen(run(status), checkpoint() if has_checkpoint else None).began is began


@pytest.mark.parametrize(
    ("status", "error", "told"),
    [
        ("error", "ValueError('boom')", {"type": "ValueError", "message": "boom"}),
        ("error", {"error": "ValueError"}, {"message": "{'error': 'ValueError'}"}),
        ("error", "half \ud83d", {"message": "half ?"}),
        ("error", "x" * 3000, {"message": "x" * 2000}),
        ("error", None, None),
        ("error", "", None),
        ("success", "ValueError('boom')", None),
        ("interrupted", "CancelledError()", None),
    ],
)
def test_a_failure_has_the_first_error_of_its_tasks(status: str, error: object, told: dict[str, str] | None) -> None:
    tasks = [{"id": "t0"}, {"id": "t1", "error": error}, {"id": "t2", "error": "later" if error else None}]
    assert seen(run(status), checkpoint(next=["a"], tasks=tasks)).error == told


@pytest.mark.parametrize("created_at", [None, "yesterday", 5])
def test_a_checkpoint_without_a_time_leaves_the_runs_own(created_at: object) -> None:
    assert seen(run(), checkpoint(created_at=created_at)).ended_at == "2026-11-22T05:59:33.654899Z"
    assert seen(run(updated_at=None), checkpoint(created_at=created_at)).ended_at is None
