"""Runs that stand in the ledger and in LangGraph, and the time that passes between two looks at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runledger.domain import run_states
from runledger.domain.conditions import Present
from runledger.domain.deliveries import Delivery, parse_delivery
from runledger.domain.ledger import Placed, Update
from runledger.domain.settling import Seen
from tests.integration.support import NOW, delivery, new_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from runledger.domain.conditions import Value
    from tests.integration.langgraph_double import LangGraphDouble
    from tests.integration.support import Aws, Output, Recovery, WallClock

_ENDED = Seen("success", "succeeded", "2026-11-22T06:00:00.000000Z", None, None, began=True)
QUESTION = [{"id": "task", "interrupts": [{"id": "i1", "value": {"question": "Shall I?"}}]}]


@dataclass
class Scene:
    """What a test of reconcile has before it."""

    reconcile: Recovery
    langgraph: LangGraphDouble
    aws: Aws
    wall: WallClock
    output: Output

    @property
    def launcher(self) -> Any:
        return self.reconcile.parts.launcher

    def launched(self, status: str = "success", *, is_known: bool = True, **changes: Any) -> str:
        """Have a run launched now, which LangGraph has brought to `status`, or does not know."""
        thread_id = changes.pop("thread_id", None) or new_id()
        launch_id, after_seconds = changes.pop("launch_id", None) or new_id(), changes.pop("after_seconds", 0)
        langgraph_url = changes.pop("langgraph_url", self.langgraph.url)
        run_id = changes.get("run_id") or new_id()
        if is_known:
            run_id = self.langgraph.add(thread_id, status=status, **changes)
        self.apply(
            run_states.pending(
                run_id=run_id,
                launch_id=launch_id,
                thread_id=thread_id,
                assistant_id="agent",
                after_seconds=after_seconds,
                now=self.wall.now,
                langgraph_url=langgraph_url,
            )
        )
        return run_id

    def delivered(self, run_id: str, status: str = "success", **changes: Any) -> None:
        """Have the webhook of a run come now."""
        item = self.aws.run(run_id) or {"launch_id": new_id()}
        body = delivery(run_id, None, status=status, **{"thread_id": item.get("thread_id"), **changes})
        told = parse_delivery(body.encode())
        assert isinstance(told, Delivery)
        self.apply(run_states.delivered(told, Placed(told.payload, None), item["launch_id"], self.wall.now))

    def remembered(
        self, seconds_before: float = 60, *, is_known: bool = True, unpublished: Iterable[str] = (), **changes: Any
    ) -> str:
        """Have a run that ended well so long before and is not due; LangGraph still has it, or not."""
        now, self.wall.now = self.wall.now, self.wall.now - seconds_before
        run_id = self.launched("success", is_known=is_known, **changes)
        self.apply(run_states.reconciled(run_id, _ENDED, None, self.wall.now, is_heard=True))
        run = self.run(run_id)
        self.apply(run_states.published(run | {"unpublished": frozenset(run["unpublished"])}))
        if unpublished:
            undone: dict[str, Value | None] = {"unpublished": frozenset(unpublished), "event_state": "unpublished"}
            self.apply(Update(key={"run_id": run_id}, when=(Present("run_id"),), set=undone))
        self.wall.now = now
        return run_id

    def apply(self, update: Update) -> None:
        assert self.launcher.runs.apply(update) is None

    def run(self, run_id: str) -> Any:
        found = self.aws.run(run_id)
        assert found
        return found

    def look(self, run_id: str) -> dict[str, Any]:
        """Let time pass until the run is due, look at all that is due then, and return the run."""
        self.wall.now = float(self.run(run_id)["due_at"])
        self.reconcile.run()
        found: dict[str, Any] = self.run(run_id)
        return found

    def pass_at(self, seconds: float) -> None:
        """Look at all that is due so many seconds after the beginning."""
        self.wall.now = NOW + seconds
        self.reconcile.run()

    @property
    def steps(self) -> list[str]:
        """What LangGraph was asked since this was last read."""
        steps = [sent.step for sent in self.langgraph.requests]
        self.langgraph.requests.clear()
        return steps
