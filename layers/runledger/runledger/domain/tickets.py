"""What stands in the work queue: one item of the ledger that is owed a step.

A ticket is good as long as its item is due at the ticket's own time. Whoever changes the item makes it due at another,
so that a message that comes late or twice does nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN, LAUNCH = "run_id", "launch_id"  # by which key a ticket's item is known


@dataclass(frozen=True, slots=True)
class Ticket:
    """The item with this `item_id` under `key` (`RUN` or `LAUNCH`), due at epoch second `due_at`."""

    key: str
    item_id: str
    due_at: int

    def text(self) -> str:
        """Return the message's body."""
        return json.dumps({self.key: self.item_id, "due_at": self.due_at})

    def is_good(self, item: Mapping[str, object]) -> bool:
        """Whether nobody has worked on the item since it was put into the queue."""
        return item.get("due_at") == self.due_at


def parse_ticket(text: str) -> Ticket:
    """Read a message's body; raise ValueError where it is no ticket of ours."""
    fields = json.loads(text)
    match fields:
        case {"run_id": str() as run_id, "due_at": int() as due_at}:
            return Ticket(RUN, run_id, due_at)
        case {"launch_id": str() as launch_id, "due_at": int() as due_at}:
            return Ticket(LAUNCH, launch_id, due_at)
    raise ValueError("a message of the work queue has run_id or launch_id, and due_at")
