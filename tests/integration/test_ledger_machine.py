"""Writers who know nothing of each other, in any order: the ledger does as its model says, and never goes back.

Each writes what follows from what it has read. Its write may be held up on its way, so that it arrives after others
that were made later, and it may arrive more than once.
"""

from __future__ import annotations

import itertools
import json
import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from runledger.adapters.dynamodb import LaunchesTable, RunsTable
from runledger.domain import answer_states, launch_states, retry, run_states, unconfirmed, verification
from runledger.domain.deliveries import Delivery, parse_delivery, payload_of
from runledger.domain.launch_states import Launch
from runledger.domain.ledger import Placed, shard
from runledger.domain.settling import Facts, Seen, seen
from runledger.domain.unconfirmed import Kept, kept_name
from tests.integration import ledger_model as model
from tests.integration.ledger_model import NEXT, OPEN, SILENT, SOURCES, UNSEEN, is_doubtful
from tests.integration.support import NOW, Aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from runledger.domain.ledger import Update
    from tests.integration.ledger_model import Item

    type Change = Callable[[Item], Item | None]
    type Write = tuple[Update, Change]

# The same every time. After ten examples hypothesis mostly varies earlier ones, which finds less than another seed.
TEN = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
EXAMPLES, HOLDERS = itertools.count(1), itertools.count(1)
LATER = 900  # seconds until the next look; how they grow is another test's business

MINE, OTHER = "launch", "another launch"
SENDERS = st.sampled_from([MINE, MINE, MINE, MINE, OTHER, None])  # whom the token speaks for; None: shared
NEW_WORD = "paused"
WORDS = st.sampled_from(["success", "success", "error", "interrupted", "timeout", "rollback", NEW_WORD])
BEGINNINGS = [
    *("unknown", "launched", "settling", "asking", "missed once", "missed", "lost", "taken"),
    *("claimed", "believed", "failed", "disputed", "told"),
]
LATE_RUN, RUN = "01a201d6-a0dc-7321-8df4-30b90bcfb9f8", "01a201d6-a0dc-7321-8df4-30b90bcfb9f9"
PLACES = st.sampled_from([None, "key"])
# After how many others a write arrives; -2 is at once, and again after another, because its answer was lost.
DELAYS = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2, -2]), min_size=8, max_size=8)

DONE: Any = {"next": []}
ASKS: Any = {"next": ["ask"], "tasks": [{"interrupts": [{"id": "question"}]}]}


def asked(word: str, checkpoint: Any | None) -> Seen:
    return seen({"status": word, "updated_at": "2026-11-22T06:00:00+00:00"}, checkpoint)


SEEN = st.sampled_from(
    [
        asked("success", ASKS),
        asked("success", ASKS),
        asked("success", DONE),
        asked("success", None),
        asked("error", DONE),
        asked("interrupted", DONE),
        asked("interrupted", None),
        asked(NEW_WORD, DONE),
    ]
)


class Writers(RuleBasedStateMachine):
    """One item of a table, a clock, and writes that are done or refused as the model has it."""

    told: tuple[str, ...]  # attributes that the model tells of

    def __init__(self, table: RunsTable | LaunchesTable) -> None:
        super().__init__()
        self.table, self.now = table, NOW + 0.75
        self.id = str(uuid.UUID(int=next(EXAMPLES)))
        self.item: Item = {}  # as the model has it
        self.found: Item = {}  # as it is in the table
        self.was_due_before = 0
        self.is_right = True
        self.delays: Iterator[int] = itertools.repeat(0)
        self.on_their_way: list[tuple[int, Write]] = []  # with how many others arrive before

    def is_due(self) -> bool:
        return "due_at" in self.item

    def waits_until_due(self) -> int:
        """Return when it was due, which is what reconcile reads before it looks."""
        was_due = int(self.item["due_at"])
        self.now = max(self.now, was_due + 0.75)
        return was_due

    def writes(self, *choices: Write) -> None:
        """Send one write; where it is refused the next one, as a writer does who reads the refusal."""
        for write in choices:
            is_final = write == choices[-1] or write[1](self.item) is not None
            if is_final and (delay := next(self.delays)):
                self.on_their_way.append((abs(delay), write))
                if delay > 0:
                    return
            if self.arrives(*write):
                self.late_ones_arrive()
                return

    def late_ones_arrive(self) -> None:
        arriving = [write for delay, write in self.on_their_way if delay == 1]
        self.on_their_way = [(delay - 1, write) for delay, write in self.on_their_way if delay > 1]
        for write in arriving:
            self.arrives(*write)

    def teardown(self) -> None:
        while self.on_their_way and self.is_right:
            self.late_ones_arrive()

    def arrives(self, update: Update, change: Change) -> bool:
        self.is_right = False
        before, after = self.item, change(self.item)
        refusal = self.table.apply(update)
        assert (refusal is None) == (after is not None), f"{update} on {before}"
        if after is None:
            assert self.tell(refusal or {}) == before
            self.is_right = True
            return False
        (value,) = update.key.values()
        self.was_due_before = before.get("due_at", self.was_due_before)
        self.item, self.found = after, self.table.item(value) or {}
        assert self.tell(self.found) == after, f"{update} on {before}"
        self.check_index_keys()
        self.check_order(before)
        self.check_due()
        self.is_right = True
        return True

    def tell(self, found: Item) -> Item:
        return {name: found[name] for name in self.told if name in found}

    def check_index_keys(self) -> None:
        """What lacks a key of an index, or stands in another shard than its own, is never found there (G1)."""
        assert self.found["created_at"]
        assert self.found.get("due_shard") == (str(shard(self.id)) if "due_at" in self.found else None)

    def check_order(self, before: Item) -> None:
        raise NotImplementedError

    def check_due(self) -> None:
        raise NotImplementedError


