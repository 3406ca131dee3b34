"""EventBridge: the stack's own bus, on which the rest of AWS hears what runs came to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger.adapters import telemetry
from runledger.core import run_states
from runledger.core.events import SOURCE, events_of
from runledger.core.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from runledger.adapters.tables import Table
    from runledger.core.events import Event


class Bus:
    """The event bus."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        """`name` is the physical one."""
        self._client, self._name = client, name

    def publish(self, runs: Table, run_id: str) -> None:
        """Send the events of a run that have not left yet, then note that they have.

        Whoever fails in between sends them again, under the same ids. Raises a 503 Problem where the bus takes none.
        """
        item = runs.item("run_id", run_id)
        if item is None or "unpublished" not in item:
            return
        events = events_of(item)
        self._send(events)
        runs.apply(run_states.published(item, time.time()))
        for event in events:
            telemetry.count("published")
            telemetry.logger.info("published", event=event.detail_type)

    def _send(self, events: list[Event]) -> None:
        entries: list[PutEventsRequestEntryTypeDef] = [
            {"EventBusName": self._name, "Source": SOURCE, "DetailType": event.detail_type, "Detail": event.detail}
            for event in events
        ]
        try:
            answer = self._client.put_events(Entries=entries)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(f"The bus can't be reached ({type(error).__name__}).") from error
        if answer["FailedEntryCount"]:
            codes = ", ".join(entry["ErrorCode"] for entry in answer["Entries"] if "ErrorCode" in entry)
            raise unavailable(f"The bus takes no event ({codes}).")
