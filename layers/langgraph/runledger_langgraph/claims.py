"""Asking LangGraph about runs, and about ends of runs, that only a token vouches for (G11)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from langgraph_sdk.errors import NotFoundError

from runledger.domain import unconfirmed
from runledger.domain.inspection import (
    Confirmed,
    Denied,
    Ended,
    Gone,
    NotOurs,
    Running,
    TooLargeError,
    UnreadableError,
    Verified,
)
from runledger.domain.launches import launch_named_by
from runledger.domain.settling import STILL, facts_of, unsettled
from runledger_langgraph.inspection import inspect_result

if TYPE_CHECKING:
    from langgraph_sdk.client import LangGraphClient

    from runledger.domain.run import Run

_CHECKPOINT_SECONDS = 3.0  # less than those who ask give the whole look


async def verify(client: LangGraphClient, run: Run) -> Verified | Denied | Running | Gone:
    """Ask whether a run has ended as its webhook said. A run that was rolled back is deleted: there 404 says so."""
    found = await get_run(client, run["thread_id"], run["run_id"])
    if found is None:
        return Verified() if run["outcome"] == "rolled_back" else Gone(rolled_back=False)
    if found["status"] in STILL:
        return Running()
    return Verified() if found["status"] == run["status"] else Denied()


async def inspect_claim(client: LangGraphClient, run: Run, ledger_id: str) -> Confirmed | NotOurs | Gone:
    """Ask whether the run of a claim exists, and belongs to whom the claim's token speaks for."""
    one = unconfirmed.claim_of(run)
    thread_id, run_id = one.delivery.thread_id, one.delivery.run_id
    if thread_id is None:  # it names no thread, so LangGraph can't be asked
        return Gone(rolled_back=False)
    found = await get_run(client, thread_id, run_id)
    if found is None:
        return Gone(rolled_back=False)
    owner = launch_named_by(found, ledger_id)
    if owner != run.get("claimed_by"):
        return NotOurs(owner)
    facts = facts_of(found, owner, time.time())
    if found["status"] in STILL:
        return Confirmed(facts, None)
    try:
        async with asyncio.timeout(_CHECKPOINT_SECONDS):
            ended = await inspect_result(client, thread_id, run_id, facts.created_at, 0)
    except (TooLargeError, UnreadableError, TimeoutError):
        return Confirmed(facts, unsettled(found))  # it is settled as every other run whose checkpoint can't be read
    return Confirmed(facts, ended.seen) if isinstance(ended, Ended) else Gone(rolled_back=False)


async def get_run(client: LangGraphClient, thread_id: str, run_id: str) -> dict[str, Any] | None:
    """Return a run as LangGraph has it; None where it has none."""
    try:
        found: dict[str, Any] = dict(await client.runs.get(thread_id, run_id))
    except NotFoundError:
        return None
    if found["run_id"] != run_id or not isinstance(found["status"], str):
        raise TypeError("run_id")  # not LangGraph's answer
    return found
