"""Every transition of a launch, with its condition. Whoever writes to the Launches table uses these (G2, G4).

| transition  | from                                  | to                                                            |
|-------------|---------------------------------------|---------------------------------------------------------------|
| claimed     | absent                                | `starting`, with a holder and its lease, due when that lapses |
| answering   | absent                                | `started`, with the run that answers one without a launch     |
| taken_over  | `starting` or `refused`, as read      | `starting`, with a new holder and lease                       |
| attempted   | `starting`, held                      | the same, one attempt more, nothing heard or watched of it    |
| started     | `starting` or `refused`, this attempt | `started`, with the run; due if heard of or to be watched     |
| continued   | any, no delivery about the run kept   | the same, with the newest run that answers a question         |
| refused     | `starting`, held, not heard of        | `refused`, with the reason; due if a task or a watch waits    |
| called_for  | any, of this request, no newer token  | the same, with the token of a task that waits; due            |
| call_later  | any, called for                       | the same, due soon: the task could not be told                |
| called_back | any, with this token                  | the same, without it                                          |
| heard       | any                                   | the same, due now                                             |
| checked     | any, due as read                      | the same, due no more                                         |
| watched     | any that is due, watches as read      | the same, one watch more, due later                           |
| postponed   | any that is due                       | the same, one failed check more, due later                    |
| unreached   | any that is due                       | the same, one failure more, due later                         |
| enqueued    | any, due as read                      | the same, in the work queue, due again later                  |
| deferred    | any that is due                       | the same, due later                                           |
| canary      | no launch: as read                    | a thread by which a deployment is known, not missed           |
| canary_miss | that canary                           | the same, not known to the deployment since a time            |
| canary_seen | that canary                           | the same, missed no more                                      |

Rank: refused < starting < started. A launch that stays `starting` is unknown: its run may have been started, or not.
Its lease says that its holder is at work on it, and is longer than that can take; when it has lapsed, nobody is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.domain.conditions import Absent, AtMost, Either, Equals, OneOf, Present, as_read
from runledger.domain.ledger import NOT_DUE, SCHEMA, Update, due
from runledger.domain.retry import FIRST_CHECK_SECONDS, LEASE_SECONDS, WATCHES
from runledger.domain.times import iso
from runledger.domain.unconfirmed import NONE_KEPT, kept_name, kept_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.conditions import Condition, Value
    from runledger.domain.unconfirmed import Kept

_COUNTS = ("checks", "failures")


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch as the ledger has it. `lease_until` is in epoch seconds; `holder` is whoever works on it, or did."""

    launch_id: str
    state: str
    attempt: int
    holder: str
    lease_until: int
    thread_id: str
    own_thread: bool
    digest: str
    langgraph_url: str
    created_at: str
    run_id: str | None
    reason: str | None
    request: str | None
    request_key: str | None
    checks: int
    failures: int
    watches: int
    is_heard: bool
    calls_back: bool
    start_nonce: str | None = None  # by which its runs are known in LangGraph, those that answer another one excepted
    kept: tuple[Kept, ...] = ()

    @classmethod
    def read(cls, item: Mapping[str, Any]) -> Launch:
        """Read an item of the Launches table."""
        return cls(
            launch_id=item["launch_id"],
            state=item["state"],
            attempt=int(item["attempt"]),
            holder=item["holder"],
            lease_until=int(item["lease_until"]),
            thread_id=item["thread_id"],
            own_thread=bool(item["own_thread"]),
            digest=item["digest"],
            langgraph_url=item["langgraph_url"],
            created_at=item["created_at"],
            run_id=item.get("run_id"),
            reason=item.get("reason"),
            request=item.get("request"),
            request_key=item.get("request_key"),
            checks=int(item.get("checks", 0)),
            failures=int(item.get("failures", 0)),
            watches=int(item.get("watches", 0)),
            is_heard="heard_at" in item,
            calls_back=item.get("task_token") is not None,
            kept=tuple(kept_of(item)),
            start_nonce=item.get("start_nonce"),
        )

    def is_held(self, now: float) -> bool:
        """Whether somebody may be at work on it."""
        return self.state == "starting" and self.lease_until > now

    @property
    def is_unstarted(self) -> bool:
        """Whether LangGraph is known to have made no run of it: it has refused the only attempt."""
        return self.state == "refused" and self.attempt == 1

    @property
    def may_be_doubled(self) -> bool:
        """Whether LangGraph may make a second run of it: started over on a thread that can't be deleted first."""
        return self.attempt > 1 and not self.own_thread

    @property
    def is_to_be_watched(self) -> bool:
        """Whether LangGraph is still to be asked for a second run of it."""
        return self.may_be_doubled and self.watches < WATCHES


