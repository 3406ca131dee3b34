"""What callers are shown of the ledger, and that it is nothing else."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from runledger.domain import views

RUN: Any = {
    "run_id": "01a201d6-a0d4-71ed-b1cb-bd7f037d2e51",
    "launch_id": "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10",
    "thread_id": "a thread/é",
    "assistant_id": "agent",
    "status": "success",
    "outcome": "awaiting_input",
    "outcome_shard": "awaiting_input#3",
    "source": "webhook",
    "metadata": '{"price": 1.0}',
    "questions": '[{"id": "i1", "value": 1.0}]',
    "payload": '{"sum":0.30000000000000004,"large":9223372036854775808,"lone":"\\ud800","twice":1,"twice":2}',
    "payload_bytes": Decimal(92),
    "payload_sha256": "0" * 64,
    "created_at": "2026-11-22T05:59:32.822367Z",
    "due_at": Decimal(1),
    "due_shard": "1",
    "starts_at": Decimal(1),
    "checks": Decimal(2),
}
LAUNCH: Any = {
    "launch_id": RUN["launch_id"],
    "state": "started",
    "run_id": RUN["run_id"],
    "thread_id": RUN["thread_id"],
    "assistant_id": "agent",
    "created_at": RUN["created_at"],
    "updated_at": RUN["created_at"],
    "callback": "AQCEAAAAKgAAAAMAAAAA-task-token",
    "request": '{"assistant_id": "agent", "input": {}}',
    "digest": "d",
    "holder": "somebody",
    "lease_until": Decimal(1),
    "attempt": Decimal(1),
    "own_thread": True,
    "langgraph_url": "https://langgraph.example.org",
}


def test_g3_a_run_is_shown_with_the_payload_as_it_was_received() -> None:
    text = views.run(RUN, "/prod")
    assert f'"payload": {RUN["payload"]}' in text
    assert f'"questions": {RUN["questions"]}' in text
    assert f'"metadata": {RUN["metadata"]}' in text
    shown = json.loads(text)
    assert shown["payload_bytes"] == 92
    assert shown["links"] == {
        "launch": f"/prod/launches/{RUN['launch_id']}",
        "thread": "/prod/runs?thread_id=a%20thread%2F%C3%A9",
    }


def test_g5_only_what_is_for_callers_is_shown() -> None:
    ours = {"outcome_shard", "due_at", "due_shard", "starts_at", "checks"}
    assert set(json.loads(views.run(RUN, ""))) == set(RUN) - ours | {"links"}
    summary = json.loads(views.page([RUN], "", None))["runs"][0]
    assert set(summary) == set(RUN) - ours - {"metadata", "questions", "payload", "payload_sha256"} | {"links"}
    shown = json.loads(views.launch(LAUNCH, [RUN], ""))
    ours = {"callback", "request", "digest", "holder", "lease_until", "attempt", "own_thread", "langgraph_url"}
    assert set(shown) == set(LAUNCH) - ours | {"outcome", "runs"}


def test_a_list_shows_an_error_briefly_and_a_run_the_whole_of_it() -> None:
    item = {**RUN, "error": {"type": "E", "message": "x" * 2000}, "error_brief": {"type": "E", "message": "x" * 200}}
    assert json.loads(views.run(item, ""))["error"] == item["error"]
    for listed in (item, {name: value for name, value in item.items() if name != "error"}):
        (shown,) = json.loads(views.page([listed], "", None))["runs"]
        assert shown["error"] == item["error_brief"]
        assert "error_brief" not in shown
    assert "error" not in json.loads(views.page([RUN], "", None))["runs"][0]


@pytest.mark.parametrize(
    ("status", "conflict", "shown"), [("error", "success", "success"), ("success", "success", None)]
)
def test_g11_a_conflict_is_shown_in_langgraphs_word_as_long_as_the_run_says_otherwise(
    status: str, conflict: str, shown: str | None
) -> None:
    item = {**RUN, "status": status, "conflict": conflict}
    assert json.loads(views.run(item, "")).get("conflict") == shown


@pytest.mark.parametrize(("kept", "shown"), [(2, 2), (0, None)])
def test_g11_a_launch_says_how_many_unconfirmed_deliveries_it_keeps_where_there_are_any(
    kept: int, shown: int | None
) -> None:
    item = {**LAUNCH, "kept_count": Decimal(kept)}
    assert json.loads(views.launch(item, [RUN], "")).get("unconfirmed_deliveries") == shown


def test_a_payload_in_the_bucket_is_a_link() -> None:
    item = {name: value for name, value in RUN.items() if name != "payload"} | {"payload_key": "runs/1/2/3"}
    shown = json.loads(views.run(item, "", 'https://x.org/?a="b"'))
    assert shown["payload_url"] == 'https://x.org/?a="b"'
    assert "payload_key" not in shown


def test_an_answered_run_leads_to_the_one_that_answered() -> None:
    item = {"run_id": "1", "outcome": "answered", "answered_by": "2"}
    assert json.loads(views.run(item, ""))["links"] == {"answered_by": "/runs/2"}


def test_a_page_says_where_the_next_begins() -> None:
    assert json.loads(views.page([], "", None)) == {"runs": [], "next_cursor": None}
    shown = json.loads(views.page([RUN, RUN], "/prod", "abc"))
    assert (len(shown["runs"]), shown["next_cursor"]) == (2, "abc")
    assert shown["runs"][0]["links"] == {"run": f"/prod/runs/{RUN['run_id']}"}


@pytest.mark.parametrize(
    ("state", "outcomes", "expected"),
    [
        ("starting", [], "pending"),
        ("started", [], "removed"),
        ("refused", [], "refused"),
        ("starting", ["failed"], "failed"),
        ("refused", ["succeeded"], "succeeded"),
        ("started", ["succeeded", "answered"], "succeeded"),
        ("started", ["awaiting_input", "answered", "answered"], "awaiting_input"),
        ("started", ["doubled", "failed"], "failed"),
        ("started", ["doubled"], "removed"),
    ],
)
def test_a_launch_has_the_outcome_of_its_newest_run_but_not_of_a_second_one(
    state: str, outcomes: list[str], expected: str
) -> None:
    runs: Any = [
        {"run_id": str(number), "outcome": "succeeded" if outcome == "doubled" else outcome}
        | ({"doubled": True} if outcome == "doubled" else {})
        for number, outcome in enumerate(outcomes)
    ]
    shown = json.loads(views.launch({**LAUNCH, "state": state}, runs, ""))
    assert (shown["state"], shown["outcome"]) == (state, expected)
    assert [run["run_id"] for run in shown["runs"]] == [run["run_id"] for run in runs]


@pytest.mark.parametrize(
    ("outcome", "final"),
    [
        ("pending", False),
        ("settling", False),
        ("awaiting_input", False),
        ("lost", False),
        ("succeeded", True),
        ("failed", True),
        ("timed_out", True),
        ("cancelled", True),
        ("rolled_back", True),
        ("answered", True),
        ("abandoned", True),
    ],
)
def test_g11_an_outcome_is_final_or_not_and_a_doubtful_one_never_is(outcome: str, *, final: bool) -> None:
    one: Any = {"outcome": outcome}
    assert views.is_final(one) == final
    for doubt in ("unverified", "disputed"):
        both: Any = {"outcome": outcome, doubt: True}
        assert not views.is_final(both)
