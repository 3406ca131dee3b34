"""The launch queue: a message is the body of `POST /runs`, and ends as a launch in the ledger or as a dead letter.

What fails for the moment (LangGraph throttles or is out of order, its thread is busy) comes again with growing waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.adapters import telemetry
from runledger.adapters.queue import Message, to_repeat
from runledger.core import launch_states
from runledger.core.callbacks import refusal_of
from runledger.core.launches import launch_id_of
from runledger.core.ledger import FIRST_CHECK_SECONDS
from runledger.core.messages import LASTING, TRY_SECONDS, letter_of, parse_message, wait_seconds
from runledger.core.problems import Problem, internal
from runledger_langgraph.launching import Launching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from runledger.adapters.dead_letters import DeadLetters
    from runledger.adapters.queue import Queue
    from runledger_langgraph.launcher import Launcher


@dataclass(frozen=True)
class Messages:
    """What it takes to launch by messages. `until` tells when calls to LangGraph must end, in monotonic seconds."""

    launcher: Launcher
    queue: Queue
    dead_letters: DeadLetters

    def work(self, records: Iterable[dict[str, Any]], until: Callable[[], float]) -> dict[str, Any]:
        """Launch what the messages of a batch ask for; answer which of them are to come again."""
        return to_repeat([message for message in map(Message.read, records) if not self._is_done(message, until())])

    def _is_done(self, message: Message, until: float) -> bool:
        """Launch what one message asks for; return whether the message is done with."""
        telemetry.about_only(message_id=message.message_id)
        launch_id = None
        try:
            key, request = parse_message(message.text, message.message_id)
            launch_id = launch_id_of(key)
            telemetry.about(launch_id=launch_id)
            Launching(self.launcher, launch_id, request, until, LASTING).launch()
        except Problem as problem:
            return self._failed(message, launch_id, problem)
        except Exception:  # noqa: BLE001 - a poisoned message never stops the others
            telemetry.logger.exception("unforeseen fault")
            return self._failed(message, launch_id, internal())
        return True

    def _failed(self, message: Message, launch_id: str | None, problem: Problem) -> bool:
        try:
            telemetry.report(problem)
            if problem.slug in LASTING:
                return self._bury(message, launch_id, problem)
            if time.time() < message.sent_at + TRY_SECONDS:
                return self._put_off(message, launch_id)
            if launch_id and self.launcher.launches.item("launch_id", launch_id):
                telemetry.logger.warning("a message is left to reconcile, which goes on trying its launch")
                return True
            return self._bury(message, launch_id, problem)
        except Problem as fault:
            telemetry.logger.error("a message could not be dealt with", detail=fault.detail)
        except Exception:  # noqa: BLE001 - as above
            telemetry.logger.exception("a message could not be dealt with")
        return False  # the queue brings it again

    def _put_off(self, message: Message, launch_id: str | None) -> bool:
        """Let a message come again later, and reconcile look at its launch only if it doesn't."""
        seconds = wait_seconds(message.message_id, message.receives)
        self.queue.put_off(message, seconds)
        if launch_id:
            later = time.time() + seconds + FIRST_CHECK_SECONDS
            self.launcher.launches.apply(launch_states.postponed(launch_id, later))
        return False

    def _bury(self, message: Message, launch_id: str | None, problem: Problem) -> bool:
        """Tell the task that waits that nothing comes of it, and leave a dead letter."""
        letter, token = letter_of(message.text, message.message_id)
        if token:
            told = {"launch_id": launch_id, "reason": problem.slug} if launch_id else {"reason": problem.slug}
            self.launcher.callbacks.tasks.end(token, refusal_of(told))
        self.dead_letters.leave(letter, problem.detail)
        telemetry.logger.error("a message is a dead letter", reason=problem.slug, detail=problem.detail)
        return True
