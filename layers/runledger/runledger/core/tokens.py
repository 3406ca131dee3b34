"""The token in the webhook URL: who may tell the ledger what.

A launch token is `<kid>.<launch_id>.<expiry>.<mac>`: the MAC is HMAC-SHA256 over the rest with the key `<kid>` of the
ring, so one leaked URL speaks for one launch only. A shared token is a named key of the ring itself, for runs that
Runledger did not launch.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_KID = r"k\d{1,12}"  # the digits are the key's creation time in epoch seconds; 0 for the one that the template made
_LAUNCH_TOKEN = re.compile(
    rf"(?P<signed>(?P<kid>{_KID})\.(?P<launch_id>[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"
    r"\.(?P<expiry>\d{1,12}))\.(?P<mac>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
_KEY = re.compile(r"[A-Za-z0-9_-]{32,128}", re.ASCII)
_SHARED_NAME = re.compile(r"shared-[a-z0-9-]{1,32}", re.ASCII)


class KeyRingUnusableError(Exception):
    """The secret does not hold a key ring; the message says what is wrong and never quotes it."""


class TokenRefusedError(Exception):
    """The token proves nothing; `reason` is `malformed`, `forged` or `expired`."""

    def __init__(self, reason: str, launch_id: str | None = None) -> None:
        """`launch_id` is given only where the token was genuine once."""
        super().__init__(reason)
        self.reason = reason
        self.launch_id = launch_id


class UnknownKeyError(Exception):
    """The token names a key that this copy of the ring does not hold; a newer copy may."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The signing keys by kid, the kid that signs now, and the shared keys by name."""

    current: str
    signing: Mapping[str, bytes] = field(repr=False)
    shared: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, secret: str) -> KeyRing:
        """Read the secret: `{"current": "<kid>", "<kid>": "<key>", "shared-<name>": "<key>", …}`."""
        try:
            members = json.loads(secret)
        except (ValueError, RecursionError):
            raise KeyRingUnusableError("it is not JSON") from None
        if not isinstance(members, dict):
            raise KeyRingUnusableError("it is not a JSON object")
        current = members.pop("current", None)
        signing: dict[str, bytes] = {}
        shared: dict[str, bytes] = {}
        for name, key in members.items():
            is_kid = re.fullmatch(_KID, name, re.ASCII)
            if not is_kid and not _SHARED_NAME.fullmatch(name):  # perhaps a key in the wrong place: not to be quoted
                raise KeyRingUnusableError("a name in it is neither 'k<time>' nor 'shared-<name>'")
            if not isinstance(key, str) or not _KEY.fullmatch(key):
                raise KeyRingUnusableError(f"{name!r} is not 32 to 128 letters, digits, '_' or '-'")
            (signing if is_kid else shared)[name] = key.encode()
        if not isinstance(current, str) or current not in signing:
            raise KeyRingUnusableError("'current' does not name one of its keys")
        return cls(current, signing, shared)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token allows: to speak for one launch, or (None) for runs that have no launch."""

    launch_id: str | None


def sign(ring: KeyRing, launch_id: str, expiry: int) -> str:
    """Make the token for `launch_id`, good until `expiry` (epoch seconds)."""
    signed = f"{ring.current}.{launch_id}.{expiry}"
    return f"{signed}.{_mac(ring.signing[ring.current], signed)}"


def verify(token: str, ring: KeyRing, now: float, *, accept_shared: bool) -> Grant:
    """Check one token against the ring at `now` (epoch seconds).

    Raises TokenRefusedError for what is proven bad and UnknownKeyError for what a newer copy of the ring might allow.
    Comparisons take the same time wherever the bytes differ.
    """
    parts = _LAUNCH_TOKEN.fullmatch(token)
    if parts is None:
        return _verify_shared(token, ring, accept_shared=accept_shared)
    key = ring.signing.get(parts["kid"])
    if key is None:
        raise UnknownKeyError
    if not hmac.compare_digest(parts["mac"], _mac(key, parts["signed"])):
        raise TokenRefusedError("forged")
    if int(parts["expiry"]) <= now:
        raise TokenRefusedError("expired", parts["launch_id"])
    return Grant(parts["launch_id"])


def _verify_shared(token: str, ring: KeyRing, *, accept_shared: bool) -> Grant:
    if not accept_shared or not _KEY.fullmatch(token):
        raise TokenRefusedError("malformed")
    given = token.encode()
    matches = [hmac.compare_digest(given, key) for key in ring.shared.values()]  # every key, whichever matches
    if any(matches):
        return Grant(None)
    raise UnknownKeyError


def _mac(key: bytes, signed: str) -> str:
    digest = hmac.digest(key, b"runledger-launch-v1." + signed.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
