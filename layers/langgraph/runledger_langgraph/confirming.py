"""Asking LangGraph about runs, and about ends of runs, that only a token vouches for (G11)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langgraph_sdk.errors import NotFoundError

from runledger.adapters import telemetry
from runledger.domain import launch_states, run_states, unconfirmed, verification
from runledger.domain.launches import LEDGER
from runledger.domain.settling import ANSWERS, NONCE, STILL, Facts, Seen, facts_of, unsettled
from runledger_langgraph.checkpoints import TooLargeError, UnreadableError
from runledger_langgraph.inspection import Ended, Gone, Running, look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from langgraph_sdk.client import LangGraphClient

    from runledger.adapters.bucket import Bucket
    from runledger.adapters.tables import Table
    from runledger.domain.launch_states import Launch
    from runledger.domain.unconfirmed import Kept
    from runledger_langgraph.launcher import Launcher

_LOOKS = run_states.MISSES  # at least, before a run that LangGraph does not know is given up
_CHECKPOINT_SECONDS = 3.0  # less than those who ask give the whole look


@dataclass(frozen=True, slots=True)
class Confirmed:
    """LangGraph knows the run. `seen` is how it ended, None where it goes on."""

    facts: Facts
    seen: Seen | None


@dataclass(frozen=True, slots=True)
class NotOurs:
    """LangGraph knows the run, and it is not the token's: it belongs to the launch `owner`, or to another ledger."""

    owner: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """LangGraph says the same as the webhook."""


@dataclass(frozen=True, slots=True)
class Denied:
    """LangGraph says otherwise than the webhook."""


async def verify(client: LangGraphClient, run: Mapping[str, Any]) -> Verified | Denied | Running | Gone:
    """Ask whether a run has ended as its webhook said. A run that was rolled back is deleted: there 404 says so."""
    found = await _get(client, run["thread_id"], run["run_id"])
    if found is None:
        return Verified() if run["outcome"] == "rolled_back" else Gone(rolled_back=False)
    if found["status"] in STILL:
        return Running()
    return Verified() if found["status"] == run["status"] else Denied()


async def look_at_claim(client: LangGraphClient, run: Mapping[str, Any], ledger_id: str) -> Confirmed | NotOurs | Gone:
    """Ask whether the run of a claim exists, and belongs to whom the claim's token speaks for."""
    one = unconfirmed.claim_of(run)
    thread_id, run_id = one.delivery.thread_id, one.delivery.run_id
    if thread_id is None:  # it names no thread, so LangGraph can't be asked
        return Gone(rolled_back=False)
    found = await _get(client, thread_id, run_id)
    if found is None:
        return Gone(rolled_back=False)
    owner = _launch_of(found, ledger_id)
    if owner != run.get("claimed_by"):
        return NotOurs(owner)
    facts = facts_of(found, owner, time.time())
    if found["status"] in STILL:
        return Confirmed(facts, None)
    try:
        async with asyncio.timeout(_CHECKPOINT_SECONDS):
            ended = await look(client, thread_id, run_id, facts.created_at, 0)
    except (TooLargeError, UnreadableError, TimeoutError):
        return Confirmed(facts, unsettled(found))  # it is settled as every other run whose checkpoint can't be read
    return Confirmed(facts, ended.seen) if isinstance(ended, Ended) else Gone(rolled_back=False)


def note_verified(runs: Table, run: Mapping[str, Any], found: Verified | Denied) -> None:
    """Record what LangGraph says of the end that a webhook told of."""
    if isinstance(found, Verified):
        runs.apply(verification.verified(run))
    elif runs.apply(verification.doubted(run, time.time())) is None:
        telemetry.count("contradicted")
        telemetry.logger.error("LangGraph does not confirm the end that a delivery reported", status=run["status"])


def note_claim(
    runs: Table, launches: Table, bucket: Bucket, run: Mapping[str, Any], found: Confirmed | NotOurs
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


def record_kept(launcher: Launcher, launch_id: str, one: Kept) -> None:
    """Record a kept delivery, whose run is recorded by now."""
    launcher.recorder.record(one.delivery, one.placed, launch_id, disputed=one.disputed)
    launcher.launches.apply(unconfirmed.taken(launch_id, one))


def _resolve(launcher: Launcher, launch: Launch, one: Kept, until: float) -> bool:
    run_id = one.delivery.run_id
    telemetry.about(run_id=run_id)
    run = launcher.runs.item("run_id", run_id)
    if run is not None and run["outcome"] != unconfirmed.UNCONFIRMED and run.get("launch_id") != launch.launch_id:
        return _rejected(launcher, launch, one)
    if run is None or "claim" in run:
        found = launcher.ask(until, lambda client: _get(client, launch.thread_id, run_id))
        if found is None:
            return _missed(launcher, launch, one)
        if not _is_of(launcher, launch, found):
            return _rejected(launcher, launch, one)
        launcher.record_found(launch, found)
    record_kept(launcher, launch.launch_id, one)
    return True


def _is_of(launcher: Launcher, launch: Launch, run: Mapping[str, Any]) -> bool:
    """Whether a run of LangGraph's is the launch's own, or answers one of its runs: what it inherits does not count."""
    if _launch_of(run, launcher.ledger_id) != launch.launch_id:
        return False
    asked_id, nonce = run["metadata"].get(ANSWERS), run["metadata"].get(NONCE)
    if not asked_id:
        return nonce is not None and nonce == launch.start_nonce
    asked = launcher.runs.item("run_id", str(asked_id)) or {}
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
    if launch.checks + 1 < _LOOKS or now < one.since + run_states.MISSED_SECONDS:
        return False
    if (launcher.launches.item("launch_id", launch.launch_id) or {}).get("state") == "starting":  # the first alone
        launcher.runs.apply(verification.unconfirmed(one, launch.launch_id, now))
        launcher.launches.apply(launch_states.started(launch, one.delivery.run_id, now, heard=True))
    telemetry.count("unconfirmed")
    telemetry.logger.error("LangGraph does not know the run of a delivery; it stays unconfirmed")
    launcher.launches.apply(unconfirmed.taken(launch.launch_id, one))
    return True


async def _get(client: LangGraphClient, thread_id: str, run_id: str) -> dict[str, Any] | None:
    """Return a run as LangGraph has it; None where it has none."""
    try:
        found: dict[str, Any] = dict(await client.runs.get(thread_id, run_id))
    except NotFoundError:
        return None
    if found["run_id"] != run_id or not isinstance(found["status"], str):
        raise TypeError("run_id")  # not LangGraph's answer
    return found


def _launch_of(run: Mapping[str, Any], ledger_id: str) -> str | None:
    """Return the launch of this ledger that a run of LangGraph's names; "" for one of another ledger."""
    metadata = run.get("metadata") or {}
    if metadata.get(LEDGER, ledger_id) != ledger_id:
        return ""
    launch_id = metadata.get("launch_id")
    return None if launch_id is None else str(launch_id)
