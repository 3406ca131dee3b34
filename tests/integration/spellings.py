"""Looking for secrets, however they are spelt."""

from __future__ import annotations

import base64
from itertools import chain, product
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST = 10  # characters; what is shorter is found by chance


def percent_encoded(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def spellings(secret: str) -> set[str]:
    """Return `secret` as it may be written: plain, percent-encoded once or twice, and inside base64 of either alphabet.

    What base64 makes of it depends on where it begins, so it stands there at each of three offsets, without its ends.
    """
    once = {secret, *_quoted(secret), percent_encoded(secret), percent_encoded(secret).lower()}
    encoders = (base64.b64encode, base64.urlsafe_b64encode)
    inside = {
        encode(b"x" * offset + secret.encode()).decode()[4 * bool(offset) : -4]
        for offset, encode in product(range(3), encoders)
    }
    return {*once, *chain.from_iterable(map(_quoted, once)), *inside}


def _quoted(text: str) -> set[str]:
    return {quote(text), quote(text, safe="")}


def found_in(secret: str, places: Mapping[str, str]) -> set[str]:
    """Return the names of the places in which `secret` stands."""
    assert len(secret) >= _LEAST, "too short to be looked for"
    spelt = spellings(secret)
    return {name for name, text in places.items() if any(one in text for one in spelt)}


def assert_nowhere(secret: str, *places: object) -> None:
    """Fail where `secret` stands in any of `places`."""
    assert not found_in(secret, {str(number): str(place) for number, place in enumerate(places)})
