"""The key ring, for the functions that sign or check tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runledger.adapters import aws, settings
from runledger.adapters.secrets_manager import Secret, key_ring

if TYPE_CHECKING:
    from runledger.domain.tokens import KeyRing


def ring() -> Secret[KeyRing]:
    """Return the secret with the key ring."""
    return Secret(aws.client("secretsmanager"), settings.text("KEY_RING_SECRET"), key_ring)
