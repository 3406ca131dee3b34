"""Recording what LangGraph says of runs, and of ends of runs, that only a token vouches for (G11)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states, retry, run_states, unconfirmed, verification
from runledger.domain.inspection import Confirmed, NotOurs, Verified, started_as
from runledger.domain.launches import launch_named_by
from runledger.domain.settling import ANSWERS, NONCE
from runledger.use_cases.record_delivery import record_kept

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.inspection import Denied
    from runledger.domain.launch_states import Launch
    from runledger.domain.run import Run
    from runledger.domain.unconfirmed import Kept
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.ports import PayloadStore, Store

_LOOKS = retry.MISSES  # at least, before a run that LangGraph does not know is given up


def note_verified(runs: Store[Run], run: Run, found: Verified | Denied) -> None:
    """Record what LangGraph says of the end that a webhook reported."""
    if isinstance(found, Verified):
        runs.apply(verification.verified(run))
    elif runs.apply(verification.doubted(run, time.time())) is None:
        telemetry.count("contradicted")
        telemetry.logger.error("LangGraph does not confirm the end that a delivery reported", status=run["status"])


def note_claim(
    runs: Store[Run], launches: Store[dict[str, Any]], bucket: PayloadStore, run: Run, found: Confirmed | NotOurs
) -> None:
    """Record what LangGraph says of the run of a claim."""
    one, now = unconfirmed.claim_of(run), time.time()
    match found:
        case Confirmed(facts, None):
            runs.apply(verification.found_going(one, facts, now))
            telemetry.count("forged")
            telemetry.logger.error("a delivery reported an end, but LangGraph says that the run goes on")
        case Confirmed(facts, seen) if seen:
            key = bucket.put_questions(facts.launch_id, run["run_id"], seen.all_questions)
            if runs.apply(verification.confirmed(one, facts, seen, now, key)) is None:
                telemetry.count("confirmed")
                telemetry.logger.info("confirmed", outcome=seen.outcome)
        case NotOurs(owner):
            if owner:
                launches.apply(launch_states.heard(owner, now))
            _reject(one)
            runs.apply(run_states.closed(run["run_id"], int(run["due_at"])))


def resolve(launcher: Launcher, launch: Launch, until: float) -> bool:
    """Record or reject the deliveries that are kept in a launch; return whether none is left.

    A run that LangGraph does not know is asked about again, for half an hour. Then the delivery is rejected; a launch
    that has no other run ends with it as `unconfirmed`, and is not started again: the run may have been deleted.
    """
    resolved = [_resolve(launcher, launch, one, until) for one in launch.kept]  # every one, whatever the first came to
    return all(resolved)


def _resolve(launcher: Launcher, launch: Launch, one: Kept, until: float) -> bool:
    run_id = one.delivery.run_id
    telemetry.about(run_id=run_id)
    run = launcher.runs.item(run_id)
    if run is not None and run["outcome"] != unconfirmed.UNCONFIRMED and run.get("launch_id") != launch.launch_id:
        return _rejected(launcher, launch, one)
    if run is None or "claim" in run:
        found = launcher.server.get(launch.thread_id, run_id, until)
        if found is None:
            return _missed(launcher, launch, one)
        if not _is_of(launcher, launch, found):
            return _rejected(launcher, launch, one)
        launcher.record_first(launch, started_as(found), time.time())
    record_kept(launcher.recorder, launcher.launches, launch.launch_id, one)
    return True


def _is_of(launcher: Launcher, launch: Launch, run: Mapping[str, Any]) -> bool:
    """Whether a run of LangGraph's is the launch's own, or answers one of its runs: what it inherits does not count."""
    if launch_named_by(run, launcher.ledger_id) != launch.launch_id:
        return False
    asked_id, nonce = run["metadata"].get(ANSWERS), run["metadata"].get(NONCE)
    if not asked_id:
        return nonce is not None and nonce == launch.start_nonce
    asked = launcher.runs.item(str(asked_id)) or {}
    return nonce is not None and nonce == asked.get("answer_nonce")


def _rejected(launcher: Launcher, launch: Launch, one: Kept) -> bool:
    _reject(one)
    launcher.launches.apply(unconfirmed.taken(launch.launch_id, one))
    return True


def _reject(one: Kept) -> None:
    telemetry.count("forged")
    telemetry.logger.error("a delivery is rejected: its token does not speak for this run", status=one.delivery.status)


def _missed(launcher: Launcher, launch: Launch, one: Kept) -> bool:
    """Note that LangGraph does not know the run; return whether that was the last look."""
    now = time.time()
    if launch.checks + 1 < _LOOKS or now < one.since + retry.MISSED_SECONDS:
        return False
    if (launcher.launches.item(launch.launch_id) or {}).get("state") == "starting":  # the first alone
        launcher.runs.apply(verification.unconfirmed(one, launch.launch_id, now))
        launcher.launches.apply(launch_states.started(launch, one.delivery.run_id, now, heard=True))
    telemetry.count("unconfirmed")
    telemetry.logger.error("LangGraph does not know the run of a delivery; it stays unconfirmed")
    launcher.launches.apply(unconfirmed.taken(launch.launch_id, one))
    return True
