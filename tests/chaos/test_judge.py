"""Each thing that may not happen is a violation, and nothing else is."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.callers import Launch
from tests.chaos.judge import Evidence, violations

if TYPE_CHECKING:
    from collections.abc import Callable

SENT = '{"run_id": "r0", "kwargs": {"webhook": "http://h/webhook?token=k1.a.2.b-c_d"}, "values": {"sum": 0.30}}'
KEPT = SENT.replace("k1.a.2.b-c_d", "")


def evidence() -> Evidence:
    """Return one launch that succeeded, and one whose question was answered."""
    asked = Launch(1, {}, "insists", is_answered=True, run_ids={"r1"}, answer_ids={"r2"})

    def run(run_id: str, number: int, outcome: str, **more: Any) -> dict[str, Any]:
        text = json.dumps({"n": str(number)})
        item = {"run_id": run_id, "launch_id": f"l{number}", "outcome": outcome, "source": "reconcile"}
        return {**item, "status": "success", "thread_id": f"t{number}", "metadata": text, **more}

    def listed(number: int) -> dict[str, Any]:
        return {"metadata": {"n": str(number)}, "status": "success", "thread_id": f"t{number}"}

    def event(run_id: str, kind: str) -> dict[str, Any]:
        return {"run_id": run_id, "detail-type": kind, "id": f"{run_id} {kind}"}

    return Evidence(
        asked=[Launch(0, {}, "message", is_answered=False, run_ids={"sent"}), asked],
        launches=[{"launch_id": f"l{number}", "state": "started"} for number in range(2)],
        runs={
            "r0": run("r0", 0, "succeeded", source="webhook"),
            "r1": run("r1", 1, "answered"),
            "r2": run("r2", 1, "succeeded"),
        },
        payloads={"r0": KEPT, "r1": '{"values": {"a": 1}}', "r2": '{"values": {"b": 2}}'},
        listed={"r0": listed(0), "r1": listed(1), "r2": listed(1)},
        values={"r0": {"sum": "0.30"}, "r1": {"a": "1", "__interrupt__": []}, "r2": {"b": "2"}},
        received={"r0": {SENT}},
        events=[
            event("r0", "Run Succeeded"),
            event("r0", "Run Succeeded"),
            event("r1", "Run Awaiting Input"),
            event("r1", "Run Answered"),
            event("r2", "Run Succeeded"),
        ],
    )


def test_what_is_as_it_must_be_is_no_violation() -> None:
    assert violations(evidence()) == []


def test_a_launch_whose_caller_gave_up_may_have_no_run() -> None:
    found = evidence()
    found.asked.append(Launch(2, {}, "gives up", is_answered=False, run_ids={"gave up"}))
    assert violations(found) == []


def test_a_launch_that_langgraph_refused_and_whose_caller_gave_up_may_stay_refused() -> None:
    found = evidence()
    found.launches.append({"launch_id": "l2", "state": "refused"})
    assert violations(found) == ["1 launches are refused, but 0 callers without a run gave up"]
    found.asked.append(Launch(2, {}, "gives up", is_answered=False, run_ids={"gave up"}))
    assert violations(found) == []
    found.runs["r2"]["launch_id"] = "l2"
    assert "launch l2: is refused" in violations(found)


def lost(found: Evidence) -> None:
    for table in (found.runs, found.listed, found.payloads):
        del table["r0"]
    del found.launches[0], found.events[:2]


def doubled(found: Evidence) -> None:
    for table in (found.runs, found.listed):
        table["r9"] = dict(table["r0"])
    found.payloads["r9"], found.values["r9"] = '{"values": {"sum": 0.30}}', {"sum": "0.30"}
    found.runs["r9"]["source"] = "reconcile"
    found.events.append({"run_id": "r9", "detail-type": "Run Succeeded", "id": "r9"})


BROKEN: dict[str, Callable[[Evidence], Any]] = {
    "launch 0 (message): lost": lost,
    "launch 0 (message): LangGraph has 2 runs": doubled,
    "launch 1: its caller was never told": lambda found: found.asked[1].run_ids.clear(),
    "launch 1: its caller was told of r7": lambda found: found.asked[1].answer_ids.add("r7"),
    "launch 1: answered 0 times": lambda found: found.runs["r1"].update(outcome="awaiting_input"),
    "launch l0: is starting": lambda found: found.launches[0].update(state="starting"),
    "launch l5: has no run": lambda found: found.launches.append({"launch_id": "l5", "state": "started"}),
    "run r0: not in the ledger": lambda found: found.runs.pop("r0"),
    "run r0: in the ledger alone": lambda found: found.listed.pop("r0"),
    "run r0: pending": lambda found: found.runs["r0"].update(outcome="pending"),
    "run r0: lost": lambda found: found.runs["r0"].update(outcome="lost"),
    "run r0: succeeded, doubled": lambda found: found.runs["r0"].update(doubled=True),
    "run r0: success on t0, in LangGraph error": lambda found: found.listed["r0"].update(status="error"),
    "run r0: a token": lambda found: found.payloads.update(r0=SENT),
    "run r0: its payload is none of": lambda found: found.payloads.update(r0=KEPT.replace("0.30", "0.3")),
    "run r0: its result": lambda found: found.values.update(r0={"sum": "0.3"}),
    "run r0: published []": lambda found: found.events.__delitem__(slice(2)),
    "run r0: Run Succeeded under 2 ids": lambda found: found.events[0].update(id="other"),
    "event r0 Run Succeeded: of 2": lambda found: found.events[4].update(id="r0 Run Succeeded"),
    "run r1: published ['Run Answered']": lambda found: found.events.pop(2),
    "run r2: not published": lambda found: found.runs["r2"].update(unpublished={"succeeded"}),
}


@pytest.mark.parametrize("wanted", BROKEN)
def test_what_may_not_happen_is_a_violation(wanted: str) -> None:
    found = copy.deepcopy(evidence())
    BROKEN[wanted](found)
    assert any(one.startswith(wanted) for one in violations(found)), violations(found)
