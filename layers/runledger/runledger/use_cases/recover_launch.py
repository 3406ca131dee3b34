"""Going on with a launch whose launcher has died, or whose run may be there twice (G2)."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import launch_states, run_states
from runledger.domain.inspection import started_as
from runledger.domain.launches import parse_launch
from runledger.domain.problems import Problem, unavailable
from runledger.domain.settling import STILL
from runledger.use_cases.confirm_runs import resolve

if TYPE_CHECKING:
    from runledger.domain.inspection import Started
    from runledger.domain.launch_states import Launch
    from runledger.domain.launches import LaunchRequest
    from runledger.use_cases.launcher import Launcher


class TakenError(Exception):
    """Somebody else works on the launch."""


def go_on(
    launcher: Launcher, launch: Launch, until: float, request: LaunchRequest | None = None, *, is_patient: bool = False
) -> tuple[Launch, str]:
    """Take over a launch that nobody works on; adopt its run where there is one, else start over.

    Returns the launch as it is then, and its run's id. Raises TakenError where somebody else was faster. On a thread of
    ours a run that is made late can't slip in: the last attempt's thread is deleted first, so that a late creation gets
    404. On a caller's thread LangGraph offers no such fence; there `watch` finds a second run. `launcher` is at the
    launch's own deployment (`Launcher.at`).
    """
    starts_again = launch.is_unstarted and not launch.own_thread
    launch = _take_over(launcher, launch)
    request = request or _request_of(launcher, launch)
    found = _recorded(launcher, launch) or _made(launcher, launch, until, must_know=launch.own_thread)
    if not found and launch.kept:
        if not resolve(launcher, launch, until):
            raise _unconfirmed(launch)
        if found := _recorded(launcher, launch):  # it has recorded both
            return launch, found[0].run_id
    if not found and launch.own_thread:
        launcher.server.delete_thread(launch.thread_id, until)
        found = _recorded(launcher, launch)
    if found:
        telemetry.count("adopted")
        launcher.record(launch, found[0], until, request)
        telemetry.logger.info("adopted")
        return launch, found[0].run_id
    if not starts_again:
        launch = _attempt(launcher, launch)
        telemetry.count("started_over")
    return launch, launcher.start(launch, request, until, is_patient=is_patient)


def adopt(launcher: Launcher, launch: Launch, until: float) -> None:
    """Give a refused launch its run, if there is one after all."""
    if found := _recorded(launcher, launch) or _made(launcher, launch, until):
        telemetry.count("adopted")
        if not launcher.record(launch, found[0], until):
            raise unavailable("The adopted run can't be recorded.")


def watch(launcher: Launcher, launch: Launch, until: float) -> None:
    """Look for further runs of a launch that was started over on a caller's thread; record, count, cancel them."""
    for run in launcher.server.runs_of(launch, until):
        if run["run_id"] != launch.run_id:
            now = time.time()
            second = started_as(run)
            launcher.record_first(launch, second, now)
            if launcher.runs.apply(run_states.doubled(second.run_id, launch.launch_id, now)) is None:
                telemetry.count("doubled")
                telemetry.logger.error("a second run of the launch appeared", doubled_run=second.run_id)
            if run["status"] in STILL:
                launcher.server.cancel(launch.thread_id, second.run_id, until)


def _take_over(launcher: Launcher, launch: Launch) -> Launch:
    holder = str(uuid.uuid4())
    found = launcher.launches.apply(launch_states.taken_over(launch, holder, time.time()))
    if found is not None and found.get("holder") != holder:  # it is ours where the first answer was lost
        raise TakenError
    return replace(launch, state="starting", holder=holder)


def _attempt(launcher: Launcher, launch: Launch) -> Launch:
    """Begin another attempt, on another thread where the launch has one of its own."""
    attempt = launch.attempt + 1
    thread_id = str(uuid.uuid4()) if launch.own_thread else launch.thread_id
    found = launcher.launches.apply(launch_states.attempted(launch, thread_id, time.time()))
    if found is not None and (found.get("holder"), found.get("attempt")) != (launch.holder, attempt):
        raise TakenError
    return replace(launch, attempt=attempt, thread_id=thread_id)


def _request_of(launcher: Launcher, launch: Launch) -> LaunchRequest:
    text = launch.request or launcher.bucket.fetch(str(launch.request_key))
    return parse_launch(text.encode())


def _recorded(launcher: Launcher, launch: Launch) -> list[Started]:
    """Return the runs of a launch that are in the ledger."""
    return [started_as(item) for item in launcher.runs.of_launch(launch.launch_id)]


def _made(launcher: Launcher, launch: Launch, until: float, *, must_know: bool = False) -> list[Started]:
    """Return the runs of a launch that LangGraph has."""
    return [started_as(run) for run in launcher.server.runs_of(launch, until, must_know=must_know)]


def _unconfirmed(launch: Launch) -> Problem:
    return Problem(
        409,
        "launch-unconfirmed",
        "The launch is being confirmed",
        "A delivery about a run of this launch came, and LangGraph does not know that run. It is asked again for half "
        "an hour, before the launch ends as unconfirmed. Send the same request again later.",
        headers={"Retry-After": "60"},
        extra={"launch_id": launch.launch_id},
    )
