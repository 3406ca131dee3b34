"""The rotate function: what changes the key ring."""

from __future__ import annotations

from dataclasses import dataclass

from runledger.adapters import aws, settings
from runledger.adapters.key_ring_store import Versions


@dataclass(frozen=True)
class Rotate:
    """What the function is made of."""

    versions: Versions
    max_run_seconds: int


def build() -> Rotate:
    """Build it by the environment."""
    versions = Versions(aws.client("secretsmanager"), settings.text("KEY_RING_SECRET"))
    return Rotate(versions, settings.whole_number("MAX_RUN_SECONDS"))