def claimed(  # noqa: PLR0913 - the facts of a launch, each by name
    *,
    launch_id: str,
    digest: str,
    request: str | None,
    request_key: str | None,
    assistant_id: str,
    thread_id: str,
    own_thread: bool,
    stream: bool,
    langgraph_url: str,
    holder: str,
    now: float,
    task_token: str | None = None,
    called_at: int | None = None,
) -> Update:
    """Put a launch down before anything is asked of LangGraph, so that nothing can start unseen.

    The request is kept, as text or in the bucket, because somebody else may have to start the run. `called_at` is when
    the task with this token asked, in epoch milliseconds.
    """
    return Update(
        key={"launch_id": launch_id},
        when=(Absent("launch_id"),),
        set={
            "schema": SCHEMA,
            "state": "starting",
            "attempt": 1,
            "digest": digest,
            "request": request,
            "request_key": request_key,
            "assistant_id": assistant_id,
            "thread_id": thread_id,
            "own_thread": own_thread,
            "stream": stream,
            "langgraph_url": langgraph_url,
            "start_nonce": holder,  # the first holder's, whoever goes on with it
            "task_token": task_token,
            "called_at": called_at,
            "created_at": iso(now),
            **_leased(launch_id, holder, now),
        },
    )


def answering(  # noqa: PLR0913 - the facts of a launch, each by name
    *, launch_id: str, digest: str, run_id: str, thread_id: str, assistant_id: str, langgraph_url: str, now: float
) -> Update:
    """Put down the launch that begins with an answer, because the run that it answers has none."""
    return Update(
        key={"launch_id": launch_id},
        when=(Absent("launch_id"),),
        set={
            "schema": SCHEMA,
            "state": "started",
            "attempt": 1,
            "holder": launch_id,
            "lease_until": int(now),
            "digest": digest,
            "run_id": run_id,
            "assistant_id": assistant_id,
            "thread_id": thread_id,
            "own_thread": False,
            "langgraph_url": langgraph_url,
            "created_at": iso(now),
            "updated_at": iso(now),
        },
    )


def taken_over(launch: Launch, holder: str, now: float) -> Update:
    """Go on with a launch that nobody works on: its lease has lapsed, or LangGraph refused it."""
    return Update(
        key={"launch_id": launch.launch_id},
        when=(
            Equals("state", launch.state),
            Equals("holder", launch.holder),
            Equals("lease_until", launch.lease_until),
        ),
        set={"state": "starting", **_leased(launch.launch_id, holder, now)},
        remove=("reason", "detail"),
    )


def attempted(launch: Launch, thread_id: str, now: float) -> Update:
    """Start over, on a new thread where the last attempt's could be deleted; `launch` is as its holder knows it.

    What was heard of the last attempts was looked for and not found; a run of this one can appear as of the first.
    """
    return Update(
        key={"launch_id": launch.launch_id},
        when=(*_held_by(launch.holder), Equals("attempt", launch.attempt), NONE_KEPT),
        set={"attempt": launch.attempt + 1, "thread_id": thread_id, **_leased(launch.launch_id, launch.holder, now)},
        remove=("heard_at", "watches"),
    )


def started(launch: Launch, run_id: str, now: float, *, heard: bool = False) -> Update:
    """LangGraph has answered, or was found to have it: the launch has its run.

    It is due no more, unless a delivery is kept in it, something was `heard` of it that could not be recorded, a task
    waits for it, whom nobody could have told yet, or a second run may appear.
    """
    watch = due(launch.launch_id, now + FIRST_CHECK_SECONDS) if launch.may_be_doubled else {}
    return Update(
        key={"launch_id": launch.launch_id},
        when=(
            OneOf("state", ("starting", "refused")),
            Equals("attempt", launch.attempt),
            *(() if heard else (Absent("heard_at"), Absent("task_token"), NONE_KEPT)),
        ),
        set={"state": "started", "run_id": run_id, "updated_at": iso(now), **({} if heard else watch)},
        remove=("request", "request_key", "reason", "detail", *_COUNTS, *(() if heard or watch else NOT_DUE)),
    )


def continued(launch_id: str, run_id: str, now: float) -> Update:
    """Note the run that goes on with a launch after an answer; fails where a delivery about it is kept already."""
    return Update(
        key={"launch_id": launch_id},
        when=(Present("launch_id"), Absent(kept_name(run_id))),
        set={"answer_run_id": run_id, "updated_at": iso(now)},
    )


def refused(launch: Launch, reason: str, detail: str, now: float) -> Update:
    """LangGraph has made no run at this attempt and won't; the same request may try again.

    `reason` is the name of the problem that its caller was answered, `detail` that one's, with LangGraph's own words.

    The run of an earlier attempt may still appear, where that could not be fenced off: then the launch stays due. So
    does one that was heard of.
    """
    watch = due(launch.launch_id, now + FIRST_CHECK_SECONDS) if launch.may_be_doubled else {}
    return Update(
        key={"launch_id": launch.launch_id},
        when=(
            *_held_by(launch.holder),
            Absent("heard_at"),
            NONE_KEPT,
            *(() if launch.calls_back else (Absent("task_token"),)),
        ),
        set={"state": "refused", "reason": reason, "detail": detail, "updated_at": iso(now), **watch},
        remove=(*_COUNTS, *(() if watch or launch.calls_back else NOT_DUE)),
    )


