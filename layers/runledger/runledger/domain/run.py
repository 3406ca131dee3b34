"""A run as the ledger has it: each attribute of an item of the Runs table, with its type.

It is the item itself, so that nothing is lost which another version of Runledger has written beside it. DynamoDB gives
numbers as Decimal; whoever reckons with one makes an int of it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet
    from decimal import Decimal

    from runledger.domain.outcomes import Outcome

type Number = int | Decimal


class Run(TypedDict, total=False):
    """A run. Times whose names end in `_at` are texts of RFC 3339, but for those that are epoch seconds (numbers)."""

    schema: Number
    run_id: str
    launch_id: str
    thread_id: str
    assistant_id: str
    langgraph_url: str
    metadata: str  # JSON text
    status: str  # LangGraph's
    outcome: Outcome
    outcome_shard: str
    source: str  # who recorded it: launch, webhook, reconcile (by asking LangGraph)
    created_at: str
    starts_at: Number
    started_at: str
    ended_at: str
    delivered_at: str
    updated_at: str
    expires_at: Number

    payload: str  # JSON text; or in the bucket, under `payload_key`
    payload_key: str
    payload_bytes: Number
    payload_sha256: str
    result_too_large: bool
    missing: str  # why something of the result is missing
    error: Mapping[str, str]
    error_brief: Mapping[str, str]
    questions: str  # JSON text
    question_count: Number
    questions_key: str  # of all of them, where the item has their ids alone

    answer_digest: str
    answer_nonce: str
    answer_holder: str
    answer_until: Number
    answered_by: str

    due_at: Number
    due_shard: str
    checks: Number
    failures: Number
    enqueued: Number
    misses: Number
    missed_since: Number
    unreadable: Number
    unread_since: Number
    heard: bool  # something was reported of its launch that could not be recorded
    webhook_awaited: bool

    unpublished: AbstractSet[str]  # outcomes whose events have not left
    event_state: str
    unverified: bool
    disputed: bool
    confirmed: bool
    corrected: Number
    corrected_from: str
    conflict: str
    doubled: bool
    unproven: bool
    other_status: str
    other_key: str
    other_sha256: str
    other_count: Number
    other_at: str
    claim: str
    claimed_by: str
