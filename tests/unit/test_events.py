"""What the rest of AWS hears of a run, in the form that events/schemas promises."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from local.template import ROOT
from runledger.domain.events import CORRECTED, detail_type, events_of, is_published
from runledger.domain.json_text import MAX_METADATA_BYTES
from runledger.domain.outcomes import Outcome
from runledger.domain.questions import MAX_BYTES

SCHEMAS = json.loads((ROOT / "events" / "schemas" / "run-events.json").read_text())
TOLD = [outcome for outcome in get_args(Outcome) if is_published(outcome)]
AT = "2026-11-22T05:59:32.822367Z"
RUN: Any = {
    "run_id": "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51",
    "launch_id": "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10",
    "thread_id": "thread",
    "assistant_id": "agent",
    "status": "success",
    "outcome": "awaiting_input",
    "outcome_shard": "awaiting_input#1",
    "source": "webhook",
    "metadata": '{"tenant": "a", "price": 1.0}',
    "error": {"type": "E", "message": "boom"},
    "questions": '[{"id": "i1", "value": 1.0}]',
    "answered_by": "01a201d6-a0d4-71ed-b1cb-bd7f037d2e52",
    "created_at": AT,
    "started_at": AT,
    "ended_at": AT,
    "payload": '{"secret": "of the caller"}',
    "payload_key": "runs/1/2/3",
    "payload_bytes": Decimal(27),
    "result_too_large": True,
    "doubled": True,
    "due_at": Decimal(1),
}


def validate(name: str, detail: str) -> None:
    """Fail where a detail is not what the schema of its detail-type says."""
    schema = {"$schema": SCHEMAS["$schema"], "$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(json.loads(detail))


def test_every_outcome_but_the_stages_on_the_way_is_told_and_has_a_schema() -> None:
    assert set(get_args(Outcome)) - set(TOLD) == {"pending", "settling", "unconfirmed"}
    assert {detail_type(name) for name in (*TOLD, CORRECTED)} == set(SCHEMAS["$defs"]) - {"run", "time"}


@pytest.mark.parametrize("outcome", TOLD)
@pytest.mark.parametrize("bare", [False, True])
def test_g5_an_event_is_what_its_schema_says_and_no_payload(outcome: str, *, bare: bool) -> None:
    needed = {"run_id", "status", "created_at", "answered_by"}
    run: Any = {name: value for name, value in RUN.items() if name in needed or not bare}
    (event,) = events_of(run | {"unpublished": {outcome}})
    assert event.detail_type == f"Run {outcome.replace('_', ' ').title()}"
    validate(event.detail_type, event.detail)
    detail = json.loads(event.detail)
    assert (detail["id"], detail["outcome"]) == (f"{RUN['run_id']}/{outcome}", outcome)
    assert ("questions" in detail, "answered_by" in detail) == (outcome == "awaiting_input", outcome == "answered")
    assert "of the caller" not in event.detail
    assert not {"payload", "payload_key", "due_at"} & set(detail)


def test_a_question_keeps_its_digits() -> None:
    (event,) = events_of(RUN | {"unpublished": {"awaiting_input"}})
    assert '"questions": [{"id": "i1", "value": 1.0}]' in event.detail


def test_an_event_has_the_runs_metadata_for_rules_to_match() -> None:
    (event,) = events_of(RUN | {"unpublished": {"failed"}})
    assert '"metadata": {"tenant": "a", "price": 1.0}' in event.detail


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "awaiting_input", "pending"])
def test_g11_a_correction_has_the_outcome_that_counts_now_and_an_id_for_each_time(outcome: str) -> None:
    corrected: Any = {**RUN, "outcome": outcome, "corrected": Decimal(2), "unpublished": {CORRECTED}}
    (event,) = events_of(corrected)
    assert event.detail_type == "Run Corrected"
    detail = json.loads(event.detail)
    assert (detail["id"], detail["outcome"]) == (f"{RUN['run_id']}/corrected/2", outcome)
    assert "of the caller" not in event.detail
    validate("Run Corrected", event.detail)


@pytest.mark.parametrize(
    ("unpublished", "order"),
    [
        ({"answered", "awaiting_input"}, ["awaiting_input", "answered"]),
        ({"succeeded", "lost"}, ["lost", "succeeded"]),
        ({"abandoned", "awaiting_input", "lost"}, ["lost", "awaiting_input", "abandoned"]),
        ({"corrected", "failed", "awaiting_input"}, ["awaiting_input", "failed", "corrected"]),
        (set(), []),
    ],
)
def test_g8_events_that_have_not_left_come_in_the_order_of_their_outcomes(
    unpublished: set[str], order: list[str]
) -> None:
    told = events_of(RUN | {"corrected": Decimal(1), "unpublished": unpublished})
    assert [event.detail_type for event in told] == [detail_type(name) for name in order]


def test_an_event_is_far_below_what_eventbridge_takes() -> None:
    longest = "\U0001f389" * 256
    run: Any = {**RUN, "thread_id": longest, "assistant_id": longest, "status": longest}
    run |= {"error": {"type": "\U0001f389" * 2000, "message": "\U0001f389" * 2000}}
    run |= {"metadata": json.dumps({"pad": "x" * (MAX_METADATA_BYTES - 12)})}
    run |= {"questions": json.dumps([{"id": "i", "value": "x" * (MAX_BYTES - 40)}])}
    (event,) = events_of(run | {"unpublished": {"awaiting_input"}})
    assert len(event.detail.encode()) < 128 * 1024


def test_the_schema_notices_what_is_not_promised() -> None:
    """What the tests above prove they prove only while this holds."""
    (event,) = events_of(RUN | {"unpublished": {"failed"}})
    for change in ({"payload": "x"}, {"run_id": "x"}, {"outcome": "lost"}, {"created_at": None}):
        with pytest.raises(Exception, match=r".+"):
            validate(event.detail_type, json.dumps({**json.loads(event.detail), **change}))
