"""How the ring of keys changes: a rotation, a revocation, a shared key. From ring to ring, new keys are given.

Nothing but the kids is needed to know until when a key has signed: until the next newer one was old enough (tokens.py).
A token of it is good for at most so much longer as a run may be delayed and may take.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from runledger.domain.launch_fields import MAX_AFTER_SECONDS
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, KeyRing, by_age, created_at

if TYPE_CHECKING:
    from collections.abc import Mapping

FINISH_SECONDS = 300  # how old a new key may be when it gets into the ring: half the time until it signs
MARGIN_SECONDS = 24 * 3600  # for clocks that differ, and for requests under way
_AHEAD_SECONDS = 60  # what keys made within one second, or by clocks that differ, can be ahead
MAX_BYTES = 65_536  # Secrets Manager's own limit for a secret
_SPARE_BYTES = 1_024  # always left for the key that takes the place of a revoked one
_SHARED_BYTES = 8_192  # left by rotations for shared keys


CURRENT, PENDING = "AWSCURRENT", "AWSPENDING"  # Secrets Manager's labels of a secret's versions
_KEY_BYTES = 48  # 64 letters, digits, '_' and '-'


class MovedOnError(Exception):
    """Another version has become the current one meanwhile."""


class KeyRingFullError(Exception):
    """The secret has no place for another key; the keys that are there go on to sign and to check."""


class UnknownNameError(Exception):
    """The ring has no key of this name; the message lists the names that it has."""


def make_key() -> str:
    """Return a new key, from the operating system's randomness."""
    return secrets.token_urlsafe(_KEY_BYTES)


def rotated(ring: KeyRing, kid: str, key: str, max_run_seconds: int) -> KeyRing:
    """Return the ring with the new key `kid`, and without those that no token can need when `kid` was made.

    `max_run_seconds` is how long a token is good after its run could start. Raises KeyRingFullError.
    """
    at = created_at(kid)
    kept = _needed(ring.signing, at - MAX_AFTER_SECONDS - max_run_seconds - MARGIN_SECONDS)
    new = _ring({**kept, kid: key.encode()}, ring.shared, ring.current, at)
    return _fitting(new, MAX_BYTES - _SHARED_BYTES)


def fresh_kid(ring: KeyRing, now: float) -> str:
    """Name a key that is made now, later than every other: no name of a revoked key that signed comes again.

    But for a kid from far ahead, which a person or a wrong clock has made.
    """
    taken = {created_at(kid) for kid in ring.signing}
    at = max(int(now), *(when + 1 for when in taken if when < now + _AHEAD_SECONDS), 0)
    while at in taken:
        at += 1
    return f"k{at}"


def is_rotation(before: KeyRing, after: KeyRing, now: float, max_run_seconds: int) -> bool:
    """Whether `after` is `before` rotated, by a key that is new still: so `after` undoes nothing that was done since.

    An older key would sign before every receiver's copy of the ring has it.
    """
    added = after.signing.keys() - before.signing.keys()
    if len(added) != 1:
        return False
    (kid,) = added
    try:
        again = rotated(before, kid, after.signing[kid].decode(), max_run_seconds)
    except KeyRingFullError:
        return False
    return again == after and now <= created_at(kid) + FINISH_SECONDS


def revoked(ring: KeyRing, name: str, now: float, key: str) -> KeyRing:
    """Return the ring without the key `name`, and with a new one where the revoked one signed.

    Then the next older key signs until the new one is old enough; where all are younger than that, the oldest, which
    most receivers have; where none is left, the new one, at once. Raises UnknownNameError.
    """
    if name not in ring.signing and name not in ring.shared:
        raise UnknownNameError(f"the ring has no such key; it has {', '.join(names(ring))}")
    signing = {kid: held for kid, held in ring.signing.items() if kid != name}
    shared = {other: held for other, held in ring.shared.items() if other != name}
    if name in ring.signing and name == ring.signer(now):
        signing[fresh_kid(ring, now)] = key.encode()
    current = ring.current if ring.current in signing else by_age(signing)[0]
    return _ring(signing, shared, current, now)


def shared_with(ring: KeyRing, name: str, key: str) -> KeyRing:
    """Return the ring with the shared key `name`, new or in place of the one of this name. Raises KeyRingFullError."""
    new = KeyRing(ring.current, ring.signing, {**ring.shared, name: key.encode()})
    return _fitting(new, MAX_BYTES - _SPARE_BYTES)


def names(ring: KeyRing) -> list[str]:
    """Return the names of all keys, oldest first, shared ones last."""
    return [*by_age(ring.signing), *sorted(ring.shared)]


def _needed(signing: Mapping[str, bytes], since: int) -> dict[str, bytes]:
    """Return the keys that have signed after `since`: those whose next newer key was not old enough by then."""
    kids = by_age(signing)
    ends = [created_at(newer) + SIGNS_AFTER_SECONDS for newer in kids[1:]]
    return {kid: signing[kid] for kid, end in zip(kids, [*ends, None], strict=True) if end is None or end > since}


def _ring(signing: Mapping[str, bytes], shared: Mapping[str, bytes], current: str, now: float) -> KeyRing:
    """Return the ring whose `current` is the key that signs at `now`; where none is old enough, `current`."""
    signer = KeyRing(current, signing, shared).signer(now)
    return KeyRing(signer, signing, shared)


def _fitting(ring: KeyRing, size: int) -> KeyRing:
    if len(ring.text()) > size:
        raise KeyRingFullError("the secret has no place for another key")
    return ring
