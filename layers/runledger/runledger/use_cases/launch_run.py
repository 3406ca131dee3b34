"""A launch that is asked for, over HTTP or by a message: recorded once, then started, or found as it was left (G2)."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import launch_states
from runledger.domain.deployments import NoKeyError
from runledger.domain.inspection import AgentServerError
from runledger.domain.launch_states import Launch
from runledger.domain.problems import Problem
from runledger.use_cases.recover_launch import TakenError, go_on

if TYPE_CHECKING:
    from runledger.domain.launches import LaunchRequest
    from runledger.use_cases.launcher import Launcher

_INLINE_REQUEST_BYTES = 8_192  # larger requests go to the bucket: a launch is written twice, and billed by its size
_RETRY_SECONDS = 5


@dataclass(frozen=True)
class Launching:
    """What is asked for, at epoch seconds `asked_at`. `until` is when calls to LangGraph end, in monotonic seconds."""

    launcher: Launcher
    launch_id: str
    request: LaunchRequest
    asked_at: float
    until: float

    def launch(self) -> tuple[Launch, str, bool]:
        """Start the run, or find what was started, or raise a Problem.

        Returns the launch, its run's id, and whether this was the first request of it.
        """
        self.launcher.ring.value()  # what can't be read is found out before anything is claimed
        self.launcher.server.check_key()
        claim, is_new = self._claim()
        try:
            if is_new:
                return claim, self.launcher.start(claim, self.request, self.until), True
            return *self._again(claim), False
        except AgentServerError as problem:
            if not problem.extra:  # LangGraph did not say whether it has the run: the launch is `starting`
                problem.extra = {"launch_id": self.launch_id}
                problem.detail += " The launch goes on by itself."
            raise

    def _claim(self) -> tuple[Launch, bool]:
        """Put the launch down; return it, or the one that is there already, and whether it is new."""
        request, key = self.request, None
        if len(request.text.encode()) > _INLINE_REQUEST_BYTES:
            key = self.launcher.bucket.put_request(self.launch_id, request.digest, request.text)
        holder = str(uuid.uuid4())
        claim = launch_states.claimed(
            launch_id=self.launch_id,
            digest=request.digest,
            request=None if key else request.text,
            request_key=key,
            assistant_id=request.assistant_id,
            thread_id=request.thread_id or str(uuid.uuid4()),
            own_thread=request.thread_id is None,
            stream=request.stream,
            langgraph_url=self.launcher.server.url,
            holder=holder,
            task_token=request.task_token,
            called_at=int(self.asked_at * 1000) if request.task_token else None,
            now=time.time(),
        )
        there = Launch.read(self.launcher.launches.apply(claim) or {**claim.key, **claim.set})
        return there, there.holder == holder  # also where the answer to a first try was lost

    def _again(self, claim: Launch) -> tuple[Launch, str]:
        """Answer a repeated request as the first was answered, or go on where it was left."""
        if claim.digest != self.request.digest:
            raise Problem(
                409,
                "idempotency-key-reused",
                "The Idempotency-Key was used for another request",
                "A launch with this Idempotency-Key has another body. Use a new key for a new launch.",
                extra={"launch_id": claim.launch_id},
                about="request",
            )
        if self.request.task_token:
            claim = self._called_for(claim, self.request.task_token)
        if claim.state == "started":
            telemetry.count("repeated")
            telemetry.logger.info("repeated")
            return claim, str(claim.run_id)
        now = time.time()
        if claim.is_held(now):
            raise _in_progress(claim, now)
        try:
            return go_on(self.launcher.at(claim.langgraph_url), claim, self.until, self.request)
        except NoKeyError as problem:
            problem.extra = {"launch_id": claim.launch_id}
            raise
        except TakenError:
            raise _in_progress(claim, now) from None

    def _called_for(self, claim: Launch, task_token: str) -> Launch:
        """Note the newest token of the task that waits, which the launch's end may have come before."""
        asked_at, now = int(self.asked_at * 1000), time.time()
        called_for = launch_states.called_for(claim.launch_id, claim.digest, task_token, asked_at, now)
        self.launcher.launches.apply(called_for)
        if claim.state == "started":
            self.launcher.callbacks.settle(claim.launch_id)
        return replace(claim, calls_back=True)


def _in_progress(claim: Launch, now: float) -> Problem:
    return Problem(
        409,
        "launch-in-progress",
        "The launch is in progress",
        "Another request with this Idempotency-Key is at work. Send the same request again later.",
        headers={"Retry-After": str(max(1, min(_RETRY_SECONDS, claim.lease_until - int(now))))},
        extra={"launch_id": claim.launch_id},
    )
