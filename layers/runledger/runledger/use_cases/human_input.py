"""Runs that wait for a person: whether they still do, and what is recorded when they no longer do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger.domain import answer_states, launch_states
from runledger.domain.answers import answer_in_progress
from runledger.domain.inspection import Gone, MovedOn, started_as
from runledger.domain.json_text import metadata_of
from runledger.domain.launches import launch_id_after
from runledger.domain.problems import Problem
from runledger.domain.settling import ANSWER_DIGEST
from runledger.domain.unconfirmed import kept_about
from runledger.use_cases.record_delivery import record_kept

if TYPE_CHECKING:
    from runledger.domain.inspection import Started
    from runledger.domain.run import Run
    from runledger.use_cases.launcher import Launcher


def not_held(run: Run, now: float) -> None:
    """Raise a 409 Problem while somebody may be at work on an answer to the run."""
    if answer_states.is_held(run, now):
        raise answer_in_progress(int(run["answer_until"]) - int(now))


def as_it_waits(launcher: Launcher, run: Run, until: float) -> dict[str, Any] | MovedOn:
    """Return a run as LangGraph has it, or what its thread did next; a 409 Problem where it knows neither."""
    found = launcher.server.waiting(run, until)
    if isinstance(found, Gone):
        raise Problem(409, "not-waiting", "The run does not wait", "LangGraph no longer knows the run or its thread.")
    return found


def move_on(launcher: Launcher, run: Run, found: MovedOn) -> bool:
    """Note that a run waits no more, after the run that took over, if Runledger has made that; return if it is news."""
    now = time.time()
    digest = None
    if found.answer:
        digest = str(found.answer["metadata"][ANSWER_DIGEST])
        metadata = run.get("metadata") or metadata_of(found.answer["metadata"])
        known: Run = {**run, "metadata": metadata} if metadata else run
        record_answer(launcher, known, started_as(found.answer), digest, now)
    update = answer_states.moved_on(run["run_id"], found.answered_by, now, digest=digest)
    return launcher.runs.apply(update) is None


def record_answer(launcher: Launcher, run: Run, started: Started, digest: str, now: float) -> None:
    """Record the run that answers, before the other is `answered`: in between, its launch would seem to be over."""
    if "launch_id" not in run:
        begun = launch_states.answering(
            launch_id=launch_of(launcher, run),
            digest=digest,
            run_id=started.run_id,
            thread_id=run["thread_id"],
            assistant_id=started.assistant_id,
            langgraph_url=launcher.server.url,
            now=now,
        )
        launcher.launches.apply(begun)
    launch_id = launch_of(launcher, run)
    launcher.record_run(launch_id, run["thread_id"], started, now, metadata=run.get("metadata"))
    left = launcher.launches.apply(launch_states.continued(launch_id, started.run_id, now))
    if left and (kept := kept_about(left, started.run_id)):  # its webhook was faster
        record_kept(launcher.recorder, launcher.launches, launch_id, kept)


def launch_of(launcher: Launcher, run: Run) -> str:
    """Return the launch to which a run's answer belongs: the run's own, or one that begins with the answer."""
    return str(run.get("launch_id") or launch_id_after(run["run_id"], launcher.ledger_id))
