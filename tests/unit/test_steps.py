"""What a run needs next: every item has one step, and doing the steps ends (G1, G8, G14)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain import answer_states, launch_states, run_states, steps, verification
from runledger.domain.deliveries import Payload
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import Placed
from runledger.domain.outcomes import Outcome
from runledger.domain.retry import LEASE_SECONDS, WATCHES, next_check
from runledger.domain.run_states import COUNTS, OPEN
from runledger.domain.settling import Seen
from runledger.domain.steps import Step, next_launch_step, next_step
from tests.unit.changes import changed

if TYPE_CHECKING:
    from runledger.domain.ledger import Update

NOW, RUN = 1_795_327_172, "01a201d6-a0dc-7321-8df4-30b90bcfb9f8"
ENDED = Seen("success", "succeeded", "2026-11-22T05:59:32Z", None, None, began=True)
PLACED = Placed(Payload("{}", 2, "5" * 64), None)
MOST_STEPS = 12  # what the longest way takes, a look at a run that goes on among them

FLAGS = ("unverified", "disputed", "webhook_awaited", "heard", "unpublished", "thread_id", "claim", *COUNTS)


def item(outcome: str, *flags: str, due_at: int | None = NOW, source: str = "webhook") -> Any:
    """Return a run with these attributes."""
    values: Any = {"unpublished": frozenset({outcome}), "thread_id": "thread", "missed_since": NOW}
    kept = {flag: values.get(flag, 1 if flag in COUNTS else True) for flag in flags}
    due = {} if due_at is None else {"due_at": due_at, "due_shard": "5"}
    facts = {"run_id": RUN, "launch_id": "launch", "status": "success", "created_at": "2026-11-22T05:59:32Z"}
    return {**facts, "outcome": outcome, "source": source, **kept, **due}


ITEMS = st.builds(
    item,
    st.sampled_from(get_args(Outcome)),
    due_at=st.sampled_from([None, NOW - 1, NOW, NOW + 1]),
    source=st.sampled_from(["launch", "reconcile", "webhook"]),
)


@given(ITEMS, st.sets(st.sampled_from(FLAGS)), st.sampled_from([0, NOW]))
def test_g1_every_item_has_a_step_and_what_is_due_never_waits(run: Any, flags: set[str], now: int) -> None:
    run |= {name: value for name, value in item(run["outcome"], *flags).items() if name in flags}
    step = next_step(run, now)
    assert (step.kind == "inspect") == (step.question is not None)
    if "due_at" not in run:
        is_to_be_published = "unpublished" in run and "claim" not in run and not verification.is_doubtful(run)
        assert step == Step("publish" if is_to_be_published else "wait")
    elif run["due_at"] <= now:
        assert step.kind != "wait"
    elif step.kind == "wait":
        assert step.until == run["due_at"]
    if step.kind == "publish":
        assert not verification.is_doubtful(run)


@pytest.mark.parametrize(
    ("run", "step"),
    [
        (item("pending", "thread_id"), Step("inspect", "result")),
        (item("lost", "heard", "thread_id"), Step("inspect", "result")),
        (item("lost", "thread_id"), Step("close")),
        (item("settling", "thread_id"), Step("inspect", "result")),
        (item("settling"), Step("end_unasked")),
        (item("settling", "disputed", "thread_id"), Step("inspect", "result")),
        (item("awaiting_input", "thread_id"), Step("inspect", "waiting")),
        (item("awaiting_input", "disputed", "thread_id"), Step("inspect", "result")),
        (item("awaiting_input", "unpublished", "thread_id"), Step("publish")),
        (item("failed", "unverified", "unpublished", "thread_id"), Step("inspect", "end")),
        (item("failed", "disputed", "unverified", "thread_id"), Step("inspect", "result")),
        (item("failed", "unpublished", "webhook_awaited", "thread_id"), Step("publish")),
        (item("failed", "webhook_awaited", "thread_id"), Step("report_missing")),
        (item("settling", "webhook_awaited", "thread_id"), Step("report_missing")),
        (item("failed", "thread_id"), Step("close")),
        (item("unconfirmed", "claim"), Step("inspect", "claim")),
        (item("unconfirmed"), Step("close")),
    ],
)
def test_g1_g8_what_is_due_has_the_step_of_the_table(run: Any, step: Step) -> None:
    assert next_step(run, NOW) == step


@pytest.mark.parametrize("counted", COUNTS)
def test_g8_what_was_worked_on_already_is_done_when_it_is_due_and_not_at_once(counted: str) -> None:
    """Else each deferral would come back by the stream, as a change to be worked on at once."""
    fresh = item("failed", "unpublished", "thread_id", due_at=NOW + 1)
    assert next_step(fresh, 0) == Step("publish")
    assert next_step(fresh | {counted: 1}, 0) == Step("wait", until=NOW + 1)
    assert next_step(fresh | {counted: 1}, NOW + 1) == Step("publish")


@pytest.mark.parametrize("outcome", ["pending", "awaiting_input", "succeeded", "failed", "lost"])
def test_g1_at_once_nothing_is_asked_that_has_nothing_to_say_yet(outcome: str) -> None:
    assert next_step(item(outcome, "thread_id", due_at=NOW + 120), 0) == Step("wait", until=NOW + 120)


def after(run: Any, step: Step, now: float, *, goes_on: bool) -> Update:  # noqa: PLR0911 - one for each step
    """Return the change that a step makes where LangGraph says that a run goes on, or has ended well."""
    match step:
        case Step("publish"):
            return run_states.published(run)
        case Step("report_missing"):
            return run_states.webhook_missing(RUN, run["outcome"])
        case Step("close"):
            return run_states.closed(RUN, run["due_at"])
        case Step("end_unasked"):
            return run_states.settled(RUN, ENDED, now)
        case Step("inspect", "end"):
            return verification.verified(run)
        case Step("inspect", "waiting"):
            return answer_states.moved_on(RUN, "another run", now)
    if goes_on:
        later = next_check(int(run.get("checks", 0)) + 1, now, 900)
        return run_states.postponed(RUN, run["due_at"], later, known=True)
    if verification.is_doubtful(run):
        return verification.corrected(run, ENDED, PLACED, now)
    if run["outcome"] == "settling":
        return run_states.settled(RUN, ENDED, now)
    return run_states.reconciled(RUN, ENDED, PLACED, now)


@given(
    st.sampled_from(["settling", "awaiting_input", "succeeded", "failed", "cancelled"]),
    st.sets(st.sampled_from(["unverified", "disputed", "unpublished", "misses", "checks"])),
    st.sampled_from(["webhook", "reconcile"]),
    st.integers(0, 3),
)
def test_g1_g8_g14_doing_the_steps_ends_with_everything_published(
    outcome: str, flags: set[str], source: str, looks: int
) -> None:
    """Whatever stands in the item, once LangGraph says how the run has ended."""
    awaited = {"webhook_awaited"} if source == "reconcile" else set()
    run, now = item(outcome, "thread_id", *flags, *awaited, source=source), float(NOW)
    for number in range(MOST_STEPS):
        step = next_step(run, now)
        if step.kind == "wait" and step.until is not None:
            now = step.until
            step = next_step(run, now)
        if step.kind == "wait":
            break
        was = run
        run = changed(run, after(run, step, now, goes_on=number < looks)) or {}
        assert run, f"{step} can't be done to {was}"
        assert run != was
    assert "due_at" not in run
    assert not {"unpublished", "unverified", "disputed", "webhook_awaited"} & set(run)
    assert run["outcome"] not in OPEN


def test_g1_a_pending_run_is_asked_about_until_it_has_ended() -> None:
    run, now = item("pending", "thread_id", source="launch"), float(NOW)
    for number in range(MOST_STEPS):
        step = next_step(run, now)
        if step == Step("wait"):
            break
        now = step.until or now
        step = next_step(run, now)
        run = changed(run, after(run, step, now, goes_on=number < 4)) or {}
        assert run
    assert (run["outcome"], "due_at" in run) == ("succeeded", False)


def test_the_table_names_every_step() -> None:
    table = str(steps.__doc__)
    assert {kind for kind in get_args(steps.Kind.__value__) if f"`{kind}`" not in table} == set()
    assert {question for question in get_args(steps.Question.__value__) if f"(`{question}`)" not in table} == set()


def launch(state: str, **changes: Any) -> Launch:
    """Return a launch whose lease is over."""
    claimed = launch_states.claimed(
        launch_id="launch",
        digest="d",
        request="{}",
        request_key=None,
        assistant_id="agent",
        thread_id="thread",
        own_thread=False,
        stream=False,
        langgraph_url="https://langgraph.example",
        holder="somebody",
        now=NOW - LEASE_SECONDS,
    )
    return replace(Launch.read({**claimed.key, **claimed.set, "state": state}), **changes)


KEPT = (object(),)


@pytest.mark.parametrize(
    ("one", "step"),
    [
        (launch("starting"), "recover"),
        (launch("starting", lease_until=NOW + 1), "wait"),
        (launch("starting", kept=KEPT), "recover"),
        (launch("started", kept=KEPT), "confirm"),
        (launch("refused", kept=KEPT), "confirm"),
        (launch("refused"), "adopt"),
        (launch("refused", attempt=2), "adopt"),
        (launch("started", attempt=2), "watch"),
        (launch("started", attempt=2, watches=WATCHES), "close"),
        (launch("started", attempt=2, own_thread=True), "close"),
        (launch("started"), "close"),
        (launch("started", calls_back=True), "close"),
    ],
)
def test_g1_g2_a_launch_that_is_due_has_the_step_of_the_table(one: Launch, step: str) -> None:
    assert next_launch_step(one, NOW) == step


def test_g2_a_launch_that_was_started_over_is_watched_and_then_due_no_more() -> None:
    item: Any = {"launch_id": "launch", "state": "started", "due_at": NOW, "due_shard": "5"}
    now = float(NOW)
    one, steps = launch("started", attempt=2), []
    while "due_at" in item:
        steps.append(next_launch_step(one, now))
        later = next_check(one.watches, now, 900)
        done = (
            launch_states.watched(one, later)
            if steps[-1] == "watch"
            else launch_states.checked("launch", int(item["due_at"]))
        )
        item = changed(item, done) or {}
        assert item
        one, now = replace(one, watches=int(item.get("watches", 0))), later
    assert steps == ["watch"] * WATCHES + ["close"]
