"""Publishing what a run came to: an event on the bus, and the end of the task that waits for its launch (G8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger import telemetry
from runledger.domain import run_states
from runledger.domain.callbacks import is_over
from runledger.domain.events import events_of
from runledger.domain.verification import is_doubtful

if TYPE_CHECKING:
    from runledger.domain.run import Run
    from runledger.use_cases.call_back import Callbacks
    from runledger.use_cases.ports import EventBus, Store


@dataclass(frozen=True)
class Publisher:
    """Where what runs came to is published."""

    runs: Store[Run]
    bus: EventBus
    callbacks: Callbacks

    def publish(self, run_id: str) -> None:
        """Send the events of a run that have not left yet, and what its launch's task waits for; then note that.

        Nothing is sent before LangGraph has confirmed what the run came to (G11). Whoever fails in between does it
        again: events have the same ids, and a task is ended once. A task that can't be ended now holds no event up.
        Raises a 503 Problem where the bus can't be reached.
        """
        item = self.runs.item(run_id)
        if item is None or "unpublished" not in item or is_doubtful(item):
            return
        events = events_of(item)
        self.bus.send(events)
        if "launch_id" in item and is_over(item):
            self.callbacks.settle_or_defer(item["launch_id"])
        if self.runs.apply(run_states.published(item)) is not None:
            return  # it came to something else meanwhile, or somebody else was faster
        for outcome in item["unpublished"]:
            telemetry.count_outcome(outcome)
        for event in events:
            telemetry.count("published")
            telemetry.logger.info("published", event=event.detail_type)
