"""G1, G2, G4, G8: whatever breaks, at whatever call, every run ends in the ledger, exactly once, and that is told.

The calls are found by letting the function run once without a fault, so a new call is covered without a new test.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

import pytest

from tests.crashes.cases import SCENARIOS, Case, Scenario, finish, modes_of, recover

if TYPE_CHECKING:
    from collections import Counter

    from tests.crashes.world import Ledger, World


def begin(world: World, scenario: Scenario, shared: tuple[Case, Ledger, set[str]] | None) -> Case:
    """Return a case that is ready to be acted on, in a world with nothing else in it."""
    world.take()
    world.faults.forget()
    if shared is None:
        world.ahead, world.faults.told = 0.0, set()
        case = scenario.new(world)
        scenario.prepare(case)
    else:
        case = copy.copy(shared[0])
        world.put(shared[1])
        world.faults.told = set(shared[2])
        world.ahead = case.ahead
    world.go_cold()
    return case


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_g1_g2_g4_g8_nothing_is_lost_doubled_or_untold_at(
    scenario: Scenario, world: World, found: Counter[str]
) -> None:
    shared = None
    if scenario.is_shared:
        case = begin(world, scenario, None)
        case.ahead = world.ahead
        shared = (case, world.take(), set(world.faults.told))
    rehearsal = begin(world, scenario, shared)
    with world.faults.watched():
        scenario.act(rehearsal)
    calls = world.faults.calls
    assert any(re.search(scenario.at, call) for call in calls)
    assert finish(scenario, rehearsal) == []

    tried = []
    for at, call in enumerate(calls):
        for mode in modes_of(call) if re.search(scenario.at, call) else ():
            case = begin(world, scenario, shared)
            with world.faults.watched(at, mode):
                scenario.act(case)
            if not world.faults.was_met:  # a run had gone further by now than at the rehearsal, and took fewer calls
                continue
            recover(scenario, case)
            tried.append((call, mode, case, world.ahead, world.take(), world.faults.told))
    assert tried
    wrong = []
    for call, mode, case, ahead, ledger, told in tried:
        world.take()
        world.put(ledger)
        world.ahead, world.faults.told = ahead, told
        wrong += [f"{scenario.name}: {call}: {mode}: {complaint}" for complaint in finish(scenario, case)]
        found["second runs on callers' threads, each found, marked and cancelled"] += case.seconds
    found["points"] += len(tried)
    found["lost"] += sum(": lost: " in complaint for complaint in wrong)
    found["doubled"] += sum(": doubled: " in complaint for complaint in wrong)
    assert not wrong, "\n".join(wrong)
