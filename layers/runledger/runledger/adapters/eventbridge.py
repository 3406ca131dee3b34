"""EventBridge: the stack's own bus, on which the rest of AWS hears what runs came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from runledger import deadline
from runledger.domain.events import SOURCE
from runledger.domain.problems import unavailable

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

    from runledger.domain.events import Event


class Bus:
    """The event bus."""

    def __init__(self, client: EventBridgeClient, name: str) -> None:
        """`name` is the physical one."""
        self._client, self._name = client, name

    def send(self, events: list[Event]) -> None:
        """Send events; a 503 Problem where the bus does not take them all, or no time is left."""
        deadline.check()
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
