"""The webhook function: what receives deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runledger.adapters import settings
from runledger.adapters.s3 import Bucket
from runledger.bootstrap.keys import ring
from runledger.bootstrap.stores import tables
from runledger.domain.deployments import normalised
from runledger.use_cases.receive_delivery import Receiver
from runledger.use_cases.record_delivery import Recorder

if TYPE_CHECKING:
    from runledger.domain.allowed_networks import Network


@dataclass(frozen=True)
class Webhook:
    """What the function is made of."""

    networks: tuple[Network, ...]
    receiver: Receiver


def build() -> Webhook:
    """Build it by the environment."""
    runs, launches = tables()
    receiver = Receiver(
        ledger_id=settings.text("LEDGER_ID"),
        ring=ring(),
        launches=launches,
        recorder=Recorder(runs, Bucket(settings.text("PAYLOAD_BUCKET"))),
        langgraph_url=normalised(settings.text("LANGGRAPH_URL")),
        inline_payload_bytes=settings.whole_number("INLINE_PAYLOAD_BYTES"),
        accepts_shared_tokens=settings.flag("ACCEPT_SHARED_TOKENS"),
    )
    return Webhook(settings.networks("WEBHOOK_SOURCE_CIDRS"), receiver)
