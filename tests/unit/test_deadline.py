"""No call that changes something is begun that may outlive its invocation."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from runledger import deadline
from runledger.deadline import CALL_SECONDS
from runledger.domain.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr(deadline, "time", found)
    yield found
    deadline.stop()


def context(seconds: float) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: int(seconds * 1000))


def test_g6_a_write_is_begun_only_while_the_slowest_one_would_end_in_time(clock: Clock) -> None:
    deadline.start(context(28))
    for passed, has_time in ((0, True), (28 - CALL_SECONDS, True), (28.01 - CALL_SECONDS, False), (40, False)):
        clock.now = 1000 + passed
        assert deadline.has_time() is has_time
        if has_time:
            deadline.check()
            continue
        with pytest.raises(Problem) as caught:
            deadline.check()
        assert (caught.value.status, caught.value.slug, caught.value.about) == (503, "unavailable", "moment")


def test_each_invocation_has_its_own_time_and_outside_of_any_there_is_enough(clock: Clock) -> None:
    deadline.start(context(1))
    assert not deadline.has_time()
    deadline.start(context(28))
    assert deadline.has_time()
    deadline.start(context(1))
    deadline.stop()
    clock.now += 1_000_000
    assert deadline.has_time()
