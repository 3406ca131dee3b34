"""The worker function: what performs steps."""

from __future__ import annotations

from runledger.adapters import aws, settings
from runledger.adapters.eventbridge import Bus
from runledger.bootstrap.launching import launcher
from runledger.bootstrap.stores import tables
from runledger.use_cases.outages import Outages
from runledger.use_cases.prove_server import Prover
from runledger.use_cases.publish import Publisher
from runledger.use_cases.work import Work


def build() -> Work:
    """Build it by the environment."""
    runs, launches = tables()
    starts = launcher(runs, launches)
    return Work(
        launcher=starts,
        publisher=Publisher(runs, Bus(aws.client("events"), settings.text("EVENT_BUS")), starts.callbacks),
        prover=Prover(runs, launches, starts.servers),
        outages=Outages(),
        max_check_seconds=settings.whole_number("MAX_CHECK_SECONDS"),
        inline_payload_bytes=settings.whole_number("INLINE_PAYLOAD_BYTES"),
    )
