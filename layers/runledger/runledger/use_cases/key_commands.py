"""What a person can have done to the ring at once: a key revoked, a shared key made or replaced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain.problems import FieldError, Problem, invalid_request
from runledger.domain.rotation import (
    CURRENT,
    PENDING,
    KeyRingFullError,
    MovedOnError,
    UnknownNameError,
    make_key,
    names,
    revoked,
    shared_with,
)
from runledger.domain.tokens import is_key_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from runledger.domain.tokens import KeyRing
    from runledger.use_cases.ports import KeyRings

_SHARED = "shared-"
_TRIES = 3
_ADVICE = 'send {"revoke": "<kid or shared-name>"} or {"share": "<name>"}'


def command(event: object, versions: KeyRings) -> dict[str, Any]:
    """Do what a person asks for, and return the names of the keys that the ring then has.

    Raises a 400 Problem that names the field, a 503 one of Secrets Manager's, and MovedOnError where the ring was
    changed again and again meanwhile.
    """
    change, done = _read(event)
    ring = _apply(versions, change)
    telemetry.count("changed")
    telemetry.logger.info("the ring is changed", change=done, keys=names(ring))
    return {**done, "signer": ring.signer(time.time()), "keys": names(ring)}


def _read(event: object) -> tuple[Callable[[KeyRing], KeyRing], dict[str, str]]:
    """Return the change that is asked for, and how it is told."""
    if not isinstance(event, dict) or len(event) != 1 or not event.keys() <= {"revoke", "share"}:
        raise invalid_request(FieldError("", _ADVICE))
    ((field, name),) = event.items()
    shared = name if field == "revoke" else f"{_SHARED}{name}"
    if not isinstance(name, str) or not is_key_name(shared):
        rule = "a kid such as k1700000000, or shared-<name>" if field == "revoke" else "1 to 32 of a-z, 0-9 and '-'"
        raise invalid_request(FieldError(f"/{field}", f"must be {rule}"))
    if field == "share":
        return lambda ring: _share(ring, shared), {"shared": shared}
    return lambda ring: _revoke(ring, name), {"revoked": name}


def _revoke(ring: KeyRing, name: str) -> KeyRing:
    try:
        return revoked(ring, name, time.time(), make_key())
    except UnknownNameError as error:
        raise invalid_request(FieldError("/revoke", str(error))) from None


def _share(ring: KeyRing, name: str) -> KeyRing:
    try:
        return shared_with(ring, name, make_key())
    except KeyRingFullError as error:
        raise invalid_request(FieldError("/share", f"{error}; revoke a shared key that nobody uses")) from None


def _apply(versions: KeyRings, change: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Change the current ring, whichever that is by then."""
    for _ in range(_TRIES):
        current = versions.current()
        ring = change(current.ring)
        try:
            versions.replace(current.version_id, ring)
        except MovedOnError:
            continue
        _end_rotation(versions)
        return ring
    raise MovedOnError


def _end_rotation(versions: KeyRings) -> None:
    """End a rotation under way, which would undo the change; its last step would see it too."""
    try:
        for version_id, labels in (versions.labels() or {}).items():
            if PENDING in labels and CURRENT not in labels:
                versions.release(version_id)
    except Problem as problem:  # the change is done
        telemetry.logger.warning("a rotation under way is left to end by itself", detail=problem.detail)
