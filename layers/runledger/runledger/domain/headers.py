"""The request headers of `GET` that say how to answer: what the caller has already, and how long it will wait."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from runledger.domain.fields import Schema

_DIGITS = 1_000  # that are read: Python takes 4,300
MAX_WAIT_SECONDS = 25  # the gateway ends a request after 30
_WAIT = re.compile(r'(?:^|,)\s*wait\s*=\s*"?(\d+)"?\s*(?=[,;]|$)', re.ASCII | re.IGNORECASE)
_TAG = re.compile(r'(?:W/)?("[^"]*")')
# Either is ignored where it says nothing that is understood here, so every text will do.
PREFER: Schema = {"type": "string"}
IF_NONE_MATCH: Schema = {"type": "string"}


def wait_seconds(headers: Mapping[str, str]) -> int | None:
    """Return how long `Prefer: wait=N` (RFC 7240, 4.3) asks to wait, cut to what can be; None without it.

    The first of several counts; what is not a number is ignored, as every preference may be.
    """
    found = _WAIT.search(headers.get("prefer", ""))
    return min(int(found[1][:_DIGITS]), MAX_WAIT_SECONDS) if found else None


def has_already(headers: Mapping[str, str], etag: str) -> bool:
    """Whether `If-None-Match` (RFC 9110, 13.1.2) names this ETag, weak or strong alike."""
    named = headers.get("if-none-match", "")
    return named.strip() == "*" or etag.removeprefix("W/") in _TAG.findall(named)
