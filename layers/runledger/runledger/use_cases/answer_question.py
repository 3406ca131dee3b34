"""Answering the question of a run that waits, once (G2).

The steps, each of which may be the last one that somebody takes: hold the run, start the run that answers it, record
that one, say by what the question was answered. Whoever comes later finds the answer in LangGraph.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import answer_states
from runledger.domain.answers import answered_otherwise, not_waiting
from runledger.domain.inspection import MovedOn, NotStartedError, Start, UnknownError
from runledger.domain.launches import RESERVED, LaunchRequest
from runledger.domain.problems import Problem
from runledger.domain.settling import ANSWER_DIGEST, ANSWERS
from runledger.use_cases.human_input import as_it_waits, launch_of, move_on, not_held, record_answer
from runledger.use_cases.launcher import SPARE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.answers import Answer
    from runledger.domain.inspection import Started
    from runledger.domain.run import Run
    from runledger.domain.strict_json import Json
    from runledger.use_cases.launcher import Launcher

_SET_BY_LANGGRAPH = ("created_by", "graph_id", "assistant_id")  # in the metadata of every run
_KEPT = ("context", "interrupt_before", "interrupt_after", "durability")  # `context` holds what was `configurable` too


@dataclass(frozen=True)
class Answering:
    """One answer to be given. `until` is when calls to LangGraph must end, in monotonic seconds."""

    launcher: Launcher
    given: Answer
    until: float

    def answer(self, run: Run) -> str:
        """Answer a run, as it was read; return the id of the run that goes on, or raise a Problem.

        An answer that has arrived already is found again, whether or not its sender could record it.
        """
        now = time.time()
        if run["outcome"] == "answered":
            if run.get("answer_digest") != self.given.digest:
                raise answered_otherwise(run["answered_by"])
            telemetry.count("repeated")
            telemetry.logger.info("repeated")
            return str(run["answered_by"])
        if run["outcome"] != "awaiting_input":
            raise not_waiting(run["outcome"])
        not_held(run, now)
        return replace(self, launcher=self.launcher.of(run))._give(run, now)  # noqa: SLF001 - it is the same class

    def _give(self, run: Run, now: float) -> str:
        """Give the answer, at the run's own deployment, unless the run has got one."""
        found = as_it_waits(self.launcher, run, self.until)
        if isinstance(found, MovedOn):
            return self._adopt(run, found)
        request, holder = self._request(run, found), str(uuid.uuid4())
        nonce = answer_states.nonce_of(run, holder)
        held = self.launcher.runs.apply(answer_states.answering(run, self.given.digest, holder, now))
        if held is not None and held.get("answer_holder") != holder:  # somebody was faster
            return self.answer(held)
        return self._start({**run, "answer_nonce": nonce}, request, holder)

    def _start(self, run: Run, request: LaunchRequest, holder: str) -> str:
        start = Start(
            request=request,
            launch_id=launch_of(self.launcher, run),
            ledger_id=self.launcher.ledger_id,
            nonce=run["answer_nonce"],
            thread_id=run["thread_id"],
            own_thread=False,
            is_first=False,  # with "reject": of two answers at once LangGraph takes one
            **self.launcher.webhook(launch_of(self.launcher, run)),
        )
        try:
            started = self.launcher.server.start(start, self.until)
        except UnknownError as unknown:
            unknown.problem.detail += " The answer may have arrived all the same; send it again in a minute."
            raise unknown.problem from None
        except NotStartedError as refused:
            # What keeps the thread busy may be this very answer: a proxy has repeated the request, or it was late.
            if refused.problem.slug == "thread-busy":
                found = as_it_waits(self.launcher, run, self.until)
                if isinstance(found, MovedOn):
                    return self._adopt(run, found)
            self._let_go(run, holder)
            refused.problem.errors = ()  # they would name fields of a launch
            raise refused.problem from None
        self._record(run, started)
        telemetry.count("answered")
        telemetry.logger.info("answered", by=started.run_id)
        return started.run_id

    def _adopt(self, run: Run, found: MovedOn) -> str:
        """Return the answer that LangGraph has got already, if it is the same."""
        move_on(self.launcher, run, found)
        if found.answered_by is None:
            raise not_waiting("abandoned")
        if found.answer is None or found.answer["metadata"][ANSWER_DIGEST] != self.given.digest:
            raise answered_otherwise(found.answered_by)
        telemetry.count("adopted")
        telemetry.logger.info("adopted")
        return str(found.answered_by)

    def _let_go(self, run: Run, holder: str) -> None:
        """Let others answer; where that fails, they can when the time to hold it is over."""
        try:
            self.launcher.runs.apply(answer_states.unanswered(run["run_id"], holder, time.time()))
        except Problem as problem:
            telemetry.logger.error("a run stays held", detail=problem.detail)

    def _record(self, run: Run, started: Started) -> None:
        """Record an answer that was started. Where that fails it goes on all the same, and the worker finds it."""
        now, digest = time.time(), self.given.digest
        detail = "no time is left"
        try:
            record_answer(self.launcher, run, started, digest, now)
            if time.monotonic() <= self.until + SPARE_SECONDS:
                moved_on = answer_states.moved_on(run["run_id"], started.run_id, now, digest=digest)
                self.launcher.runs.apply(moved_on)
                return
        except Problem as problem:
            detail = problem.detail
        telemetry.count("unrecorded")
        telemetry.logger.error("a started answer stays to be recorded", detail=detail)

    def _request(self, run: Run, original: Mapping[str, Any]) -> LaunchRequest:
        """Ask for a run that goes on as the one that waits began: its configuration, breakpoints and metadata."""
        kwargs = original["kwargs"]
        config = {name: kwargs["config"][name] for name in ("tags", "recursion_limit") if name in kwargs["config"]}
        kept: dict[str, Json] = {name: kwargs[name] for name in _KEPT if kwargs.get(name)}
        foreign = (*_SET_BY_LANGGRAPH, *RESERVED)
        metadata = {name: value for name, value in (original["metadata"] or {}).items() if name not in foreign}
        return LaunchRequest(
            assistant_id=original["assistant_id"],
            thread_id=run["thread_id"],
            metadata={**metadata, ANSWERS: run["run_id"], ANSWER_DIGEST: self.given.digest},
            stream=False,
            after_seconds=0,
            digest=self.given.digest,
            options={**kept, **({"config": config} if config else {}), **self.given.options},
        )
