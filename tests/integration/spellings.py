"""Looking for secrets, however they are spelt."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from itertools import chain, product
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

_LEAST = 10  # characters; what is shorter is found by chance
_BLOCK = 16  # characters; what is twice as long has a whole block in it, wherever it begins


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


def squeezed(text: str) -> str:
    """Return a text without the runs of one letter that large results are made of here, and no secret has."""
    return re.sub("x{99,}", "x", text)


def left_in(secrets: Mapping[str, str], places: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return the names of secret and place for each of many secrets that stands in one of many places.

    Each text is read once, in blocks: of a secret that stands in it, however spelt, one block at least is whole.
    """
    blocks: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for name, secret in secrets.items():
        for spelt in spellings(secret):
            assert len(spelt) >= 2 * _BLOCK - 1, "too short to be looked for"
            for start in range(_BLOCK):
                blocks[spelt[start : start + _BLOCK]].add((name, spelt))
    return {
        (name, place)
        for place, text in places.items()
        for start in range(0, len(text), _BLOCK)
        for name, spelt in blocks.get(text[start : start + _BLOCK], ())
        if spelt in text[max(0, start - len(spelt)) : start + len(spelt)]
    }


def assert_nowhere(secret: str, *places: object) -> None:
    """Fail where `secret` stands in any of `places`."""
    assert not found_in(secret, {str(number): str(place) for number, place in enumerate(places)})
