"""The four steps of a rotation, as Secrets Manager has them done. Each may be done twice, or fail at any point.

As in AWS's SecretsManagerRotationTemplate; but a rotation whose ring would undo what was done to the ring meanwhile, as
a revocation, ends without it. Its version then loses AWSPENDING, so that the next rotation starts afresh.
"""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from runledger import telemetry
from runledger.domain import tokens
from runledger.domain.problems import Problem
from runledger.domain.rotation import CURRENT, PENDING, MovedOnError, fresh_kid, is_rotation, make_key, names, rotated

if TYPE_CHECKING:
    from runledger.domain.tokens import KeyRing
    from runledger.use_cases.ports import KeyRings

_GOOD_SECONDS = 60  # of a token that is made to be checked


class StepRefusedError(Exception):
    """The step can't be taken; the message says why."""


def step(event: dict[str, Any], versions: KeyRings, max_run_seconds: int) -> None:
    """Take one step. Raises StepRefusedError, KeyRingFullError, or a Problem of Secrets Manager's."""
    if missing := sorted({"SecretId", "ClientRequestToken"} - event.keys()):
        raise StepRefusedError(f"the event has no {missing[0]}")
    name, version_id = event["Step"], event["ClientRequestToken"]
    if event["SecretId"] != versions.secret_id:
        raise StepRefusedError("this function rotates another secret, the key ring of its own stack")
    if name not in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        raise StepRefusedError("there is no such step")
    if _is_done(versions, version_id):
        telemetry.logger.info("the rotation is done already")
    elif name == "createSecret":
        _create(versions, version_id, max_run_seconds)
    elif name == "testSecret":
        _test(versions, version_id, max_run_seconds)
    elif name == "finishSecret":
        _finish(versions, version_id, max_run_seconds)
    # setSecret: the keys are nowhere else


def _is_done(versions: KeyRings, version_id: str) -> bool:
    """Return whether the version is current already; raise StepRefusedError where it isn't pending either."""
    labels = versions.labels()
    if labels is None:
        raise StepRefusedError("rotation is switched off for the secret")
    if version_id not in labels:
        raise StepRefusedError("the secret has no such version")
    if CURRENT not in labels[version_id] and PENDING not in labels[version_id]:
        raise StepRefusedError("the version is not, or no longer, to become the current one")
    is_done = CURRENT in labels[version_id]
    if is_done and PENDING in labels[version_id]:  # it would stay on the version when that isn't current any more
        versions.release(version_id)
    return is_done


def _create(versions: KeyRings, version_id: str, max_run_seconds: int) -> None:
    """Fill the pending version, once: what a first try has put there stays."""
    ring = versions.current().ring
    if versions.content(version_id) is None:
        kid = fresh_kid(ring, time.time())
        new = rotated(ring, kid, make_key(), max_run_seconds)
        versions.fill(version_id, new)
        telemetry.logger.info("a key is made", kid=kid, dropped=[old for old in names(ring) if old not in names(new)])


def _pending(versions: KeyRings, version_id: str, current: KeyRing, max_run_seconds: int) -> KeyRing:
    """Return the pending ring, which undoes nothing of the current one; else end the rotation.

    The same ring as the current one does no harm: Secrets Manager tries it when it is given a schedule
    (RotateImmediatelyOnUpdate: false).
    """
    pending = versions.content(version_id)
    if pending is None:
        raise StepRefusedError("the version is still empty: createSecret has not been done")
    try:
        ring = pending.ring
    except Problem:
        ring = None
    if ring is None or not (ring == current or is_rotation(current, ring, time.time(), max_run_seconds)):
        raise _end(versions, version_id)
    return ring


def _end(versions: KeyRings, version_id: str) -> StepRefusedError:
    """Give a rotation up whose ring is not to become the current one."""
    versions.release(version_id)
    return StepRefusedError("the ring was changed, or minutes have passed; the next rotation starts afresh")


def _test(versions: KeyRings, version_id: str, max_run_seconds: int) -> None:
    """Show that tokens of both rings, the current and the pending one, are good by the pending one."""
    current = versions.current().ring
    pending = _pending(versions, version_id, current, max_run_seconds)
    now = time.time()
    for ring in (current, pending):
        launch_id = str(uuid.uuid4())
        token = tokens.sign(ring, launch_id, int(now) + _GOOD_SECONDS, now)
        try:
            granted = tokens.verify(token, pending, now, accept_shared=False)
        except (tokens.TokenRefusedError, tokens.UnknownKeyError):
            granted = None
        if granted != tokens.Grant(launch_id):
            raise StepRefusedError("a token is not good by the new ring")


def _finish(versions: KeyRings, version_id: str, max_run_seconds: int) -> None:
    """Make the pending version the current one, in place of the one that it was made of."""
    current = versions.current()
    ring = _pending(versions, version_id, current.ring, max_run_seconds)
    try:
        versions.promote(version_id, current.version_id)
    except MovedOnError:
        raise _end(versions, version_id) from None
    versions.release(version_id)
    telemetry.count("rotated")
    telemetry.logger.info("rotated", signer=ring.signer(time.time()), keys=names(ring))
