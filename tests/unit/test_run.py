"""Items of the version before this one, which had no `schema`, are read as those of this one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

import pytest

from runledger.domain import events, views
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import SCHEMA
from runledger.domain.steps import next_step

if TYPE_CHECKING:
    from runledger.domain.run import Run

# As the version before wrote them, to the attribute.
RUN: dict[str, Any] = {
    "run_id": "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51",
    "launch_id": "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10",
    "thread_id": "01a201d6-a0d1-70a4-a07d-24d5b1a571e8",
    "assistant_id": "fe096781-5601-53d2-b2f6-0d3403f7e9ca",
    "langgraph_url": "https://langgraph.example",
    "metadata": '{"tenant": "a"}',
    "status": "success",
    "source": "webhook",
    "outcome": "succeeded",
    "outcome_shard": "succeeded#5",
    "unpublished": {"succeeded"},
    "event_state": "unpublished",
    "payload": '{"values":{"answer":42}}',
    "payload_bytes": Decimal(24),
    "payload_sha256": "0" * 64,
    "created_at": "2026-11-22T05:59:32.822367Z",
    "starts_at": Decimal(1795327172),
    "ended_at": "2026-11-22T05:59:33.653878Z",
    "delivered_at": "2026-11-22T05:59:34.000000Z",
    "updated_at": "2026-11-22T05:59:34.000000Z",
    "due_at": Decimal(1795327294),
    "due_shard": "5",
    "checks": Decimal(1),
}
LAUNCH: dict[str, Any] = {
    "launch_id": RUN["launch_id"],
    "state": "starting",
    "attempt": Decimal(1),
    "digest": "d",
    "request": "{}",
    "assistant_id": "agent",
    "thread_id": RUN["thread_id"],
    "own_thread": True,
    "stream": False,
    "langgraph_url": "https://langgraph.example",
    "start_nonce": "somebody",
    "created_at": RUN["created_at"],
    "holder": "somebody",
    "lease_until": Decimal(1795327232),
    "updated_at": RUN["created_at"],
    "due_at": Decimal(1795327232),
    "due_shard": "5",
    "checks": Decimal(2),
}


@pytest.mark.parametrize("now", [0, 1795327300])
def test_g1_a_run_of_the_version_before_needs_what_one_of_this_version_needs(now: int) -> None:
    before, this = cast("Run", RUN), cast("Run", {**RUN, "schema": SCHEMA})
    assert next_step(before, now) == next_step(this, now)
    assert events.events_of(before) == events.events_of(this)
    assert json.loads(views.run(before, "")) == json.loads(views.run(this, ""))


def test_g1_a_launch_of_the_version_before_is_read_as_one_of_this_version() -> None:
    assert Launch.read(LAUNCH) == Launch.read({**LAUNCH, "schema": SCHEMA})
    assert (Launch.read(LAUNCH).checks, Launch.read(LAUNCH).failures) == (2, 0)
