"""What the ledger must hold, said apart from the transitions: plain items, and what each event makes of them.

A function takes an item as it is (`{}` where there is none) and returns it as it must be afterwards, or None where the
event must change nothing. Of an item only that is told which orders something: no names, no texts, no other times.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runledger.domain.deliveries import Delivery
    from runledger.domain.launch_states import Launch
    from runledger.domain.settling import Seen

type Item = Any

FIRST_CHECK, LEASE = 120, 60
MOST_KEPT = 4  # deliveries about unconfirmed runs of a launch
MISSES, HALF_AN_HOUR = 3, 1800  # how often and over how long a run is missed before it is lost
SOURCES = ("launch", "reconcile", "webhook")  # the later one is believed
OPEN = ("pending", "settling", "awaiting_input")
SILENT = ("pending", "settling", "unconfirmed")
UNSEEN = ("pending", "lost")  # nobody has seen such a run end
ENDS = ("succeeded", "failed", "timed_out", "cancelled", "rolled_back")
NEXT = {
    "pending": ("settling", "awaiting_input", "lost", *ENDS),
    "lost": ("settling", "awaiting_input", *ENDS),
    "settling": ("awaiting_input", *ENDS),
    "awaiting_input": ("answered", "abandoned", "cancelled"),
}
UNHELD = {"answer_holder": None, "answer_digest": None, "answer_until": None}
LATER = {"settling": ("succeeded", "awaiting_input", "answered", "abandoned")}  # what a delivery says may become this


def changed(item: Item, **changes: Any) -> Item:
    """None takes an attribute away."""
    return {name: value for name, value in {**item, **changes}.items() if value is not None}


def _comes_to(run: Item, outcome: str, now: float, **changes: Any) -> Item:
    """Have a new outcome: it is due from now on, and to be told unless it is only a stage on the way."""
    counts = {"checks": None, "failures": None, "misses": None, "missed_since": None}
    told = {"unpublished": run.get("unpublished", set()) | {outcome}} if outcome not in SILENT else {}
    return changed(run, outcome=outcome, due_at=int(now) + FIRST_CHECK, **{**counts, **told, **changes})


# Runs: what the launch knows.


def pending(run: Item, launch_id: str, now: float) -> Item | None:
    if run and "claim" not in run:
        return None
    return {
        "launch_id": launch_id,
        "source": "launch",
        "status": "pending",
        "outcome": "pending",
        "due_at": int(now) + FIRST_CHECK,
    }


def launched(run: Item, launch_id: str) -> Item | None:
    return changed(run, launch_id=launch_id) if run.get("launch_id", launch_id) == launch_id else None


def doubled(run: Item, launch_id: str) -> Item | None:
    return changed(run, doubled=True) if run.get("launch_id") == launch_id and not run.get("doubled") else None


# Runs: what a webhook says.


def delivered(run: Item, by: str | None, says: Delivery, now: float) -> Item | None:
    if run.get("source") != "launch" or run.get("launch_id") != by:
        return None
    run = changed(run, source="webhook", status=says.status, payload_sha256=says.payload.sha256, disputed=None)
    return _comes_to(run, says.outcome, now, unverified=True if says.outcome not in SILENT else None)


def superseding(run: Item, recorded: str, says: Delivery) -> Item | None:
    if (run["source"], run["outcome"]) != ("reconcile", recorded) or "corrected" in run:
        return None
    outcome = says.outcome if recorded == "settling" else recorded
    if outcome != recorded:
        run = changed(run, checks=None, failures=None, misses=None, missed_since=None)
    if outcome not in (recorded, *SILENT):
        run = changed(run, unpublished=run.get("unpublished", set()) | {outcome})
    return changed(
        run,
        source="webhook",
        status=says.status,
        outcome=outcome,
        payload_sha256=says.payload.sha256,
        result_too_large=None,
        webhook_awaited=None,
        unverified=True if outcome not in (recorded, *SILENT) else run.get("unverified"),
    )


def agrees(run: Item, says: Delivery) -> bool:
    """Whether a delivery is no contradiction of what is recorded of its run."""
    later = LATER.get(says.outcome, ())
    return run["outcome"] in ("settling", says.outcome, *later) or says.status == run["status"]


def contradicted(run: Item, read: Item, says: Delivery, now: float) -> Item | None:
    if not run or run.get("other_sha256") == says.payload.sha256:
        return None
    other = {"other_sha256": says.payload.sha256, "other_count": run.get("other_count", 0) + 1}
    run = changed(run, **other, webhook_awaited=None)
    if "corrected" in read or "thread_id" not in read:
        return run
    conflict = run.get("conflict") if agrees(read, says) else says.status
    return changed(run, disputed=True, conflict=conflict, due_at=int(now))


# Runs: what only a token vouches for.


def run_claimed(run: Item, by: str | None, says: Delivery, now: float) -> Item | None:
    if run:
        return None
    said = {"outcome": "unconfirmed", "status": says.status, "source": "webhook", "due_at": int(now) + FIRST_CHECK}
    return changed(said, claimed_by=by, claim=says.payload.sha256)


def believed(run: Item, says: Delivery, now: float) -> Item | None:
    """A shared key reports a run without a thread: nobody can be asked about it."""
    if run:
        return None
    said = {"confirmed": False, "source": "webhook", "status": says.status, "payload_sha256": says.payload.sha256}
    return _comes_to(said, says.outcome, now)


def disowned(run: Item, read: Item, launch_id: str, now: float) -> Item | None:
    """Its launcher records a run that was believed: what the shared key has reported is taken back."""
    if run.get("confirmed") is not False or "launch_id" in run or not _is_as_read(run, read):
        return None
    recorded, unsent = run["outcome"], run.get("unpublished", set())
    unsent = (unsent - {recorded}) | ({"corrected"} if recorded not in (*SILENT, *unsent) else set())
    kept = {name: run[name] for name in ("corrected",) if name in run}
    made = {"launch_id": launch_id, "source": "launch", "status": "pending", **kept}
    corrected = (run.get("corrected", 0) + bool(unsent)) or None
    return _comes_to(changed(made, unpublished=unsent or None), "pending", now, corrected=corrected)


def _confirmed(run: Item, read: Item, launch_id: str | None) -> Item | None:
    if run.get("outcome") != "unconfirmed" or run.get("claim") != read["claim"]:
        return None
    return changed(run, launch_id=launch_id, claim=None, claimed_by=None)


def confirmed(run: Item, read: Item, launch_id: str | None, seen: Seen, now: float) -> Item | None:
    """`read` is the run as it was read, with the status that its claim told."""
    if (known := _confirmed(run, read, launch_id)) is None:
        return None
    is_disputed = True if seen.status != read["status"] else None
    known = changed(known, status=seen.status, questions=seen.questions, payload_sha256=read["claim"])
    return _comes_to(known, seen.outcome, now, disputed=is_disputed)


def found_going(run: Item, read: Item, launch_id: str | None, now: float) -> Item | None:
    if (known := _confirmed(run, read, launch_id)) is None:
        return None
    return _comes_to(changed(known, source="launch", status="pending"), "pending", now)


def unconfirmed(run: Item, launch_id: str, says: Delivery) -> Item | None:
    if run and "claim" not in run:
        return None
    said = {"source": "webhook", "status": says.status, "payload_sha256": says.payload.sha256}
    run = changed(run, launch_id=launch_id, outcome="unconfirmed", **said)
    return changed(run, claim=None, claimed_by=None, due_at=None)


def verified(run: Item, read: Item, *, is_known: bool) -> Item | None:
    if run.get("status") != read["status"] or not is_doubtful(run) or (is_known and "disputed" in run):
        return None
    counts = {"checks": None, "failures": None, "misses": None, "missed_since": None}
    doubt = {} if is_known else {"confirmed": False}
    return changed(run, unverified=None, disputed=None, **counts, **doubt)


def doubted(run: Item, read: Item, now: float) -> Item | None:
    if run.get("status") != read["status"] or "unverified" not in run:
        return None
    return changed(run, disputed=True, due_at=int(now))


def is_doubtful(run: Item) -> bool:
    return "unverified" in run or "disputed" in run


def _is_as_read(run: Item, read: Item) -> bool:
    return all(run.get(name) == read.get(name) for name in ("outcome", "status", "unpublished", "payload_sha256"))


def corrected(run: Item, read: Item, seen: Seen, sha256: str | None, now: float) -> Item | None:
    if not _is_as_read(run, read):
        return None
    recorded, unsent = run["outcome"], run.get("unpublished", set())
    is_same = seen.status == run["status"] and recorded != "settling"
    outcome = recorded if is_same else seen.outcome
    if outcome != recorded:
        was_sent = recorded not in SILENT and recorded not in unsent
        new = {"corrected"} if was_sent else {outcome} - set(SILENT)
        unsent = (unsent - {recorded}) | new
    run = changed(run, source="reconcile", status=seen.status, payload_sha256=sha256, unverified=None, disputed=None)
    run = _comes_to(run, outcome, now, confirmed=None, corrected=run.get("corrected", 0) + 1)
    questions = run.get("questions") if outcome == recorded else seen.questions
    too_large = True if sha256 is None else None
    return changed(run, unpublished=unsent or None, questions=questions, result_too_large=too_large)


def reopened(run: Item, read: Item, now: float) -> Item | None:
    if run.get("source") != "webhook" or not _is_as_read(run, read):
        return None
    recorded, unsent = run["outcome"], run.get("unpublished", set())
    unsent = (unsent - {recorded}) | ({"corrected"} if recorded not in (*SILENT, *unsent) else set())
    run = changed(run, source="launch", status="pending", payload_sha256=None, questions=None)
    run = changed(run, unverified=None, disputed=None, confirmed=None, unpublished=unsent or None)
    return _comes_to(run, "pending", now, corrected=(run.get("corrected", 0) + bool(unsent)) or None)


# Runs: what LangGraph says when asked.


def reconciled(run: Item, seen: Seen, sha256: str | None, now: float, *, is_heard: bool) -> Item | None:
    if run.get("source") != "launch" or run["outcome"] not in UNSEEN:
        return None
    run = changed(run, source="reconcile", status=seen.status, payload_sha256=sha256, questions=seen.questions)
    is_awaited = seen.began and not is_heard
    return _comes_to(
        run,
        seen.outcome,
        now,
        webhook_awaited=is_awaited or None,
        result_too_large=sha256 is None or None,
    )


def settled(run: Item, read: Item, seen: Seen, now: float) -> Item | None:
    if run.get("outcome") != "settling":
        return None
    settled = _comes_to(changed(run, status=seen.status), seen.outcome, now, questions=seen.questions)
    is_denied = read["source"] == "webhook" and read["status"] == "success" != seen.status
    return changed(settled, disputed=True, due_at=int(now)) if is_denied else settled


def moved_on(run: Item, answered_by: str | None, now: float, digest: str | None = None) -> Item | None:
    if run.get("outcome") != "awaiting_input":
        return None
    run = changed(run, **{**UNHELD, "answer_digest": digest}, answer_nonce=None, answered_by=answered_by)
    return _comes_to(run, "answered" if answered_by else "abandoned", now)


# Runs: who answers. `read` is the run as they know it.


def answering(run: Item, read: Item, digest: str, holder: str, now: float) -> Item | None:
    known = ("answer_holder", "answer_nonce")
    if run["outcome"] != "awaiting_input" or any(run.get(name) != read.get(name) for name in known):
        return None
    held = {"answer_holder": holder, "answer_digest": digest, "answer_until": int(now) + LEASE}
    held["answer_nonce"] = run.get("answer_nonce", holder)
    return changed(run, **held, due_at=int(now) + LEASE)


def unanswered(run: Item, holder: str) -> Item | None:
    if run["outcome"] != "awaiting_input" or run.get("answer_holder") != holder:
        return None
    return changed(run, **UNHELD)


def cancelled(run: Item, read: Item, now: float) -> Item | None:
    if run["outcome"] != "awaiting_input" or run.get("answer_holder") != read.get("answer_holder"):
        return None
    return _comes_to(changed(run, **UNHELD, answer_nonce=None), "cancelled", now)


def rolled_back(run: Item, now: float) -> Item | None:
    if run.get("source") != "launch" or run["outcome"] not in UNSEEN:
        return None
    return _comes_to(run, "rolled_back", now, source="reconcile")


def lost(run: Item, now: float) -> Item | None:
    if run.get("source") != "launch" or run["outcome"] != "pending":
        return None
    if run.get("misses", 0) < MISSES - 1 or run["missed_since"] > int(now) - HALF_AN_HOUR:
        return None
    return _comes_to(run, "lost", now)


def published(run: Item, read: Item) -> Item | None:
    """`read` is the run as it was when its events were made."""
    if run.get("unpublished") != read["unpublished"] or "disputed" in run:
        return None
    if read["outcome"] in OPEN or read.get("webhook_awaited"):
        return changed(run, unpublished=None)
    return changed(run, unpublished=None, due_at=None) if run.get("due_at") == read["due_at"] else None


# Runs: when to look.


def missed(run: Item, was_due: int, due_at: int, now: float) -> Item | None:
    if run.get("due_at") != was_due:
        return None
    since = run.get("missed_since", int(now))
    return changed(run, due_at=due_at, misses=run.get("misses", 0) + 1, missed_since=since)


def postponed(run: Item, was_due: int, due_at: int, *, known: bool) -> Item | None:
    if run.get("due_at") != was_due:
        return None
    run = changed(run, due_at=due_at, checks=run.get("checks", 0) + 1)
    if known:
        return changed(run, failures=None, misses=None, missed_since=None)
    return changed(run, failures=run.get("failures", 0) + 1)


def webhook_missing(run: Item, recorded: str) -> Item | None:
    if (run.get("source"), run.get("outcome")) != ("reconcile", recorded) or not run.get("webhook_awaited"):
        return None
    return changed(run, webhook_awaited=None)


def closed(item: Item, was_due: int) -> Item | None:
    is_done = item.get("due_at") == was_due and not {"unpublished", "webhook_awaited", "disputed"} & set(item)
    return changed(item, due_at=None) if is_done else None


def due_now(run: Item, now: float) -> Item | None:
    if run.get("outcome") in ("pending", "settling", "lost") or run.get("webhook_awaited"):
        return changed(run, due_at=int(now), heard=True, webhook_awaited=None)
    return None


# Launches. `seen` is the launch as the writer knows it.


def claimed(launch: Item, holder: str, now: float) -> Item | None:
    return None if launch else {"state": "starting", "attempt": 1, **_held(holder, now)}


def taken_over(launch: Item, seen: Launch, holder: str, now: float) -> Item | None:
    if any(launch[name] != getattr(seen, name) for name in ("state", "holder", "lease_until")):
        return None
    return changed(launch, state="starting", **_held(holder, now))


def attempted(launch: Item, seen: Launch, now: float) -> Item | None:
    if launch["state"] != "starting" or any(launch[name] != getattr(seen, name) for name in ("holder", "attempt")):
        return None
    if launch.get("kept_count"):
        return None
    return changed(launch, attempt=launch["attempt"] + 1, heard=None, watches=None, **_held(launch["holder"], now))


def started(launch: Item, seen: Launch, run_id: str, now: float, *, heard: bool) -> Item | None:
    if launch["state"] == "started" or launch["attempt"] != seen.attempt:
        return None
    launch = changed(launch, state="started", run_id=run_id, checks=None)
    if heard:
        return launch
    is_left = launch.get("heard") or launch.get("kept_count")
    return None if is_left else changed(launch, due_at=_watch(seen, now))


def refused(launch: Item, seen: Launch, now: float) -> Item | None:
    is_left = launch.get("kept_count") or launch.get("heard")
    if (launch["state"], launch["holder"]) != ("starting", seen.holder) or is_left:
        return None
    return changed(launch, state="refused", checks=None, due_at=_watch(seen, now))


def kept(launch: Item, name: str, run_id: str, now: float) -> Item | None:
    """Keep a delivery about a run, in the attribute `name`."""
    if not launch or name in launch or launch.get("kept_count", 0) >= MOST_KEPT:
        return None
    if run_id in (launch.get("run_id"), launch.get("answer_run_id")):
        return None
    return changed(launch, **{name: True}, kept_count=launch.get("kept_count", 0) + 1, due_at=int(now))


def taken(launch: Item, name: str) -> Item | None:
    if name not in launch:
        return None
    return changed(launch, **{name: None}, kept_count=launch["kept_count"] - 1 or None)


def continued(launch: Item, name: str, run_id: str) -> Item | None:
    return changed(launch, answer_run_id=run_id) if launch and name not in launch else None


def launch_checked(launch: Item, was_due: int) -> Item | None:
    is_done = launch.get("due_at") == was_due and not launch.get("kept_count")
    return changed(launch, due_at=None) if is_done else None


def heard(launch: Item, now: float) -> Item | None:
    return changed(launch, heard=True, due_at=int(now)) if launch else None


def launch_postponed(launch: Item, due_at: int) -> Item | None:
    return changed(launch, due_at=due_at, checks=launch.get("checks", 0) + 1) if "due_at" in launch else None


def watched(launch: Item, seen: Launch, due_at: int) -> Item | None:
    if "due_at" not in launch or launch.get("watches", 0) != seen.watches:
        return None
    return changed(launch, due_at=due_at, watches=launch.get("watches", 0) + 1)


def _watch(seen: Launch, now: float) -> int | None:
    """When to look for further runs of a launch that was started over on its caller's thread."""
    return int(now) + FIRST_CHECK if seen.attempt > 1 and not seen.own_thread else None


def _held(holder: str, now: float) -> Item:
    return {"holder": holder, "lease_until": int(now) + LEASE, "due_at": int(now) + LEASE}
