"""One launch, one run (G2): start it, or find out whether it was started and go on from there.

Used by launch, and by reconcile for launches whose launcher has died. The steps, each of which may be the last one that
somebody takes: claim, ask LangGraph, record the run, record the launch.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from langgraph_sdk.errors import ConflictError, NotFoundError

from runledger.adapters import telemetry
from runledger.domain import launch_states, run_states, tokens
from runledger.domain.launches import parse_launch
from runledger.domain.problems import Problem, unavailable
from runledger.domain.settling import STILL
from runledger.domain.unconfirmed import kept_about
from runledger_langgraph.confirming import record_kept, resolve
from runledger_langgraph.deployments import url_of
from runledger_langgraph.inspection import runs_of_launch
from runledger_langgraph.refusals import ERRORS, explain, fault
from runledger_langgraph.runs import NotStartedError, Start, Started, UnknownError, make_thread, run_id_of, start_run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from langgraph_sdk.client import LangGraphClient

    from runledger.adapters.bucket import Bucket
    from runledger.adapters.callbacks import Callbacks
    from runledger.adapters.recorder import Recorder
    from runledger.adapters.secrets import Secret
    from runledger.adapters.tables import Table
    from runledger.domain.launch_states import Launch
    from runledger.domain.launches import LaunchRequest
    from runledger.domain.tokens import KeyRing
    from runledger_langgraph.client import LangGraph
    from runledger_langgraph.deployments import ApiKey, Deployments

SPARE_SECONDS = 0.5  # how long after `until` an answer may be noticed


class TakenError(Exception):
    """Somebody else works on the launch."""


@dataclass(frozen=True)
class Launcher:
    """What it takes to start a run. `until` is always when calls to LangGraph must end, in monotonic seconds.

    `ledger_id` is the identity of this ledger (G12).
    """

    ledger_id: str
    langgraph: LangGraph
    recorder: Recorder
    runs: Table
    launches: Table
    bucket: Bucket
    callbacks: Callbacks
    ring: Secret[KeyRing]
    api_key: ApiKey
    deployments: Deployments
    webhook_url: str
    max_run_seconds: int

    def at(self, url: str | None) -> Launcher:
        """Return what asks the deployment that an item stored by its URL; raise NoKeyError where none may be asked."""
        there = self.deployments.at(url)
        if there is self.deployments.configured:
            return self
        return replace(self, langgraph=there.langgraph, api_key=there.api_key)

    def of(self, run: Mapping[str, Any]) -> Launcher:
        """Return what asks a run's deployment; raise as `at` does."""
        return self.at(url_of(run, self.launches))

    def start(self, launch: Launch, request: LaunchRequest, until: float, *, is_patient: bool = False) -> str:
        """Ask LangGraph for the run of a launch that is ours by its lease, record it, and return its id.

        Raises the Problem that the caller is to hear. An answer that was lost leaves the launch `starting`; a refusal
        closes it, but where nobody would try again (`is_patient`) only one that would come again.
        """
        try:
            started = start_run(self.langgraph, self._prepare(launch, request), self.api_key.value(), until)
        except UnknownError as unknown:
            problem = self.told(unknown.problem)
            problem.detail += " The run may have been started all the same; its launch goes on by itself."
            problem.extra = {"launch_id": launch.launch_id}
            raise problem from None
        except NotStartedError as refused:
            # What keeps the thread busy may be this launch's own run: a proxy has repeated the request, or it was late.
            busy = refused.problem.slug == "thread-busy"
            own = self._in_langgraph(launch, until) if busy or launch.may_be_doubled else []
            if not own:
                self._refused(launch, refused.problem, is_patient=is_patient)
                refused.problem.extra = {"launch_id": launch.launch_id}
                raise refused.problem from None
            started = own[0]
        self._record(launch, started, until, request)
        telemetry.count("launched")
        telemetry.logger.info("launched", thread_id=launch.thread_id, stream=request.stream)
        return started.run_id

    def go_on(
        self, launch: Launch, until: float, request: LaunchRequest | None = None, *, is_patient: bool = False
    ) -> tuple[Launch, str]:
        """Take over a launch that nobody works on; adopt its run where there is one, else start over.

        Returns the launch as it is then, and its run's id. Raises TakenError where somebody else was faster. On a
        thread of ours a run that is made late can't slip in: the last attempt's thread is deleted first, so that a late
        creation gets 404. On a caller's thread LangGraph offers no such fence; there `watch` finds a second run.
        Call it at the launch's own deployment (`at`).
        """
        starts_again = launch.is_unstarted and not launch.own_thread
        launch = self._take_over(launch)
        request = request or self._request_of(launch)
        found = self._in_ledger(launch) or self._in_langgraph(launch, until, must_know=launch.own_thread)
        if not found and launch.kept:
            if not resolve(self, launch, until):
                raise _unconfirmed(launch)
            if found := self._in_ledger(launch):  # it has recorded both
                return launch, found[0].run_id
        if not found and launch.own_thread:
            self.ask(until, lambda client: client.threads.delete(launch.thread_id))
            found = self._in_ledger(launch)
        if found:
            telemetry.count("adopted")
            self._record(launch, found[0], until, request)
            telemetry.logger.info("adopted")
            return launch, found[0].run_id
        if not starts_again:
            launch = self._attempt(launch)
            telemetry.count("started_over")
        return launch, self.start(launch, request, until, is_patient=is_patient)

    def adopt(self, launch: Launch, until: float) -> None:
        """Give a refused launch its run, if there is one after all."""
        if found := self._in_ledger(launch) or self._in_langgraph(launch, until):
            telemetry.count("adopted")
            if not self._record(launch, found[0], until):
                raise unavailable("The adopted run can't be recorded.")

    def watch(self, launch: Launch, until: float) -> None:
        """Look for further runs of a launch that was started over on a caller's thread; record, count, cancel them."""
        for run in self.ask(until, lambda client: self._runs_of(client, launch)):
            if run["run_id"] != launch.run_id:
                now = time.time()
                second = started_as(run)
                self._put_down(launch, second, now)
                if self.runs.apply(run_states.doubled(second.run_id, launch.launch_id, now)) is None:
                    telemetry.count("doubled")
                    telemetry.logger.error("a second run of the launch appeared", doubled_run=second.run_id)
                if run["status"] in STILL:
                    self.ask(until, lambda client, run_id=second.run_id: _cancel(client, launch.thread_id, run_id))  # type: ignore[misc]

    def webhook(self, launch_id: str, after_seconds: int = 0) -> dict[str, str]:
        """Return where a run that starts in `after_seconds` is to deliver, with its launch's token, and that token."""
        now = time.time()
        token = tokens.sign(self.ring.value(), launch_id, int(now) + after_seconds + self.max_run_seconds, now)
        return {"webhook": f"{self.webhook_url}?token={token}", "token": token}

    def _prepare(self, launch: Launch, request: LaunchRequest) -> Start:
        return Start(
            request=request,
            launch_id=launch.launch_id,
            ledger_id=self.ledger_id,
            nonce=launch.start_nonce,
            thread_id=launch.thread_id,
            own_thread=launch.own_thread,
            is_first=launch.attempt == 1,
            **self.webhook(launch.launch_id, request.after_seconds),
        )

    def _request_of(self, launch: Launch) -> LaunchRequest:
        text = launch.request or self.bucket.fetch(str(launch.request_key))
        return parse_launch(text.encode())

    def _take_over(self, launch: Launch) -> Launch:
        holder = str(uuid.uuid4())
        found = self.launches.apply(launch_states.taken_over(launch, holder, time.time()))
        if found is not None and found.get("holder") != holder:  # it is ours where the first answer was lost
            raise TakenError
        return replace(launch, state="starting", holder=holder)

    def _attempt(self, launch: Launch) -> Launch:
        """Begin another attempt, on another thread where the launch has one of its own."""
        attempt = launch.attempt + 1
        thread_id = str(uuid.uuid4()) if launch.own_thread else launch.thread_id
        found = self.launches.apply(launch_states.attempted(launch, thread_id, time.time()))
        if found is not None and (found.get("holder"), found.get("attempt")) != (launch.holder, attempt):
            raise TakenError
        return replace(launch, attempt=attempt, thread_id=thread_id)

    def _in_ledger(self, launch: Launch) -> list[Started]:
        """Return the runs that a webhook has recorded."""
        return [started_as(item) for item in self.runs.of_launch(launch.launch_id)]

    def _in_langgraph(self, launch: Launch, until: float, *, must_know: bool = False) -> list[Started]:
        """Return the runs that LangGraph has on the launch's thread; none where it need not know the thread."""

        async def found(client: LangGraphClient) -> list[Started]:
            return [started_as(run) for run in await self._runs_of(client, launch, must_know=must_know)]

        return self.ask(until, found)

    async def _runs_of(
        self, client: LangGraphClient, launch: Launch, *, must_know: bool = False
    ) -> list[dict[str, Any]]:
        """Find the launch's runs.

        A thread of ours that is not known may never have been made. With `must_know` it is made then and asked for
        again, so that a proxy's 404 is never taken for LangGraph's. A thread that is known is never made again: such a
        request, should it come late, would undo the fence.
        """
        where = (client, launch.thread_id, launch.launch_id, launch.start_nonce, launch.created_at)
        try:
            return await runs_of_launch(*where)
        except NotFoundError:
            if not must_know:
                return []
        await make_thread(client, launch.thread_id, launch.launch_id, self.ledger_id)
        return await runs_of_launch(*where)

    def ask[T](self, until: float, question: Callable[[LangGraphClient], Awaitable[T]]) -> T:
        """Ask LangGraph; raise what it answers amiss as a Problem."""
        key = self.api_key.value()
        try:
            return self.langgraph.ask(key, until, question)
        except NotFoundError:
            raise fault("LangGraph does not know a thread that it was just given.") from None
        except ERRORS as error:
            raise self.told(explain(error, self.langgraph, secrets=(key,))) from None

    def told(self, problem: Problem) -> Problem:
        """Count what is about our configuration, and read a refused API key anew next time; return the problem."""
        if problem.about == "us":
            telemetry.count("misconfigured")
        if problem.slug == "api-key-refused":
            self.api_key.forget()
        return problem

    def _refused(self, launch: Launch, problem: Problem, *, is_patient: bool) -> None:
        """Close a launch; where that fails it stays due, and its refusal is what the caller hears.

        A task that waits is told at once of what would come again; of anything else when the launch is due, if nobody
        has tried again by then.
        """
        self.told(problem)
        is_lasting = problem.about == "request"
        if is_patient and not is_lasting and not self._is_too_old(launch):
            return
        try:
            update = launch_states.refused(launch, problem.slug, problem.detail, time.time())
            is_closed = self.launches.apply(update) is None
            if is_lasting or is_patient:
                self.callbacks.settle(launch.launch_id)
        except Problem as failed:
            telemetry.logger.error("a refused launch stays due", detail=failed.detail)
            return
        if is_patient and is_closed:
            telemetry.count("launch_refused")
            telemetry.logger.error("a launch is given up", reason=problem.slug, detail=problem.detail)

    def _is_too_old(self, launch: Launch) -> bool:
        return time.time() > datetime.fromisoformat(launch.created_at).timestamp() + self.max_run_seconds

    def _record(self, launch: Launch, started: Started, until: float, request: LaunchRequest | None = None) -> bool:
        """Record the run, then its launch; return whether both are.

        Where that fails, or there is no time for it, the run goes on all the same: the caller gets its ids, and a
        launch that is `starting` stays due.
        """
        telemetry.about(run_id=started.run_id)
        now = time.time()
        try:
            self._put_down(launch, started, now, request)
            if time.monotonic() <= until + SPARE_SECONDS:
                left = self.launches.apply(launch_states.started(launch, started.run_id, now))
                if left is not None:
                    self.launches.apply(launch_states.started(launch, started.run_id, now, heard=True))
                    if kept := kept_about(left, started.run_id):
                        record_kept(self, launch.launch_id, kept)
                return True
            detail = "no time is left"
        except Problem as problem:
            detail = problem.detail
        telemetry.count("unrecorded")
        telemetry.logger.error("a started run stays to be recorded", detail=detail)
        return False

    def _put_down(self, launch: Launch, started: Started, now: float, request: LaunchRequest | None = None) -> None:
        self.put_down(
            launch.launch_id,
            launch.thread_id,
            started,
            now,
            after_seconds=request.after_seconds if request else 0,
            metadata=request.metadata_text if request else None,
        )

    def record_found(self, launch: Launch, run: Mapping[str, Any]) -> None:
        """Record a run of a launch as LangGraph has it."""
        self._put_down(launch, started_as(run), time.time())

    def put_down(  # noqa: PLR0913 - the facts of a run, each by name
        self,
        launch_id: str,
        thread_id: str,
        started: Started,
        now: float,
        *,
        after_seconds: int = 0,
        metadata: str | None = None,
    ) -> None:
        """Record a run of a launch, or what its webhook did not know where that was faster."""
        if started.created_at:  # found, perhaps long after; LangGraph's own time has the delay in it
            after_seconds = int(datetime.fromisoformat(started.created_at).timestamp()) - int(now)
        pending = run_states.pending(
            run_id=started.run_id,
            launch_id=launch_id,
            thread_id=thread_id,
            assistant_id=started.assistant_id or None,
            after_seconds=after_seconds,
            now=now,
            metadata=metadata,
            langgraph_url=self.langgraph.url,
        )
        if self.runs.apply(pending) is not None:
            self.runs.apply(run_states.launched(pending))


def started_as(item: Mapping[str, Any]) -> Started:
    """Read a run that is there already, in the ledger or in LangGraph."""
    return Started(run_id_of(item["run_id"]), item.get("assistant_id", ""), item["created_at"])


async def _cancel(client: LangGraphClient, thread_id: str, run_id: str) -> None:
    with suppress(NotFoundError, ConflictError):  # it has ended since
        await client.runs.cancel(thread_id, run_id)


def _unconfirmed(launch: Launch) -> Problem:
    return Problem(
        409,
        "launch-unconfirmed",
        "The launch is being confirmed",
        "A delivery about a run of this launch came, and LangGraph does not know that run. It is asked again for half "
        "an hour, before the launch ends as unconfirmed. Send the same request again later.",
        headers={"Retry-After": "60"},
        extra={"launch_id": launch.launch_id},
    )
