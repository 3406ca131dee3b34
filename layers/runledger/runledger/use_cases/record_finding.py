"""Recording what LangGraph says of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import retry, run_states, verification
from runledger.domain.deliveries import is_deliverable, payload_of
from runledger.domain.inspection import Confirmed, Denied, Ended, MovedOn, NotOurs, Running, Verified
from runledger.domain.settling import unread
from runledger.domain.verification import is_doubtful
from runledger.use_cases.confirm_runs import note_claim, note_verified
from runledger.use_cases.human_input import move_on

if TYPE_CHECKING:
    from runledger.domain.inspection import Found
    from runledger.domain.ledger import Placed
    from runledger.domain.run import Run
    from runledger.domain.settling import Seen
    from runledger.use_cases.work import Work


def record_finding(work: Work, item: Run, found: Found) -> None:
    """Record what LangGraph says of a due run that it knows, or of a claim."""
    now = time.time()
    if "claim" in item:
        _claim(work, item, found, now)
        return
    match found:
        case Verified() | Denied():
            note_verified(work.launcher.runs, item, found)
            work.publish(item)
        case Running():
            _going(work, item, now)
        case MovedOn():
            record_moved_on(work, item, found)
        case Ended() if item.get("disputed"):
            _correct(work, item, found, now)
        case Ended() if item.get("unverified"):  # it was slow, and asked about alone
            record_finding(work, item, Verified() if found.seen.status == item["status"] else Denied())
        case Ended() if item["outcome"] == "settling":
            settle(work, item, found.seen, now)
        case Ended():
            _end(work, item, found, now)


def record_moved_on(work: Work, item: Run, found: MovedOn) -> None:
    """Record that a run waits for a person no more."""
    if move_on(work.launcher, item, found):
        telemetry.logger.info("answered" if found.answered_by else "abandoned", by=found.answered_by)


def settle(work: Work, item: Run, found: Seen, now: float) -> None:
    """Record what a success was; a status that has no outcome yet is asked for again."""
    seen = _with_outcome(work, item, found)
    if seen is None:
        work.postpone(item, known=True, is_ended=True)
        return
    key, denied = _questions(work, item, seen), run_states.is_denied(item, seen)
    if work.update(run_states.settled(item["run_id"], seen, now, key, disputed=denied)):
        telemetry.count("settled")
        telemetry.logger.info("settled", outcome=seen.outcome)


def _claim(work: Work, item: Run, found: object, now: float) -> None:
    """Record what LangGraph says of a claim. It counts for nothing else, so a token can't decide what is lost."""
    if isinstance(found, Confirmed | NotOurs):
        note_claim(work.launcher.runs, work.launcher.launches, work.launcher.bucket, item, found)
    elif not retry.is_missed_for_good(item, now):
        later = retry.next_miss(now, work.max_check_seconds)
        work.update(run_states.missed(item["run_id"], int(item["due_at"]), later, now))
    elif work.update(run_states.closed(item["run_id"], int(item["due_at"]))):
        telemetry.count("unconfirmed")
        telemetry.logger.error("LangGraph does not know the run of a delivery; it stays unconfirmed")


def _going(work: Work, item: Run, now: float) -> None:
    """Record that a run goes on, or waits. Where its webhook reported an end, that was not LangGraph's."""
    waits = item["outcome"] == "awaiting_input" and not item.get("disputed")
    if item.get("source") == "webhook" and not waits:
        _reopen(work, item, now)
        return
    if item["outcome"] == "pending" and retry.has_outlasted_all(item, now, work.launcher.max_run_seconds):
        telemetry.count("overdue")
        telemetry.logger.error("LangGraph calls the run pending or running, long past MaxRunSeconds")
    work.postpone(item, known=True)


def _reopen(work: Work, item: Run, now: float) -> None:
    """Take back an end that LangGraph denies: the run goes on."""
    run = work.launcher.runs.item(item["run_id"])
    if run is not None and run["outcome"] == item["outcome"] and work.update(verification.reopened(run, now)):
        telemetry.count("forged")
        telemetry.logger.error("a delivery reported an end, but LangGraph says that the run goes on")


def _correct(work: Work, item: Run, found: Ended, now: float) -> None:
    """Record what LangGraph says of a run about which deliveries contradict each other, or it."""
    run = work.launcher.runs.item(item["run_id"])
    if run is None or not is_doubtful(run):
        work.postpone(item, known=True)
        return
    seen = _with_outcome(work, item, found.seen)
    if seen is None:
        work.postpone(item, known=True, is_ended=True)
        return
    placed, key = _placed(work, item, found), _questions(work, item, seen)
    if work.update(verification.corrected(run, seen, placed, now, key)):
        telemetry.count("corrected")
        telemetry.logger.warning("corrected: LangGraph has decided", status=seen.status, was=run["status"])
        work.publish(item)


def _end(work: Work, item: Run, found: Ended, now: float) -> None:
    """Record how a run ended whose webhook has not come yet, or of which none was due."""
    placed, key = _placed(work, item, found), _questions(work, item, found.seen)
    deliverable = placed is not None and is_deliverable(placed.payload)
    update = run_states.reconciled(
        *(item["run_id"], found.seen, placed, now),
        is_heard=bool(item.get("heard")),
        is_deliverable=deliverable,
        questions_key=key,
    )
    if work.update(update):
        telemetry.count("reconciled")
        if placed is None and not found.seen.missing:
            telemetry.count("result_too_large")
        elif not deliverable:
            telemetry.count("oversized")
        telemetry.logger.info("reconciled", status=found.seen.status, outcome=found.seen.outcome)


def _with_outcome(work: Work, item: Run, seen: Seen) -> Seen | None:
    """Return what was seen with an outcome; None where LangGraph's status has none, and may get one yet (G14)."""
    if seen.outcome != "settling":
        return seen
    if not work.is_overdue(item):
        return None
    return unread({**item, "status": seen.status}, "LangGraph's status has not become one that Runledger knows.")


def _questions(work: Work, item: Run, seen: Seen) -> str | None:
    return work.launcher.bucket.put_questions(item.get("launch_id"), item["run_id"], seen.all_questions)


def _placed(work: Work, item: Run, found: Ended) -> Placed | None:
    """Store the result that LangGraph gave; None where it is too large."""
    if found.result is None:
        return None
    payload = payload_of(found.result)
    return work.launcher.bucket.place(item.get("launch_id"), item["run_id"], payload, work.inline_payload_bytes)
