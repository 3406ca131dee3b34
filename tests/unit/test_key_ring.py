"""The ring of keys, as the secret holds it."""

from __future__ import annotations

import json

import pytest

from runledger.adapters.secrets_manager import CACHE_SECONDS
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, KeyRing, KeyRingUnusableError

KEY, OTHER = "A" * 64, "b-_9" * 8


def test_a_ring_has_signing_keys_and_shared_ones() -> None:
    ring = KeyRing.parse(json.dumps({"current": "k17", "k0": KEY, "k17": OTHER, "shared-crons-2": KEY}))
    assert ring.current == "k17"
    assert ring.signing == {"k0": KEY.encode(), "k17": OTHER.encode()}
    assert ring.shared == {"shared-crons-2": KEY.encode()}


def test_what_the_template_generates_is_a_ring() -> None:
    assert KeyRing.parse(json.dumps({"current": "k0", "k0": KEY})).signing == {"k0": KEY.encode()}


@pytest.mark.parametrize("length", [32, 128])
def test_a_key_has_32_to_128_characters(length: int) -> None:
    assert KeyRing.parse(json.dumps({"current": "k0", "k0": "x" * length})).signing == {"k0": b"x" * length}


def ring_with(**members: object) -> str:
    return json.dumps({"current": "k0", "k0": KEY, **{name.replace("_", "-"): key for name, key in members.items()}})


@pytest.mark.parametrize(
    ("secret", "complaint"),
    [
        ("", "it is not JSON"),
        (KEY, "it is not JSON"),
        (f'{{"current": "k0", "k0": "{KEY}"', "it is not JSON"),
        ("[" * 60_000, "it is not JSON"),
        ("[]", "it is not a JSON object"),
        (f'"{KEY}"', "it is not a JSON object"),
        ("null", "it is not a JSON object"),
        ("{}", "'current' does not name one of its keys"),
        (json.dumps({"k0": KEY}), "'current' does not name one of its keys"),
        (json.dumps({"current": "k1", "k0": KEY}), "'current' does not name one of its keys"),
        (json.dumps({"current": ["k0"], "k0": KEY}), "'current' does not name one of its keys"),
        (json.dumps({"current": KEY, "k0": KEY}), "'current' does not name one of its keys"),
        (json.dumps({"current": "shared-a", "shared-a": KEY}), "'current' does not name one of its keys"),
        (json.dumps({"current": "k0", "k0": KEY[:31]}), "'k0' is not 32 to 128 letters"),
        (json.dumps({"current": "k0", "k0": KEY * 2 + "x"}), "'k0' is not 32 to 128 letters"),
        (ring_with(k1=f"{KEY}\n"), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=f"{KEY}."), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=f"{KEY}é"), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=f"{KEY}٣"), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=None), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=int("9" * 40)), "'k1' is not 32 to 128 letters"),
        (ring_with(k1=[KEY]), "'k1' is not 32 to 128 letters"),
        (ring_with(shared_a=KEY[:31]), "'shared-a' is not 32 to 128 letters"),
    ],
)
def test_g5_each_complaint_says_what_is_wrong_and_quotes_no_key(secret: str, complaint: str) -> None:
    with pytest.raises(KeyRingUnusableError) as caught:
        KeyRing.parse(secret)
    assert complaint in str(caught.value)
    assert KEY[:16] not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["", "k", "k1234567890123", "K1", "k1 ", "k1\n", "k٣", "k-1", "shared-", "shared-A", "shared-" + "a" * 33, KEY],
)
@pytest.mark.parametrize("key", [OTHER, "k0"])
def test_g5_a_name_that_is_none_is_not_quoted_as_it_may_be_a_misplaced_key(name: str, key: str) -> None:
    with pytest.raises(KeyRingUnusableError) as caught:
        KeyRing.parse(json.dumps({"current": "k0", "k0": KEY, name: key}))
    assert str(caught.value) == "a name in it is neither 'k<time>' nor 'shared-<name>'"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_g5_the_cause_of_a_complaint_is_cut_off_since_it_holds_the_secret() -> None:
    with pytest.raises(KeyRingUnusableError) as caught:
        KeyRing.parse(KEY)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


def test_g5_a_rings_repr_shows_no_key() -> None:
    ring = KeyRing.parse(ring_with(shared_a=OTHER))
    assert KEY not in f"{ring} {ring!r}"
    assert OTHER not in f"{ring} {ring!r}"
    assert "k0" in repr(ring)


def ring_of(current: str, *kids: str) -> KeyRing:
    return KeyRing(current, {kid: KEY.encode() for kid in kids}, {})


@pytest.mark.parametrize(
    ("ring", "signer"),
    [
        (ring_of("k0", "k0"), "k0"),
        (ring_of("k0", "k0", "k1000"), "k0"),
        (ring_of("k0", "k400", "k0"), "k400"),  # whatever `current` says
        (ring_of("k400", "k0", "k401"), "k0"),
        (ring_of("k0", "k0", "k300", "k400", "k401"), "k400"),
        (ring_of("k400", "k90", "k400"), "k400"),  # as numbers, not as text
        (ring_of("k500", "k401", "k500"), "k500"),  # none is old enough
        (ring_of("k401", "k401", "k500"), "k401"),
    ],
)
def test_g7_the_newest_key_signs_that_is_ten_minutes_old(ring: KeyRing, signer: str) -> None:
    assert ring.signer(1000.0) == signer


def test_g7_a_key_begins_to_sign_at_the_moment_that_it_is_ten_minutes_old() -> None:
    ring = ring_of("k0", "k0", "k400")
    assert (ring.signer(999.999), ring.signer(1000)) == ("k0", "k400")


def test_g7_a_key_waits_twice_as_long_as_any_copy_of_the_ring_is_kept() -> None:
    assert SIGNS_AFTER_SECONDS == 2 * CACHE_SECONDS


def test_a_ring_is_read_as_it_was_written_oldest_key_first() -> None:
    ring = KeyRing("k17", {"k17": OTHER.encode(), "k9": KEY.encode()}, {"shared-a": KEY.encode()})
    assert KeyRing.parse(ring.text()) == ring
    assert list(json.loads(ring.text())) == ["current", "k9", "k17", "shared-a"]
