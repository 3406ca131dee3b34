"""Runs that are due: whose webhook has not come, whose success is not settled, who wait for a person."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconcile.due_index import longest_due
from runledger import deadline, telemetry
from runledger.domain import retry, run_states, verification
from runledger.domain.deliveries import is_deliverable, payload_of
from runledger.domain.deployments import NoKeyError
from runledger.domain.inspection import (
    MAX_RESULT_BYTES,
    AgentServerError,
    Confirmed,
    Denied,
    Ended,
    Gone,
    Inspection,
    MovedOn,
    NotOurs,
    Running,
    TimedOutError,
    TooLargeError,
    UnreadableError,
    Verified,
)
from runledger.domain.problems import Problem
from runledger.domain.settling import unread
from runledger.domain.steps import next_step
from runledger.domain.unconfirmed import UNCONFIRMED
from runledger.domain.verification import is_doubtful
from runledger.use_cases.confirm_runs import note_claim, note_verified
from runledger.use_cases.human_input import move_on

if TYPE_CHECKING:
    from runledger.adapters.dynamodb import RunsTable
    from runledger.domain.inspection import Found
    from runledger.domain.ledger import Placed, Update
    from runledger.domain.settling import Seen
    from runledger.domain.steps import Step
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.prove_server import Prover
    from runledger.use_cases.publish import Publisher

_BATCH = 8
_BATCH_RESULT_BYTES = 2 * 1024 * 1024  # larger results are read one at a time
_EACH_SECONDS = 10.0
_PROOF_SECONDS = 5.0  # for what LangGraph is asked to prove that it is itself
_TOO_MANY = 3  # events that the bus did not take: a bus that is out of order must not cost the others their time

type Item = dict[str, Any]


@dataclass
class DueRuns:
    """One pass over the due runs. Runs that LangGraph does not know are judged at its end.

    Each deployment has a part of the pass to itself, in `there` by its URL: its batches, what it does not know, whether
    it answers at all. Nothing that one does tells anything of the runs of another.
    """

    launcher: Launcher
    publisher: Publisher
    prover: Prover
    runs: RunsTable
    max_check_seconds: int
    inline_bytes: int
    gone: list[tuple[Item, Gone]] = field(default_factory=list)
    is_refused: bool = False
    bus_failures: int = 0  # one after the other
    ends: float = 0.0
    there: dict[str, DueRuns] = field(default_factory=dict)
    batch: list[Item] = field(default_factory=list)
    is_silent: bool = False

    def work(self, ends: float) -> None:
        """Take batch after batch until `ends` (monotonic seconds), or until no deployment answers any more."""
        self.ends = ends
        due = itertools.takewhile(lambda _: time.monotonic() < ends, longest_due(self.runs))
        for item in filter(self._is_to_be_asked, due):
            here = self._at_deployment(item)
            if here is None or here.is_silent:  # the runs of one that is stay due
                continue
            here.batch.append(item)
            if len(here.batch) == _BATCH and not here.ask_batch() and self._is_all_silent():
                break
        for number, here in enumerate(self.there.values()):
            if here.batch and not here.is_silent and (number == 0 or time.monotonic() < ends):
                here.ask_batch()
            here.judge()

    def _at_deployment(self, item: Item) -> DueRuns | None:
        """Return the part of this pass in which a run is asked about; None where it must not be: it is deferred."""
        try:
            launcher = self.launcher.of(item)
        except NoKeyError as problem:
            self._defer(item, problem)
            return None
        url = launcher.server.url
        if url not in self.there:
            self.there[url] = DueRuns(
                launcher,
                self.publisher,
                self.prover,
                self.runs,
                self.max_check_seconds,
                self.inline_bytes,
                ends=self.ends,
            )
        return self.there[url]

    def _is_all_silent(self) -> bool:
        return sum(here.is_silent for here in self.there.values()) >= self.launcher.servers.count()

    def ask_batch(self) -> bool:
        """Ask about the runs that are gathered; return whether anything could be noted."""
        batch, self.batch = tuple(self.batch), []
        try:
            self.is_silent = not self._batch(batch)
        except NoKeyError as problem:  # it is LangGraphUrl itself that has none
            self.is_silent = True
            for item in batch:
                self._defer(item, problem)
        return not self.is_silent

    def _defer(self, item: Item, problem: NoKeyError) -> None:
        """Leave a run for later whose deployment must not be asked now: no look at it, and no miss."""
        telemetry.count("deployment_without_key")
        telemetry.logger.error("a run is deferred", detail=problem.detail)
        later = retry.deferred_until(time.time(), self.max_check_seconds)
        try:
            self._update(run_states.deferred(item["run_id"], int(item["due_at"]), later))
        except Problem as fault:
            telemetry.logger.error("a run could not be pushed back", detail=fault.detail)

    def _is_to_be_asked(self, item: Item) -> bool:
        """Return whether LangGraph can tell more about a run; the steps that need no asking are done here."""
        telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
        try:
            if item["outcome"] == UNCONFIRMED:  # the index does not have its claim
                item.update(self.launcher.runs.item(item["run_id"]) or {})
            while (step := next_step(item, int(item["due_at"]))).kind != "inspect":
                if not self._has_more(item, step):
                    return False
        except Exception as error:  # noqa: BLE001 - a poisoned item never stops the others
            self._poisoned(item, error)
            return False
        return True

    def _has_more(self, item: Item, step: Step) -> bool:
        """Perform one step that needs no asking, and take it off the item; return whether another one may follow."""
        match step.kind:
            case "publish":
                if self.bus_failures == _TOO_MANY:
                    return False  # it stays due, and others need the time
                self._tell(item["run_id"])
                del item["unpublished"]
                return next_step(item, int(item["due_at"])).kind != "close"  # that is done by then
            case "report_missing":
                self._miss_webhook(item)
                del item["webhook_awaited"]
                return True
            case "end_unasked":
                self._settle(item, unread(item, "The webhook's body named no thread."), time.time())
            case "close":
                self._update(run_states.closed(item["run_id"], int(item["due_at"])))
        return False

    def _tell_unless_down(self, run_id: str) -> None:
        """Tell what a run came to, unless the bus seems to be down: the run stays due, and others need the time."""
        if self.bus_failures < _TOO_MANY:
            self._tell(run_id)

    def _tell(self, run_id: str) -> None:
        self.bus_failures += 1
        self.publisher.publish(run_id)
        self.bus_failures = 0

    def _miss_webhook(self, item: Item) -> None:
        if self._update(run_states.unheard(item["run_id"], item["outcome"])):
            telemetry.count("recovered")
            telemetry.logger.warning("recovered: the run's webhook never came", outcome=item["outcome"])

    def _batch(self, items: tuple[Item, ...]) -> bool:
        """Ask about some runs at once and note what is found; return whether anything could be."""
        server = self.launcher.server
        inspections = [_inspection(item) for item in items]
        found = server.inspect_all(inspections, _EACH_SECONDS, server.until(2 * _EACH_SECONDS))
        worked = [self._one(item, one) for item, one in zip(items, found, strict=True) if deadline.has_time()]
        return any(worked)

    def _one(self, item: Item, found: Found | Exception) -> bool:
        """Note what was found of one run. What fails is pushed back and stops no other; return whether it did not."""
        telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
        try:
            return self._found(item, found)
        except Exception as error:  # noqa: BLE001 - a poisoned run never stops the others
            self._poisoned(item, error)
            return False

    def _found(self, item: Item, found: Found | Exception) -> bool:
        """Note what was found, or what LangGraph did instead; return whether it answered."""
        try:
            if isinstance(found, TooLargeError | TimedOutError) and "claim" not in item:
                self._look_alone(item)
            elif isinstance(found, Exception):
                raise found
            else:
                self._note(item, found)
        except UnreadableError as error:
            self._unreadable(item, str(error))
        except AgentServerError as problem:
            self.is_refused = self.is_refused or problem.slug == "api-key-refused"
            if not self._is_overdue(item) or not self._take_status(item, problem.detail):
                self._failed(item, problem.detail)
            return False
        return True

    def _unreadable(self, item: Item, reason: str) -> None:
        """Ask again where LangGraph itself would not show a checkpoint, five times; then its status has to do (G14)."""
        looks = int(item.get("unreadable", 0))
        is_enough = retry.is_enough(item) or self._is_overdue(item)
        if not is_enough or not self._take_status(item, reason):
            self._update(run_states.unreadable(item["run_id"], looks))
            self._failed(item, reason)

    def _take_status(self, item: Item, missing: str) -> bool:
        """End a run by its status alone; return whether that could be done. What is recorded says what is missing."""
        if item.get("unverified") and not item.get("disputed"):
            return self._believe(item)
        if item["outcome"] not in ("pending", "settling") and not item.get("disputed"):
            return False
        try:
            found = self._ask(Inspection("status", item, missing=missing))
        except AgentServerError:
            if item["outcome"] == "pending" or not self._is_overdue(item):
                return False
            found = Ended(unread(item, missing), None)
        if isinstance(found, Ended):
            telemetry.count("unreadable")
            telemetry.logger.error("a run is ended by its status alone", missing=missing)
        self._note(item, found)
        return True

    def _believe(self, item: Item) -> bool:
        """Take an end that LangGraph could not be asked about, for as long as a run may take, as reported (G14)."""
        telemetry.count("unreadable")
        telemetry.logger.error("LangGraph can't be asked about the end of a run; it is published as reported")
        self._update(verification.verified(item, is_known=False))
        self._tell_unless_down(item["run_id"])
        return True

    def _is_overdue(self, item: Item) -> bool:
        return retry.is_overdue(item, time.time(), self.launcher.max_run_seconds)

    def _look_alone(self, item: Item) -> None:
        """Read a large or slow result if there is time.

        The run is pushed back first, should this process not outlive it. A result that can't be read in time, again and
        again, is left to LangGraph as one that is too large is.
        """
        self._postpone(item)
        if time.monotonic() >= self.ends:
            return
        try:
            found = self._ask(Inspection("result", item, MAX_RESULT_BYTES))
        except TimedOutError:
            if not retry.is_stuck(int(item.get("failures", 0))) or self._is_overdue(item):
                raise
            found = self._ask(Inspection("status", item))
        self._note(item, found)

    def _ask(self, inspection: Inspection) -> Found:
        server = self.launcher.server
        return server.inspect(inspection, server.until(server.deadline))

    def _note(self, item: Item, found: Found) -> None:
        now = time.time()
        if "claim" in item:
            self._note_claim(item, found, now)
            return
        match found:
            case Verified() | Denied():
                note_verified(self.launcher.runs, item, found)
                self._tell_unless_down(item["run_id"])
            case Running():
                self._note_going(item, now)
            case Gone():
                self.gone.append((item, found))
            case MovedOn():
                self._move_on(item, found)
            case Ended() if item.get("disputed"):
                self._correct(item, found, now)
            case Ended() if item.get("unverified"):  # it was slow, and asked about alone
                self._note(item, Verified() if found.seen.status == item["status"] else Denied())
            case Ended() if item["outcome"] == "settling":
                self._settle(item, found.seen, now)
            case Ended():
                self._record(item, found, now)

    def _note_going(self, item: Item, now: float) -> None:
        """Note that a run goes on, or waits. Where its webhook reported an end, that was not LangGraph's."""
        if item.get("source") == "webhook" and not _waits(item):
            self._reopen(item, now)
            return
        if item["outcome"] == "pending" and self._has_outlasted_all(item, now):
            telemetry.count("overdue")
            telemetry.logger.error("LangGraph calls the run pending or running, long past MaxRunSeconds")
        self._postpone(item, known=True)

    def _note_claim(self, item: Item, found: object, now: float) -> None:
        """Note what LangGraph says of a claim. It counts for nothing else, so a token can't decide what is lost."""
        if isinstance(found, Confirmed | NotOurs):
            note_claim(self.launcher.runs, self.launcher.launches, self.launcher.bucket, item, found)
        elif not retry.is_missed_for_good(item, now):
            later = retry.next_miss(now, self.max_check_seconds)
            self._update(run_states.missed(item["run_id"], int(item["due_at"]), later, now))
        elif self._update(run_states.closed(item["run_id"], int(item["due_at"]))):
            telemetry.count("unconfirmed")
            telemetry.logger.error("LangGraph does not know the run of a delivery; it stays unconfirmed")

    def _reopen(self, item: Item, now: float) -> None:
        """Take back an end that LangGraph denies: the run goes on."""
        run = self.launcher.runs.item(item["run_id"])
        if run is not None and run["outcome"] == item["outcome"] and self._update(verification.reopened(run, now)):
            telemetry.count("forged")
            telemetry.logger.error("a delivery reported an end, but LangGraph says that the run goes on")

    def _correct(self, item: Item, found: Ended, now: float) -> None:
        """Record what LangGraph says of a run about which deliveries contradict each other, or it."""
        run = self.launcher.runs.item(item["run_id"])
        if run is None or not is_doubtful(run):
            self._postpone(item, known=True)
            return
        seen = self._settled(item, found.seen)
        if seen is None:
            self._postpone(item, known=True, is_ended=True)
            return
        placed, key = self._placed(item, found), self._questions(item, seen)
        if self._update(verification.corrected(run, seen, placed, now, key)):
            telemetry.count("corrected")
            telemetry.logger.warning("corrected: LangGraph has decided", status=seen.status, was=run["status"])
            self._tell_unless_down(item["run_id"])

    def _settled(self, item: Item, seen: Seen) -> Seen | None:
        """Return what was seen with an outcome; None where LangGraph's status has none, and may get one yet (G14)."""
        if seen.outcome != "settling":
            return seen
        if not self._is_overdue(item):
            return None
        missing = "LangGraph's status has not become one that Runledger knows."
        return unread({**item, "status": seen.status}, missing)

    def _settle(self, item: Item, found: Seen, now: float) -> None:
        seen = self._settled(item, found)
        if seen is None:
            self._postpone(item, known=True, is_ended=True)
            return
        key, denied = self._questions(item, seen), run_states.is_denied(item, seen)
        if self._update(run_states.settled(item["run_id"], seen, now, key, disputed=denied)):
            telemetry.count("settled")
            telemetry.logger.info("settled", outcome=seen.outcome)

    def _questions(self, item: Item, seen: Seen) -> str | None:
        return self.launcher.bucket.put_questions(item.get("launch_id"), item["run_id"], seen.all_questions)

    def _move_on(self, item: Item, found: MovedOn) -> None:
        if move_on(self.launcher, item, found):
            telemetry.logger.info("answered" if found.answered_by else "abandoned", by=found.answered_by)

    def _record(self, item: Item, found: Ended, now: float) -> None:
        """Record how a run ended whose webhook has not come yet, or of which none was due."""
        placed, key = self._placed(item, found), self._questions(item, found.seen)
        deliverable = placed is not None and is_deliverable(placed.payload)
        is_heard = bool(item.get("heard"))
        update = run_states.reconciled(
            *(item["run_id"], found.seen, placed, now),
            is_heard=is_heard,
            is_deliverable=deliverable,
            questions_key=key,
        )
        if self._update(update):
            telemetry.count("reconciled")
            if placed is None and not found.seen.missing:
                telemetry.count("result_too_large")
            elif not deliverable:
                telemetry.count("oversized")
            telemetry.logger.info("reconciled", status=found.seen.status, outcome=found.seen.outcome)

    def _placed(self, item: Item, found: Ended) -> Placed | None:
        """Store the result that LangGraph gave; None where it is too large."""
        if found.result is None:
            return None
        payload = payload_of(found.result)
        return self.launcher.bucket.place(item.get("launch_id"), item["run_id"], payload, self.inline_bytes)

    def judge(self) -> None:
        """Mark the runs that LangGraph did not know, unless it lets nobody in."""
        if self.is_refused:
            url = self.launcher.server.url
            telemetry.logger.error("LangGraph refuses the API key; no run is marked as gone", langgraph_url=url)
        now = time.time()
        for item, found in self.gone:
            if not deadline.has_time():
                telemetry.logger.warning("no time is left; the rest of what LangGraph does not know is due still")
                return
            telemetry.about_only(launch_id=item.get("launch_id"), run_id=item["run_id"])
            try:
                if self.is_refused and not self._has_outlasted_all(item, now):
                    self._postpone(item)
                else:
                    self._mark(item, found, now)
            except Problem as problem:
                telemetry.logger.error("a run could not be marked", detail=problem.detail)

    def _has_outlasted_all(self, item: Item, now: float) -> bool:
        if item["outcome"] == "awaiting_input":  # it may wait for as long as a person takes
            return now > int(item.get("missed_since", now)) + self.launcher.max_run_seconds
        return retry.has_outlasted_all(item, now, self.launcher.max_run_seconds)

    def _is_itself(self, item: Item) -> bool:
        """Whether the deployment still knows what it has to know, so that its 404 is about the run alone (G13)."""
        server = self.launcher.server
        if time.monotonic() >= self.ends:  # the next pass has time for it
            return False
        try:
            return self.prover.is_itself(server, item, server.until(_PROOF_SECONDS))
        except AgentServerError as problem:
            telemetry.logger.warning("it is not certain that this is the same LangGraph", detail=problem.detail)
            return False

    def _mark(self, item: Item, found: Gone, now: float) -> None:
        run_id = item["run_id"]
        if found.rolled_back and item["outcome"] in ("pending", "lost"):
            if self._update(run_states.rolled_back(run_id, now)):
                telemetry.logger.info("rolled back")
        elif not retry.is_missed_for_good(item, now):
            later = retry.next_miss(now, self.max_check_seconds)
            self._update(run_states.missed(run_id, int(item["due_at"]), later, now))
        elif not (is_proven := self._is_itself(item)) and not self._has_outlasted_all(item, now):
            self._postpone(item)
        elif is_doubtful(item):  # LangGraph has deleted it since: what its webhook said is all there is
            self._update(verification.verified(item, is_known=False))
            self._tell_unless_down(run_id)
        elif item["outcome"] == "pending":
            if self._update(run_states.lost(run_id, now, unproven=not is_proven)):
                telemetry.count("lost")
                telemetry.logger.error(
                    "lost: LangGraph no longer knows the run, and no result was seen", unproven=not is_proven
                )
        elif item["outcome"] == "awaiting_input":  # nobody can answer it any more
            self._move_on(item, MovedOn(None))
        elif item["outcome"] == "settling":  # its result is here
            self._settle(item, unread(item, "LangGraph no longer knows the run."), now)
        else:
            self._update(run_states.closed(run_id, int(item["due_at"])))

    def _poisoned(self, item: Item, error: Exception) -> None:
        if not isinstance(error, Problem):
            telemetry.logger.exception("a run could not be reconciled")
        self._failed(item, error.detail if isinstance(error, Problem) else "an unforeseen fault, logged above")

    def _failed(self, item: Item, detail: str) -> None:
        telemetry.count("check_failed")
        if retry.is_stuck(int(item.get("failures", 0))):
            telemetry.count("stuck")
        telemetry.logger.warning("a run is looked at again later", detail=detail)
        try:
            self._postpone(item)
        except Problem as problem:
            telemetry.logger.error("a run could not be pushed back", detail=problem.detail)

    def _postpone(self, item: Item, *, known: bool = False, is_ended: bool = False) -> None:
        now = time.time()
        later = retry.next_check(int(item.get("checks", 0)) + 1, now, self.max_check_seconds)
        unsettled = None if known and not is_ended else now
        self._update(run_states.postponed(item["run_id"], int(item["due_at"]), later, known=known, unsettled=unsettled))

    def _update(self, update: Update) -> bool:
        """Whether the update was done; where it was not, somebody else was faster."""
        return self.launcher.runs.apply(update) is None


def _waits(item: Item) -> bool:
    """Whether a run waits for a person, as far as is known: `Running` means that it still does."""
    return item["outcome"] == "awaiting_input" and not item.get("disputed")


def _inspection(item: Item) -> Inspection:
    """Return what LangGraph is to be asked about a run."""
    question = next_step(item, int(item["due_at"])).question or "result"
    if question == "result" and (item["outcome"] != "settling" or item.get("disputed")):  # else its result is here
        return Inspection("result", item, _BATCH_RESULT_BYTES, reads_on=False)
    return Inspection(question, item)
