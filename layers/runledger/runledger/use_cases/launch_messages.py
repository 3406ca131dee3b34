"""The launch queue: a message is the body of `POST /runs`, and ends as a launch in the ledger or as a dead letter.

What fails for the moment (LangGraph throttles or is out of order, its thread is busy) comes again with growing waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import launch_states
from runledger.domain.callbacks import refusal_of
from runledger.domain.launches import launch_id_of
from runledger.domain.messages import TRY_SECONDS, dead_letter_of, parse_message, wait_seconds
from runledger.domain.problems import Problem, internal
from runledger.domain.retry import FIRST_CHECK_SECONDS
from runledger.use_cases.launch_run import Launching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runledger.domain.messages import Message
    from runledger.use_cases.launcher import Launcher
    from runledger.use_cases.ports import DeadLetters, LaunchQueue


@dataclass(frozen=True)
class Messages:
    """What it takes to launch by messages."""

    launcher: Launcher
    queue: LaunchQueue
    dead_letters: DeadLetters

    def work(self, messages: Iterable[Message], until: Callable[[], float]) -> list[Message]:
        """Launch what the messages of a batch ask for; return those that are to come again.

        `until` tells when the calls to LangGraph for the next one must end, in monotonic seconds.
        """
        return [message for message in messages if not self._is_done(message, until())]

    def _is_done(self, message: Message, until: float) -> bool:
        """Launch what one message asks for; return whether the message is done with."""
        telemetry.about_only(message_id=message.message_id)
        launch_id, digest = None, ""
        try:
            key, request = parse_message(message.text, message.message_id)
            launch_id, digest = launch_id_of(key, self.launcher.ledger_id), request.digest
            telemetry.about(launch_id=launch_id)
            Launching(self.launcher, launch_id, request, message.sent_at, until).launch()
        except Problem as problem:
            return self._failed(message, launch_id, digest, problem)
        except Exception:  # noqa: BLE001 - a poisoned message never stops the others
            telemetry.logger.exception("unforeseen fault")
            return self._failed(message, launch_id, digest, internal())
        return True

    def _failed(self, message: Message, launch_id: str | None, digest: str, problem: Problem) -> bool:
        telemetry.report(problem)
        try:
            return self._is_ended(message, launch_id, digest, problem)
        except Problem as fault:
            telemetry.logger.error("a message could not be dealt with", detail=fault.detail)
        except Exception:  # noqa: BLE001 - as above
            telemetry.logger.exception("a message could not be dealt with")
        return False  # the queue brings it again

    def _is_ended(self, message: Message, launch_id: str | None, digest: str, problem: Problem) -> bool:
        """Make a dead letter of a message, leave its launch to the worker, or defer it; return whether it is over."""
        launch = self.launcher.launches.item(launch_id) if launch_id else None
        state = launch["state"] if launch and launch["digest"] == digest else None  # None: nothing of it is put down
        is_late = time.time() >= message.first_at + TRY_SECONDS
        if state in (None, "refused") and (is_late or problem.about == "request"):
            letter, token = dead_letter_of(message.text, message.message_id)
            if state is None and token:
                self._tell(token, launch_id, problem, is_late=is_late)
            self.dead_letters.send(letter, problem.detail)
            if state == "refused":
                self.launcher.callbacks.settle_or_defer(str(launch_id))
            telemetry.count("dead_letter")
            telemetry.logger.error("a message is a dead letter", reason=problem.slug, detail=problem.detail)
            return True
        if is_late:
            telemetry.logger.warning("the worker goes on with the launch of a message")
            return True
        self._defer(message, launch_id, state)
        return False

    def _defer(self, message: Message, launch_id: str | None, state: str | None) -> None:
        """Let a message come again later, and the worker look at its launch only if it doesn't.

        A launch that LangGraph has refused waits for the message for as long as that is tried, because it may have to
        wait for its turn too, and the worker would end its task with a failure.
        """
        now, seconds = time.time(), wait_seconds(message.message_id, message.receives)
        telemetry.gauge("waiting", now - message.first_at)
        self.queue.hide(message, seconds)
        if launch_id and state:
            last = message.first_at + TRY_SECONDS if state == "refused" else now
            update = launch_states.deferred(launch_id, last + seconds + FIRST_CHECK_SECONDS)
            self.launcher.launches.apply(update)

    def _tell(self, token: str, launch_id: str | None, problem: Problem, *, is_late: bool) -> None:
        """Tell the task that waits that nothing comes of it; where that can't be done now, only while there is time."""
        told = {"reason": problem.slug, "detail": problem.detail, **({"launch_id": launch_id} if launch_id else {})}
        try:
            self.launcher.callbacks.tasks.end(token, refusal_of(told))
        except Problem as fault:
            if not is_late:
                raise
            telemetry.logger.error("a task that waits was never told", detail=fault.detail)