class RunWriters(Writers):
    """Launch, webhook and reconcile on one run."""

    told = (
        *("launch_id", "source", "status", "outcome", "payload_sha256", "questions", "answered_by", "conflict"),
        *("other_sha256", "other_count", "webhook_awaited", "result_too_large", "doubled", "unpublished"),
        *(
            "answer_holder",
            "answer_nonce",
            "answer_digest",
            "answer_until",
            "due_at",
            "heard",
            "checks",
            "failures",
            "misses",
            "missed_since",
        ),
        *("unverified", "disputed", "corrected", "claim", "claimed_by", "confirmed"),
    )

    records = 0

    @initialize(delays=DELAYS, begins=st.sampled_from(BEGINNINGS))
    def it_begins(self, delays: list[int], begins: str) -> None:  # noqa: C901 - one case for each beginning
        if begins == "believed":
            self.a_shared_key_reports_it_as_temporary(word="error", key=None)
        elif begins == "claimed":
            self.a_shared_key_claims_it(by=None, word="error", key=None)
        elif begins != "unknown":
            self.launch_records(by=OTHER if begins == "taken" else MINE)
        match begins:
            case "settling":
                self.webhook_comes(by=MINE, word="success", values=1, key=None, is_whole=True)
            case "asking":
                self.reconcile_finds_it_ended(ended=asked("success", ASKS), key=None, is_too_large=False)
            case "failed":
                self.webhook_comes(by=MINE, word="error", values=1, key=None, is_whole=True)
            case "disputed":
                self.webhook_comes(by=MINE, word="error", values=1, key=None, is_whole=True)
                self.webhook_comes(by=MINE, word="success", values=2, key="key", is_whole=True)
            case "told":
                self.webhook_comes(by=MINE, word="error", values=1, key=None, is_whole=True)
                self.langgraph_says_the_same(is_known=True)
                self.its_events_have_left()
                self.webhook_comes(by=MINE, word="success", values=2, key="key", is_whole=True)
            case "missed once":
                self.langgraph_does_not_know_it()
                self.it_is_given_up(model.HALF_AN_HOUR)
            case "missed":
                self.langgraph_does_not_know_it()
                self.langgraph_does_not_know_it()
                self.it_is_given_up(0)
            case "lost":
                for _ in range(model.MISSES):
                    self.langgraph_does_not_know_it()
        self.delays = itertools.cycle(delays)

    def is_unseen(self) -> bool:
        return bool(self.item.get("source") == "launch" and self.item["outcome"] in UNSEEN)

    def is_settling(self) -> bool:
        return bool(self.item.get("outcome") == "settling")

    def is_waiting(self) -> bool:
        return bool(self.item.get("outcome") == "awaiting_input")

    @precondition(lambda self: self.records < 2)
    @rule(by=st.just(MINE))
    def launch_records(self, by: str) -> None:
        """Launch, and whoever adopts its run."""
        self.records += 1
        made = run_states.pending(
            run_id=self.id, launch_id=by, thread_id="thread", assistant_id=None, after_seconds=0, now=self.now
        )
        read, taken_back = self.read(), []
        if verification.is_believed(read):
            disowned = partial(model.disowned, read=self.item, launch_id=by, now=self.now)
            taken_back = [(verification.disowned(made, read, self.now), disowned)]
        self.writes(
            (made, partial(model.pending, launch_id=by, now=self.now)),
            *taken_back,
            (run_states.launched(made), partial(model.launched, launch_id=by)),
        )

    @rule(word=WORDS, key=PLACES)
    def a_shared_key_reports_it_as_temporary(self, word: str, key: str | None) -> None:
        says = replace(delivery(self.id, word, 1, is_whole=True), temporary=True)
        believed = run_states.believed(says, Placed(says.payload, key), "https://x.org", self.now)
        self.writes((believed, partial(model.believed, says=says, now=self.now)))

    def is_claim(self) -> bool:
        return "claim" in self.item

    def is_doubted(self) -> bool:
        return is_doubtful(self.item)

    def read(self) -> Item:
        return {**self.found, "run_id": self.id}

    @rule(by=st.sampled_from([None, None, MINE]), word=WORDS, key=PLACES)
    def a_shared_key_claims_it(self, by: str | None, word: str, key: str | None) -> None:
        """Or the token of a launch that the ledger does not have."""
        says = delivery(self.id, word, 1, is_whole=True)
        claimed = unconfirmed.claimed(says, Placed(says.payload, key), by, "https://x.org", self.now)
        self.writes((claimed, partial(model.run_claimed, by=by, says=says, now=self.now)))

    @precondition(is_claim)
    @rule(ended=st.one_of(st.none(), SEEN), launch_id=st.sampled_from([None, MINE]))
    def langgraph_knows_the_claimed_run(self, ended: Seen | None, launch_id: str | None) -> None:
        one, read, now = unconfirmed.claim_of(self.read()), self.item, self.now
        facts = Facts("thread", "assistant", launch_id, "2026-11-22T05:59:32.000000Z", None)
        if ended is None:
            going = partial(model.found_going, read=read, launch_id=launch_id, now=now)
            self.writes((verification.found_going(one, facts, now), going))
        else:
            known = partial(model.confirmed, read=read, launch_id=launch_id, seen=ended, now=now)
            self.writes((verification.confirmed(one, facts, ended, now), known))

    @rule(word=WORDS, key=PLACES)
    def its_launch_ends_with_it_unconfirmed(self, word: str, key: str | None) -> None:
        says = delivery(self.id, word, 1, is_whole=True)
        one = Kept(says, Placed(says.payload, key), int(self.now), disputed=False)
        ended = verification.unconfirmed(one, MINE, self.now)
        self.writes((ended, partial(model.unconfirmed, launch_id=MINE, says=says)))

    @precondition(is_doubted)
    @rule(is_known=st.booleans())
    def langgraph_says_the_same(self, *, is_known: bool) -> None:
        """Or knows the run no more, look after look."""
        read = self.read()
        self.writes(
            (verification.verified(read, is_known=is_known), partial(model.verified, read=read, is_known=is_known))
        )

    @precondition(lambda self: "unverified" in self.item)
    @rule()
    def langgraph_says_otherwise(self) -> None:
        read = self.read()
        self.writes((verification.doubted(read, self.now), partial(model.doubted, read=read, now=self.now)))

    @precondition(is_doubted)
    @rule(ended=SEEN.filter(lambda ended: ended.outcome != "settling"), key=PLACES, is_too_large=st.booleans())
    def langgraph_decides(self, ended: Seen, key: str | None, *, is_too_large: bool) -> None:
        placed = None if is_too_large else Placed(payload_of('{"asked": 1}'), key)
        read, sha256 = self.read(), placed.payload.sha256 if placed else None
        corrected = verification.corrected(read, ended, placed, self.now)
        self.writes((corrected, partial(model.corrected, read=read, seen=ended, sha256=sha256, now=self.now)))

    @precondition(lambda self: self.is_doubted() or (self.is_settling() and self.item["source"] == "webhook"))
    @rule()
    def langgraph_says_that_it_goes_on(self) -> None:
        read = self.read()
        self.writes((verification.reopened(read, self.now), partial(model.reopened, read=read, now=self.now)))

    @rule(by=SENDERS, word=WORDS, values=st.sampled_from([1, 2]), key=PLACES, is_whole=st.booleans())
    def webhook_comes(self, *, by: str | None, word: str, values: int, key: str | None, is_whole: bool) -> None:
        """What the webhook function does, in its order."""
        says = delivery(self.id, word, values, is_whole=is_whole)
        placed, recorded = Placed(says.payload, key), self.item
        writes: list[Write] = [
            (
                run_states.delivered(says, placed, by, self.now),
                partial(model.delivered, by=by, says=says, now=self.now),
            )
        ]
        is_ours = "claim" not in recorded and recorded.get("launch_id") == by
        if not is_ours or recorded.get("source", "launch") == "launch":
            pass
        elif recorded["source"] == "reconcile" and "corrected" not in recorded and model.agrees(recorded, says):
            superseding = run_states.superseding(says, placed, recorded, self.now)
            writes += [(superseding, partial(model.superseding, recorded=recorded["outcome"], says=says))]
        elif recorded.get("payload_sha256") != says.payload.sha256:
            contradicted = verification.contradicted(says, placed, self.read(), self.now)
            writes += [(contradicted, partial(model.contradicted, read=self.read(), says=says, now=self.now))]
        self.writes(*writes)

    @precondition(is_unseen)
    @rule(ended=SEEN, key=PLACES, is_too_large=st.booleans())
    def reconcile_finds_it_ended(self, *, ended: Seen, key: str | None, is_too_large: bool) -> None:
        placed = None if is_too_large else Placed(payload_of("{}"), key)
        sha256, is_heard = placed.payload.sha256 if placed else None, "heard" in self.item
        self.writes(
            (
                run_states.reconciled(self.id, ended, placed, self.now, is_heard=is_heard),
                partial(model.reconciled, seen=ended, sha256=sha256, now=self.now, is_heard=is_heard),
            )
        )

    @precondition(lambda self: self.item)
    @rule()
    def it_is_rolled_back(self) -> None:
        """Also where that was concluded from what was read long ago."""
        self.writes((run_states.rolled_back(self.id, self.now), partial(model.rolled_back, now=self.now)))

    @precondition(lambda self: "misses" in self.item)
    @rule(seconds=st.sampled_from([0, model.HALF_AN_HOUR]))
    def it_is_given_up(self, seconds: int) -> None:
        """Also where other misses were read, long ago."""
        self.now += seconds
        self.writes((run_states.lost(self.id, self.now), partial(model.lost, now=self.now)))

    @precondition(lambda self: self.is_due() and self.item["outcome"] not in (*OPEN, "lost") and not self.is_doubted())
    @rule(is_index_old=st.booleans())
    def it_is_closed(self, *, is_index_old: bool) -> None:
        """As reconcile does with what is over."""
        was_due = self.was_due_before if is_index_old else self.waits_until_due()
        self.writes((run_states.closed(self.id, was_due), partial(model.closed, was_due=was_due)))

    @precondition(is_settling)
    @rule(ended=SEEN.filter(lambda ended: ended.outcome != "settling"))
    def it_is_settled(self, ended: Seen) -> None:
        read, denied = self.read(), run_states.is_denied(self.read(), ended)
        settled = run_states.settled(self.id, ended, self.now, disputed=denied)
        self.writes((settled, partial(model.settled, read=read, seen=ended, now=self.now)))

    @precondition(is_waiting)
    @rule(by=st.sampled_from([(None, None), ("answer", None), ("answer", "digest")]))
    def its_thread_moves_on(self, by: tuple[str | None, str | None]) -> None:
        answered_by, digest = by
        self.writes(
            (
                answer_states.moved_on(self.id, answered_by, self.now, digest=digest),
                partial(model.moved_on, answered_by=answered_by, now=self.now, digest=digest),
            )
        )

    @precondition(is_waiting)
    @rule(holder=st.sampled_from(["a", "b"]))
    def somebody_holds_it_to_answer(self, holder: str) -> None:
        read: Any = {**self.item, "run_id": self.id}
        holds = partial(model.answering, read=read, digest=holder * 2, holder=holder, now=self.now)
        self.writes((answer_states.answering(read, holder * 2, holder, self.now), holds))

    @precondition(lambda self: "answer_holder" in self.item)
    @rule(holder=st.sampled_from(["a", "b"]))
    def the_answer_is_refused(self, holder: str) -> None:
        self.writes((answer_states.unanswered(self.id, holder, self.now), partial(model.unanswered, holder=holder)))

    @precondition(is_waiting)
    @rule()
    def it_is_cancelled_while_it_waits(self) -> None:
        read: Any = {**self.item, "run_id": self.id}
        self.writes((answer_states.cancelled(read, self.now), partial(model.cancelled, read=read, now=self.now)))

    @precondition(Writers.is_due)
    @rule()
    def langgraph_does_not_know_it(self) -> None:
        """What reconcile does then, in its order."""
        was_due, later = self.waits_until_due(), int(self.now) + LATER
        if not retry.is_missed_for_good(self.item, self.now):
            missed = run_states.missed(self.id, was_due, later, self.now)
            self.writes((missed, partial(model.missed, was_due=was_due, due_at=later, now=self.now)))
        elif self.is_doubted():
            self.langgraph_says_the_same(is_known=False)
        elif self.item["outcome"] == "pending":
            self.it_is_given_up(0)
        elif self.item["outcome"] == "awaiting_input":
            self.its_thread_moves_on((None, None))
        elif self.item["status"] == "success":
            self.it_is_settled(asked("success", None))
        else:
            self.writes((run_states.closed(self.id, was_due), partial(model.closed, was_due=was_due)))

    @precondition(Writers.is_due)
    @rule(known=st.booleans())
    def it_is_looked_at_later(self, *, known: bool) -> None:
        was_due, later = self.waits_until_due(), int(self.now) + LATER
        self.writes(
            (
                run_states.postponed(self.id, was_due, later, known=known),
                partial(model.postponed, was_due=was_due, due_at=later, known=known),
            )
        )

    @precondition(lambda self: "unpublished" in self.item and not self.is_doubted())
    @rule()
    def its_events_have_left(self) -> None:
        """Reconcile, perhaps two of them, and whoever else tells of runs."""
        read: Any = {**self.item, "run_id": self.id}
        self.writes((run_states.published(read), partial(model.published, read=read)))

    @precondition(lambda self: "webhook_awaited" in self.item)
    @rule()
    def its_webhook_is_given_up(self) -> None:
        outcome = self.item["outcome"]
        self.writes((run_states.webhook_missing(self.id, outcome), partial(model.webhook_missing, recorded=outcome)))

    @precondition(lambda self: self.item and not 0 < self.item.get("due_at", 0) <= self.now)
    @rule()
    def its_launch_was_heard_of(self) -> None:
        self.writes((run_states.due_now(self.id, self.now), partial(model.due_now, now=self.now)))

    @precondition(lambda self: "launch_id" in self.item and "doubled" not in self.item)
    @rule(launch_id=st.sampled_from([MINE, MINE, MINE, OTHER]))
    def it_is_a_second_one(self, launch_id: str) -> None:
        self.writes((run_states.doubled(self.id, launch_id, self.now), partial(model.doubled, launch_id=launch_id)))

    def tell(self, found: Item) -> Item:
        claim = {"claim": json.loads(found["claim"])["sha256"]} if "claim" in found else {}
        return super().tell({**found, **claim})

    def check_index_keys(self) -> None:
        if self.is_claim():  # in no list
            assert not {"launch_id", "thread_id", "outcome_shard"} & set(self.found)
            return
        super().check_index_keys()
        assert self.found["outcome_shard"] == f"{self.item['outcome']}#{shard(self.id)}"
        assert ("payload_sha256" in self.found) == (("payload" in self.found) != ("payload_key" in self.found))
        assert ("event_state" in self.found) == ("unpublished" in self.found), "the stream's filter sees it (G8)"

    def check_order(self, before: Item) -> None:
        is_decided = ("claim" in before and not self.is_claim()) or before.get("outcome") == "unconfirmed"
        is_decided = is_decided or (is_doubtful(before) and not self.is_doubted())
        is_decided = is_decided or (before.get("source"), self.item["source"]) == ("webhook", "launch")
        if self.item["outcome"] not in (before.get("outcome"), *SILENT):
            told = {self.item["outcome"], "corrected"}
            assert told & self.item["unpublished"], "each outcome is an event (G8)"
        if "unpublished" in before and "unpublished" not in self.item:
            assert not is_doubtful(before) or is_decided, "LangGraph has confirmed what was told (G11)"
        if is_decided:
            return
        if before:
            assert self.item["outcome"] in (before["outcome"], *NEXT.get(before["outcome"], ()))
            assert SOURCES.index(self.item["source"]) >= SOURCES.index(before["source"])
        if "launch_id" in before:
            assert self.item["launch_id"] == before["launch_id"]
        if before.get("source") == "webhook" and "payload_sha256" in before:
            assert self.item["payload_sha256"] == before["payload_sha256"], "the first webhook's"

    def check_due(self) -> None:
        """Whatever is open is due, but for a `settling` one of which nothing can be learnt.

        So is whatever has an event that has not left (G8), or a webhook that may still come.
        """
        if self.item["outcome"] in OPEN:
            assert self.is_due() or self.is_settling()
        if {"unpublished", "webhook_awaited", "unverified", "disputed"} & set(self.item):
            assert self.is_due()


