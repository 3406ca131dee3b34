"""LangGraph's word for a run's end, and what it means."""

import pytest

from runledger.domain.listings import OUTCOMES
from runledger.domain.outcomes import Outcome, is_failure, is_known, outcome_of


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("error", "failed"),
        ("timeout", "timed_out"),
        ("interrupted", "cancelled"),
        ("rollback", "rolled_back"),
    ],
)
def test_a_status_that_is_an_end_gives_its_outcome(status: str, expected: Outcome, *, temporary: bool) -> None:
    assert outcome_of(status, temporary=temporary) == expected
    assert is_known(status)


@pytest.mark.parametrize(("temporary", "expected"), [(False, "settling"), (True, "succeeded")])
def test_a_success_settles_unless_its_thread_is_gone(expected: Outcome, *, temporary: bool) -> None:
    assert outcome_of("success", temporary=temporary) == expected
    assert is_known("success")


@pytest.mark.parametrize("temporary", [False, True])
@pytest.mark.parametrize("status", ["paused", "SUCCESS", "pending", "running", "succeeded", " success", "é", ""])
def test_g6_an_unknown_status_settles(status: str, *, temporary: bool) -> None:
    assert outcome_of(status, temporary=temporary) == "settling"
    assert not is_known(status)


def test_each_outcome_is_a_failure_or_a_success_or_neither() -> None:
    assert {outcome: is_failure(outcome) for outcome in OUTCOMES} == {
        "pending": None,
        "settling": None,
        "awaiting_input": False,
        "answered": None,
        "abandoned": None,
        "unconfirmed": None,
        "succeeded": False,
        "failed": True,
        "timed_out": True,
        "cancelled": None,
        "rolled_back": None,
        "lost": True,
    }