def called_for(launch_id: str, digest: str, task_token: str, called_at: int, now: float) -> Update:
    """A task waits for the launch, or waits anew after it was retried: the newest token counts.

    That is the one that asked last, at `called_at` (epoch milliseconds): a message may come hours after it was sent, or
    twice. The launch may be over already, so it is due.
    """
    return Update(
        key={"launch_id": launch_id},
        when=(Equals("digest", digest), Either(Absent("called_at"), AtMost("called_at", called_at))),
        set={"task_token": task_token, "called_at": called_at, **due(launch_id, now + LEASE_SECONDS)},
    )


def call_later(launch_id: str, now: float) -> Update:
    """The launch is over and its task could not be ended: the worker tries that again."""
    return Update(
        key={"launch_id": launch_id},
        when=(Present("task_token"),),
        set=due(launch_id, now + LEASE_SECONDS),
    )


def called_back(launch_id: str, task_token: str) -> Update:
    """The task was told."""
    return Update(
        key={"launch_id": launch_id},
        when=(Equals("task_token", task_token),),
        remove=("task_token",),
    )


def heard(launch_id: str, now: float) -> Update:
    """Something genuine was heard that can't be recorded: LangGraph must be asked about the launch's runs."""
    return Update(
        key={"launch_id": launch_id},
        when=(Present("launch_id"),),
        set={"heard_at": iso(now), **due(launch_id, now)},
    )


def checked(launch_id: str, was_due: int) -> Update:
    """Nothing is left to do for a launch that was due."""
    return Update(
        key={"launch_id": launch_id},
        when=(Equals("due_at", was_due), NONE_KEPT),
        remove=NOT_DUE,
    )


def watched(launch: Launch, next_check: float) -> Update:
    """Note that LangGraph was asked for further runs of a launch; ask again later."""
    return Update(
        key={"launch_id": launch.launch_id},
        when=(Present("due_at"), as_read("watches", launch.watches or None)),
        set=due(launch.launch_id, next_check),
        add={"watches": 1},
    )


def postponed(launch_id: str, was_due: int, next_check: float) -> Update:
    """Look at a launch again later: this time it failed."""
    return Update(
        key={"launch_id": launch_id},
        when=(Present("due_at"),),
        set=due(launch_id, next_check, was_due),
        add={"checks": 1},
    )


def unreached(launch_id: str, was_due: int, next_try: float) -> Update:
    """Try a launch again later: its server did not answer, which says nothing about the launch."""
    return Update(
        key={"launch_id": launch_id},
        when=(Present("due_at"),),
        set=due(launch_id, next_try, was_due),
        add={"failures": 1},
    )


def enqueued(launch_id: str, was_due: int, until: float) -> Update:
    """Put a launch into the work queue: it is due again at `until`, should its message be lost."""
    return Update(
        key={"launch_id": launch_id},
        when=(Equals("due_at", was_due),),
        set=due(launch_id, until),
    )


def deferred(launch_id: str, until: float) -> Update:
    """Leave a launch alone until somebody who is to try it again has done so."""
    return Update(key={"launch_id": launch_id}, when=(Present("due_at"),), set=due(launch_id, until))


def canary(name: str, thread_id: str, was: str | None, now: float) -> Update:
    """Note the thread that a ledger has made on a deployment, to know it by; `was` is the one before (None for none).

    It stands beside the launches under a `name` that no launch has, and is never due.
    """
    return Update(
        key={"launch_id": name},
        when=(as_read("thread_id", was),),
        set={"thread_id": thread_id, "created_at": iso(now)},
        remove=("missed_since",),
    )


def canary_miss(name: str, thread_id: str, since: int) -> Update:
    """Note that a deployment has not known its canary since that epoch second; it may lead elsewhere for a while."""
    return Update(key={"launch_id": name}, when=(Equals("thread_id", thread_id),), set={"missed_since": since})


def canary_seen(name: str, thread_id: str) -> Update:
    """A deployment knows its canary again."""
    return Update(key={"launch_id": name}, when=(Equals("thread_id", thread_id),), remove=("missed_since",))


def _held_by(holder: str) -> tuple[Condition, ...]:
    return Equals("state", "starting"), Equals("holder", holder)


def _leased(launch_id: str, holder: str, now: float) -> dict[str, Value | None]:
    until = int(now) + LEASE_SECONDS
    return {"holder": holder, "lease_until": until, "updated_at": iso(now), **due(launch_id, until)}
