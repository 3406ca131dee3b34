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
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A new key signs nothing for twice the time for which receivers keep a copy of the ring (CACHE_SECONDS in
# adapters/secrets.py): once for a rotation to finish, once for the copies that were read just before that.
SIGNS_AFTER_SECONDS = 600
_KID = r"k\d{1,12}"  # the digits are the key's creation time in epoch seconds; 0 for the one that the template made
_LAUNCH_TOKEN = re.compile(
    rf"(?P<signed>(?P<kid>{_KID})\.(?P<launch_id>[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})"
    r"\.(?P<expiry>\d{1,12}))\.(?P<mac>[A-Za-z0-9_-]{43})",
    re.ASCII,
)
_KEY = re.compile(r"[A-Za-z0-9_-]{32,128}", re.ASCII)
_SHARED_NAME = re.compile(r"shared-[a-z0-9-]{1,32}", re.ASCII)
_NAME = re.compile(rf"{_KID}|{_SHARED_NAME.pattern}", re.ASCII)


class KeyRingUnusableError(Exception):
    """The secret does not hold a key ring; the message says what is wrong and never quotes it."""


class TokenRefusedError(Exception):
    """The token proves nothing; `reason` is `missing`, `several`, `malformed`, `forged` or `expired`."""

    def __init__(self, reason: str, launch_id: str | None = None) -> None:
        """`launch_id` is given only where the token was genuine once."""
        super().__init__(reason)
        self.reason = reason
        self.launch_id = launch_id


class UnknownKeyError(Exception):
    """The token names a key that this copy of the ring does not hold; a newer copy may."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The signing keys by kid, the kid that signs where none is old enough, and the shared keys by name."""

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

    def text(self) -> str:
        """Return the secret that `parse` reads, oldest key first."""
        keys = {name: key.decode() for held in (self.signing, self.shared) for name, key in held.items()}
        names = [*by_age(self.signing), *sorted(self.shared)]
        return json.dumps({"current": self.current, **{name: keys[name] for name in names}})

    def signer(self, now: float) -> str:
        """Return the kid that signs at `now`: the newest key that is old enough for every receiver to have it.

        From the kids alone, so that whoever has a copy of the ring, however old, changes to a new key at the same
        moment. Where no key is old enough, as in a ring whose older keys were revoked, the one that `current` names.
        """
        known = [kid for kid in by_age(self.signing) if created_at(kid) + SIGNS_AFTER_SECONDS <= now]
        return known[-1] if known else self.current


def created_at(kid: str) -> int:
    """Return when a key was made, in epoch seconds."""
    return int(kid.removeprefix("k"))


def by_age(kids: Iterable[str]) -> list[str]:
    """Return kids, oldest first."""
    return sorted(kids, key=lambda kid: (created_at(kid), kid))


def is_key_name(text: str) -> bool:
    """Whether `text` can be the name of a key, a kid or a shared key's: what can't may be a key in the wrong place."""
    return _NAME.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a good token allows: to speak for one launch, or (None) for runs that have no launch."""

    launch_id: str | None


def sign(ring: KeyRing, launch_id: str, expiry: int, now: float) -> str:
    """Make the token for `launch_id`, good until `expiry`, with the key that signs at `now` (epoch seconds)."""
    kid = ring.signer(now)
    signed = f"{kid}.{launch_id}.{expiry}"
    return f"{signed}.{_mac(ring.signing[kid], signed)}"


def in_query(query: str) -> tuple[str, str]:
    """Return the token of a URL's raw query, and as it is spelt there, which LangGraph echoes.

    Raises TokenRefusedError where there is none, or more than one.
    """
    pairs = [pair.partition("=") for pair in query.split("&")]
    spelt = [value for name, _, value in pairs if unquote_plus(name) == "token"]
    if len(spelt) != 1 or not spelt[0]:
        raise TokenRefusedError("several" if len(spelt) > 1 else "missing")
    return unquote_plus(spelt[0]), spelt[0]


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
