"""Ending a run that nobody wants any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import answer_states, run_states
from runledger.domain.inspection import MovedOn
from runledger.domain.problems import Problem
from runledger.use_cases.human_input import as_it_waits, move_on, not_held

if TYPE_CHECKING:
    from runledger.domain.run import Run
    from runledger.use_cases.launcher import Launcher


def cancel(launcher: Launcher, run: Run, until: float) -> str:
    """End a run; return what the ledger says of it by now, or raise a Problem where there is nothing to end.

    The ledger is told by webhook, or by the worker. One that waits has ended for LangGraph, which can't cancel it: it
    ends in the ledger alone.
    """
    outcome = str(run["outcome"])
    if outcome == "awaiting_input":
        return _stop_waiting(launcher, run, until)
    if outcome == "pending":
        _cancel_in_langgraph(launcher, run, until)
        telemetry.logger.info("cancelled", outcome=outcome)
    elif outcome == "cancelled":
        telemetry.logger.info("repeated")
    elif outcome == "unconfirmed":
        raise Problem(
            409,
            "run-is-unconfirmed",
            "The run is not confirmed",
            "Only a token vouches for it; LangGraph must confirm it.",
        )
    else:
        raise _over(f"The run is {outcome}; there is nothing to cancel.", is_ending=outcome == "settling")
    return outcome


def _stop_waiting(launcher: Launcher, run: Run, until: float) -> str:
    now = time.time()
    not_held(run, now)
    if "answer_nonce" in run:  # an answer may have reached LangGraph
        launcher = launcher.of(run)
        found = as_it_waits(launcher, run, until)
        if isinstance(found, MovedOn):
            move_on(launcher, run, found)
            raise _over("The run has been answered; there is nothing to cancel.")
    changed = launcher.runs.apply(answer_states.cancelled(run, now))
    if changed is not None and changed["outcome"] != "cancelled":
        return cancel(launcher, changed, until)
    telemetry.count("cancelled")
    telemetry.logger.info("cancelled", outcome="cancelled")
    return "cancelled"


def _cancel_in_langgraph(launcher: Launcher, run: Run, until: float) -> None:
    ended_as = launcher.of(run).server.cancel(run["thread_id"], run["run_id"], until)
    if ended_as is None:
        telemetry.count("cancelled")
    launcher.runs.apply(run_states.due_now(run["run_id"], time.time()))  # no webhook comes of one that had not begun
    if ended_as not in (None, "interrupted"):  # that is what an earlier cancel has made of it
        raise _over(f"For LangGraph the run is {ended_as}; the ledger will have it in a minute or two.", is_ending=True)


def _over(detail: str, *, is_ending: bool = False) -> Problem:
    headers = {"Retry-After": "2"} if is_ending else {}
    return Problem(409, "run-is-over", "The run is over", detail, headers=headers)
