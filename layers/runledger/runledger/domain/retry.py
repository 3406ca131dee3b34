"""When to try again, and when to give up: for every path that works on what is due.

| what                                           | tried again                  | given up                         |
|------------------------------------------------|------------------------------|----------------------------------|
| a run that goes on, or a look that failed      | after 2, 4, 8 … minutes      | never; `stuck` after 4 failures  |
| what a server does not answer (5xx, 429, late) | after 2, 4, 5, 5 … minutes   | never; `stuck` after 4 failures  |
| what is in the work queue                      | after a quarter of an hour   | never                            |
| a run that LangGraph does not know             | after a quarter of an hour   | after 3 misses over half an hour |
| a canary that LangGraph does not know          | for each run that needs it   | after half an hour: made anew    |
| a checkpoint that LangGraph will not show      | like a look that failed      | after 5 times, by its status     |
| what can't be settled                          | like a look that failed      | after MaxRunSeconds              |
| what is on a deployment without a key          | after a quarter of an hour   | never                            |
| a launch that LangGraph refuses for the moment | like a look that failed      | after MaxRunSeconds              |
| a second run on a caller's thread              | after 2, 4, 8 minutes        | after 3 looks                    |

No wait is longer than the parameter MaxCheckSeconds. A message of the launch queue has its own rule, see `messages`.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.run import Run

FIRST_CHECK_SECONDS = 120  # a webhook is normally there long before
LEASE_SECONDS = 60  # a launch function ends after 28 s, a worker's part in one launch after 35
MISSES = 3  # checks that must find nothing before a run is lost
MISSED_SECONDS = 1800  # and over how long
_STALE_MISS_SECONDS = 2 * 86_400  # looks are a day apart at the most, where MaxCheckSeconds is that long
_MISS_SECONDS = 900  # three looks, fifteen minutes apart, are the thirty after which a run is lost
UNREADABLE_LOOKS = 5  # at a checkpoint that LangGraph itself would not show; its status has to do then (G14)
STUCK_AFTER = 4  # checks that failed, one after the other
WATCHES = 3  # looks for a second run on a caller's thread, after a launch was started over there
_DEFER_SECONDS = 900
UNREACHED_SECONDS = 300  # what a server does not answer is due soon after its return, whatever its outage lasted
TICKET_SECONDS = 840  # what is in the work queue is due again then: its message is hidden for less after a crash


def next_check(checks: int, now: float, max_check_seconds: int) -> float:
    """Return when to look after `checks` looks: each wait double the last, none longer than the bound (seconds)."""
    return now + min(FIRST_CHECK_SECONDS << min(checks, 20), max_check_seconds)


def next_try(failures: int, now: float, max_check_seconds: int) -> float:
    """Return when to try again what a server did not answer, after `failures` tries."""
    return min(next_check(failures, now, max_check_seconds), now + UNREACHED_SECONDS)


def next_miss(now: float, max_check_seconds: int) -> float:
    """Return when to look again for what LangGraph does not know."""
    return now + min(_MISS_SECONDS, max_check_seconds)


def deferred_until(now: float, max_check_seconds: int) -> float:
    """Return when to try again what could not be asked about, because its deployment has no key."""
    return now + min(_DEFER_SECONDS, max_check_seconds)


def is_stuck(failures: int) -> bool:
    """Whether one more failed check raises an alarm."""
    return failures >= STUCK_AFTER


def is_missed_for_good(run: Run, now: float) -> bool:
    """Whether the miss of now is the third at least, half an hour or more after the first."""
    since = int(run.get("missed_since", now))
    return int(run.get("misses", 0)) + 1 >= MISSES and since <= now - MISSED_SECONDS


def canary_missed_since(canary: Mapping[str, Any], now: float) -> int:
    """Return since when a canary that is not known now has been missed.

    A miss of days ago does not count: a run has proved LangGraph since then, or nobody had to ask.
    """
    since = int(canary.get("missed_since", now))
    return since if since > now - _STALE_MISS_SECONDS else int(now)


def is_enough(run: Run) -> bool:
    """Whether this look, at which LangGraph will not show a checkpoint, is the last one."""
    return int(run.get("unreadable", 0)) + 1 >= UNREADABLE_LOOKS


def has_outlasted_all(run: Run, now: float, max_run_seconds: int) -> bool:
    """Whether a run has outlasted what any run may take, so that it can't be waited for any longer."""
    starts = run.get("starts_at") or datetime.fromisoformat(run["created_at"]).timestamp()
    return now > int(starts) + max_run_seconds


def is_overdue(run: Run, now: float, max_run_seconds: int) -> bool:
    """Whether a run could not be settled for longer than any run may take."""
    since = run.get("unread_since")
    return since is not None and now > int(since) + max_run_seconds