class LaunchWriters(Writers):
    """Launchers on one launch, some of them dead or slow, with the webhook and reconcile."""

    told: tuple[str, ...] = (
        *("state", "attempt", "holder", "lease_until", "run_id", "due_at", "checks", "watches", "heard"),
        *("kept_count", "answer_run_id", kept_name(RUN), kept_name(LATE_RUN)),
    )
    seen = Bundle("seen")  # the launch as somebody has read it, who may be its holder, or take it over
    own_thread, claims = True, 0

    @initialize(target=seen, delays=DELAYS, own_thread=st.booleans(), is_started_over=st.booleans())
    def it_begins(self, delays: list[int], *, own_thread: bool, is_started_over: bool) -> Launch:
        self.own_thread = own_thread
        self.it_is_heard_of()
        self.it_is_claimed()
        if is_started_over:
            self.it_is_started_over(Launch.read(self.found))
        self.delays = itertools.cycle(delays)
        return Launch.read(self.found)

    @rule(target=seen, launch=seen)
    def it_is_taken_over(self, launch: Launch) -> Launch:
        """By launch or reconcile, once it was seen that nobody works on it."""
        if launch.is_held(self.now):
            self.now = launch.lease_until + 0.75
        if launch.state != "started":
            holder = f"holder {next(HOLDERS)}"
            taken_over = launch_states.taken_over(launch, holder, self.now)
            self.writes((taken_over, partial(model.taken_over, seen=launch, holder=holder, now=self.now)))
        return Launch.read(self.found)

    @rule(target=seen, launch=seen)
    def it_is_started_over(self, launch: Launch) -> Launch:
        attempted = launch_states.attempted(launch, "next thread", self.now)
        self.writes((attempted, partial(model.attempted, seen=launch, now=self.now)))
        return Launch.read(self.found)

    @precondition(lambda self: self.claims < 2)
    @rule()
    def it_is_claimed(self) -> None:
        self.claims += 1
        holder = f"holder {next(HOLDERS)}"
        claim = launch_states.claimed(
            launch_id=self.id,
            digest="digest",
            request="{}",
            request_key=None,
            assistant_id="agent",
            thread_id="thread",
            own_thread=self.own_thread,
            stream=False,
            langgraph_url="http://langgraph",
            holder=holder,
            now=self.now,
        )
        self.writes((claim, partial(model.claimed, holder=holder, now=self.now)))

    @rule(launch=seen, run_id=st.sampled_from([RUN, LATE_RUN]))
    def it_has_its_run(self, launch: Launch, run_id: str) -> None:
        self.writes(
            *(
                (
                    launch_states.started(launch, run_id, self.now, heard=heard),
                    partial(model.started, seen=launch, run_id=run_id, now=self.now, heard=heard),
                )
                for heard in (False, True)
            )
        )

    @rule(target=seen, launch=seen)
    def it_is_refused(self, launch: Launch) -> Launch:
        refused = launch_states.refused(launch, "thread-busy", "It is busy.", self.now)
        self.writes((refused, partial(model.refused, seen=launch, now=self.now)))
        return Launch.read(self.found)

    @rule()
    def it_is_heard_of(self) -> None:
        self.writes((launch_states.heard(self.id, self.now), partial(model.heard, now=self.now)))

    @precondition(lambda self: self.is_due() and self.item["state"] != "starting")
    @rule(is_index_old=st.booleans())
    def its_runs_were_looked_at(self, *, is_index_old: bool) -> None:
        was_due = self.was_due_before if is_index_old else self.waits_until_due()
        self.writes((launch_states.checked(self.id, was_due), partial(model.launch_checked, was_due=was_due)))

    @rule(target=seen, launch=seen)
    def it_was_watched(self, launch: Launch) -> Launch:
        later = int(self.now) + LATER
        self.writes((launch_states.watched(launch, later), partial(model.watched, seen=launch, due_at=later)))
        return Launch.read(self.found)

    @rule()
    def it_is_looked_at_later(self) -> None:
        later = int(self.now) + LATER
        self.writes((launch_states.postponed(self.id, 1, later), partial(model.launch_postponed, due_at=later)))

    @rule(run_id=st.sampled_from([RUN, RUN, LATE_RUN, "other"]), word=WORDS)
    def a_token_tells_of_a_run(self, run_id: str, word: str) -> None:
        """Others than the two that can be of this launch are invented, each another one."""
        if run_id == "other":
            run_id = str(uuid.UUID(int=next(EXAMPLES)))
        says = delivery(run_id, word, 1, is_whole=True)
        kept = unconfirmed.kept(self.id, says, Placed(says.payload, None), self.now)
        name = kept_name(run_id)
        if name not in self.told:
            self.told = (*self.told, name)
        self.writes((kept, partial(model.kept, name=name, run_id=run_id, now=self.now)))

    @precondition(lambda self: self.item.get("kept_count"))
    @rule(number=st.integers(0, 3))
    def a_kept_delivery_is_taken(self, number: int) -> None:
        """It is recorded, or rejected."""
        kept = unconfirmed.kept_of(self.found)
        one = kept[number % len(kept)]
        taken = partial(model.taken, name=kept_name(one.delivery.run_id))
        self.writes((unconfirmed.taken(self.id, one), taken))

    @rule(run_id=st.sampled_from([RUN, LATE_RUN]))
    def an_answer_goes_on_with_it(self, run_id: str) -> None:
        continued = partial(model.continued, name=kept_name(run_id), run_id=run_id)
        self.writes((launch_states.continued(self.id, run_id, self.now), continued))

    def tell(self, found: Item) -> Item:
        heard = {"heard": True} if "heard_at" in found else {}
        kept: Item = {name: True for name in found if name.startswith("kept_about_")}
        kept |= {"kept_count": found["kept_count"]} if found.get("kept_count") else {"kept_count": None}
        known = {**found, **heard, **kept}
        return super().tell({name: value for name, value in known.items() if value is not None})

    def check_order(self, before: Item) -> None:
        if not before:
            return
        assert self.item["attempt"] >= before["attempt"], "no way back"
        if before["state"] == "started":
            assert (self.item["state"], self.item["run_id"]) == ("started", before["run_id"]), "one launch, one run"
        if self.item["holder"] != before["holder"]:
            assert before["state"] == "refused" or before["lease_until"] <= self.now, "one at a time"

    def check_due(self) -> None:
        """What is unknown is due, and what was refused is not, unless heard of, or a run of it may still appear."""
        if self.item["state"] == "starting" or self.item.get("kept_count"):
            assert self.is_due()
        assert self.item.get("kept_count", 0) <= model.MOST_KEPT, "a token keeps a few deliveries (G11)"
        if self.item["state"] == "refused" and self.is_due():
            assert {"heard", "kept_count"} & set(self.item) or (self.item["attempt"] > 1 and not self.own_thread)


@pytest.mark.parametrize("number", range(6))
def test_g4_whatever_is_said_of_a_run_in_any_order_it_goes_one_way(aws: Aws, number: int) -> None:
    table = RunsTable(aws.client("dynamodb"), aws.template.names["RunsTable"])
    run_state_machine_as_test(seed(number)(lambda: RunWriters(table)), settings=TEN)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(4))
def test_g2_whoever_works_on_a_launch_in_any_order_it_has_one_run(aws: Aws, number: int) -> None:
    table = LaunchesTable(aws.client("dynamodb"), aws.template.names["LaunchesTable"])
    run_state_machine_as_test(seed(number)(lambda: LaunchWriters(table)), settings=TEN)  # type: ignore[arg-type]


def delivery(run_id: str, word: str, values: int, *, is_whole: bool) -> Delivery:
    """Return a delivery with other bytes for other `values`, trimmed unless it `is_whole`."""
    more = {"thread_id": "thread", "created_at": "2026-11-22T05:59:32+00:00"} if is_whole else {}
    parsed = parse_delivery(json.dumps({"run_id": run_id, "status": word, "values": values, **more}).encode(), "token")
    assert isinstance(parsed, Delivery)
    return parsed
