"""Starting the run of a launch, and recording it (G2). What every use case needs that asks LangGraph for a run.

The steps, each of which may be the last one that somebody takes: claim, ask LangGraph, record the run, record the
launch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import launch_states, run_states, tokens, verification
from runledger.domain.inspection import NotStartedError, Start, UnknownError, started_as
from runledger.domain.problems import Problem
from runledger.domain.unconfirmed import kept_about
from runledger.use_cases.record_delivery import record_kept

if TYPE_CHECKING:
    from runledger.domain.inspection import Started
    from runledger.domain.launch_states import Launch
    from runledger.domain.launches import LaunchRequest
    from runledger.domain.run import Run
    from runledger.domain.tokens import KeyRing
    from runledger.use_cases.call_back import Callbacks
    from runledger.use_cases.ports import AgentServer, AgentServers, PayloadStore, RunStore, Secret, Store
    from runledger.use_cases.record_delivery import Recorder

SPARE_SECONDS = 0.5  # how long after `until` an answer may be noticed


@dataclass(frozen=True)
class Launcher:
    """What it takes to start a run. `until` is always when calls to LangGraph must end, in monotonic seconds.

    `ledger_id` is the identity of this ledger (G12); `server` is the deployment that is asked, one of `servers` (G13).
    """

    ledger_id: str
    server: AgentServer
    servers: AgentServers
    recorder: Recorder
    runs: RunStore
    launches: Store[dict[str, Any]]
    bucket: PayloadStore
    callbacks: Callbacks
    ring: Secret[KeyRing]
    webhook_url: str
    max_run_seconds: int

    def at(self, url: str | None) -> Launcher:
        """Return what asks the deployment that an item stored by its URL; raise NoKeyError where none may be asked."""
        there = self.servers.at(url)
        return self if there is self.server else replace(self, server=there)

    def of(self, run: Run) -> Launcher:
        """Return what asks a run's deployment; raise as `at` does."""
        return self.at(url_of(run, self.launches))

    def webhook(self, launch_id: str, after_seconds: int = 0) -> dict[str, str]:
        """Return where a run that starts in `after_seconds` is to deliver, with its launch's token, and that token."""
        now = time.time()
        token = tokens.sign(self.ring.value(), launch_id, int(now) + after_seconds + self.max_run_seconds, now)
        return {"webhook": f"{self.webhook_url}?token={token}", "token": token}

    def start(self, launch: Launch, request: LaunchRequest, until: float, *, is_patient: bool = False) -> str:
        """Ask LangGraph for the run of a launch that is ours by its lease, record it, and return its id.

        Raises the Problem that the caller is to get. An answer that was lost leaves the launch `starting`; a refusal
        closes it, but where nobody would try again (`is_patient`) only one that would come again.
        """
        try:
            started = self.server.start(self._prepare(launch, request), until)
        except UnknownError as unknown:
            problem = unknown.problem
            problem.detail += " The run may have been started all the same; its launch goes on by itself."
            problem.extra = {"launch_id": launch.launch_id}
            raise problem from None
        except NotStartedError as refused:
            # What keeps the thread busy may be this launch's own run: a proxy has repeated the request, or it was late.
            busy = refused.problem.slug == "thread-busy"
            own = self.server.runs_of(launch, until) if busy or launch.may_be_doubled else []
            if not own:
                self._refused(launch, refused.problem, is_patient=is_patient)
                refused.problem.extra = {"launch_id": launch.launch_id}
                raise refused.problem from None
            started = started_as(own[0])
        self.record(launch, started, until, request)
        telemetry.count("launched")
        telemetry.logger.info("launched", thread_id=launch.thread_id, stream=request.stream)
        return started.run_id

    def record(self, launch: Launch, started: Started, until: float, request: LaunchRequest | None = None) -> bool:
        """Record the run, then its launch; return whether both are.

        Where that fails, or there is no time for it, the run goes on all the same: the caller gets its ids, and a
        launch that is `starting` stays due.
        """
        telemetry.about(run_id=started.run_id)
        now = time.time()
        try:
            self.record_first(launch, started, now, request)
            if time.monotonic() <= until + SPARE_SECONDS:
                left = self.launches.apply(launch_states.started(launch, started.run_id, now))
                if left is not None:
                    self.launches.apply(launch_states.started(launch, started.run_id, now, heard=True))
                    if kept := kept_about(left, started.run_id):
                        record_kept(self.recorder, self.launches, launch.launch_id, kept)
                return True
            detail = "no time is left"
        except Problem as problem:
            detail = problem.detail
        telemetry.count("unrecorded")
        telemetry.logger.error("a started run stays to be recorded", detail=detail)
        return False

    def record_first(self, launch: Launch, started: Started, now: float, request: LaunchRequest | None = None) -> None:
        """Record a run of a launch that does not answer another one."""
        self.record_run(
            launch.launch_id,
            launch.thread_id,
            started,
            now,
            after_seconds=request.after_seconds if request else 0,
            metadata=request.metadata_text if request else None,
        )

    def record_run(  # noqa: PLR0913 - the facts of a run, each by name
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
            langgraph_url=self.server.url,
        )
        found = self.runs.apply(pending)
        while found and verification.is_believed(found):  # again where it was published meanwhile
            found = self.runs.apply(verification.disowned(pending, found, now))
            if found is None:
                telemetry.count("forged")
                telemetry.logger.error("a shared key has reported a run of a launch as one without a thread")
        if found is not None:
            self.runs.apply(run_states.launched(pending))

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

    def _refused(self, launch: Launch, problem: Problem, *, is_patient: bool) -> None:
        """Close a launch; where that fails it stays due, and its refusal is what the caller gets.

        A task that waits is told at once of what would come again; of anything else when the launch is due, if nobody
        has tried again by then.
        """
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


def url_of(run: Run, launches: Store[dict[str, Any]]) -> str | None:
    """Return the URL of a run's deployment as the ledger has it.

    A run that was recorded before each had it does not have it itself; its launch does.
    """
    url, launch_id = run.get("langgraph_url"), run.get("launch_id")
    if url is None and launch_id is not None:
        url = (launches.item(launch_id) or {}).get("langgraph_url")
    return url
