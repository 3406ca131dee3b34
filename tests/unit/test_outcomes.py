"""LangGraph's word for a run's end, and what it means."""

import pytest

from runledger.core.outcomes import Outcome, is_known, outcome_of


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
