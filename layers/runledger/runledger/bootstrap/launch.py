"""The launch function: what starts runs, answers and cancels them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.adapters import settings
from runledger.adapters.sqs import Queue
from runledger.bootstrap.launching import launcher
from runledger.bootstrap.stores import tables
from runledger.use_cases.launch_messages import Messages

if TYPE_CHECKING:
    from runledger.use_cases.launcher import Launcher


@dataclass(frozen=True)
class Launch:
    """What the function is made of."""

    launcher: Launcher
    messages: Messages


def build() -> Launch:
    """Build it by the environment."""
    starts = launcher(*tables())
    queue, dead_letters = Queue(settings.text("LAUNCH_QUEUE")), Queue(settings.text("DEAD_LETTER_QUEUE"))
    return Launch(starts, Messages(starts, queue, dead_letters))
