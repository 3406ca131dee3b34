"""How the ring of keys changes, and what no order of changes may break."""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from runledger.adapters.secrets_manager import CACHE_SECONDS, STALE_SECONDS
from runledger.domain.launch_fields import MAX_AFTER_SECONDS
from runledger.domain.rotation import (
    FINISH_SECONDS,
    MARGIN_SECONDS,
    MAX_BYTES,
    KeyRingFullError,
    UnknownNameError,
    fresh_kid,
    is_rotation,
    names,
    revoked,
    rotated,
    shared_with,
)
from runledger.domain.tokens import SIGNS_AFTER_SECONDS, Grant, KeyRing, UnknownKeyError, created_at, sign, verify

NOW, WEEK = 1_795_000_000, 7 * 24 * 3600
LONGEST = MAX_AFTER_SECONDS + WEEK  # how long a token can be good
KEY, NEW = b"A" * 64, "n" * 64


def kid(age: int) -> str:
    return f"k{NOW - age}"


def ring(*kids: str, current: str | None = None, shared: tuple[str, ...] = ()) -> KeyRing:
    return KeyRing(current or kids[0], dict.fromkeys(kids, KEY), dict.fromkeys(shared, KEY))


def test_g7_a_rotation_adds_a_key_that_does_not_sign_yet() -> None:
    after = rotated(ring("k0"), kid(0), NEW, WEEK)
    assert after == KeyRing("k0", {"k0": KEY, kid(0): NEW.encode()}, {})
    assert (after.signer(NOW), after.signer(NOW + SIGNS_AFTER_SECONDS)) == ("k0", kid(0))


def test_g7_a_rotation_makes_the_key_that_signs_then_the_current_one() -> None:
    assert rotated(ring("k0", kid(600)), kid(0), NEW, WEEK).current == kid(600)
    assert rotated(ring("k0", kid(599)), kid(0), NEW, WEEK).current == "k0"


def test_g7_a_key_is_dropped_when_its_last_token_has_expired_and_not_before() -> None:
    """It signed until the next one was old enough."""
    last = SIGNS_AFTER_SECONDS + LONGEST + MARGIN_SECONDS
    assert "k0" in rotated(ring("k0", kid(last - 1)), kid(0), NEW, WEEK).signing
    after = rotated(ring("k0", kid(last)), kid(0), NEW, WEEK)
    assert names(after) == [kid(last), kid(0)]
    assert after.current == kid(last)


def test_g7_a_key_that_nothing_came_after_is_kept_for_ever() -> None:
    assert "k0" in rotated(ring("k0"), kid(0), NEW, WEEK).signing
    assert "k0" in rotated(ring("k0", kid(1)), kid(0), NEW, 0).signing


def test_g7_shared_keys_are_not_rotated() -> None:
    before = ring("k0", kid(10 * LONGEST), kid(9 * LONGEST), shared=("shared-a", "shared-b"))
    after = rotated(before, kid(0), NEW, WEEK)
    assert after.shared == before.shared
    assert "k0" not in after.signing


def test_a_second_key_of_one_second_gets_the_next_one() -> None:
    assert fresh_kid(ring("k0"), NOW + 0.9) == kid(0)
    assert fresh_kid(ring("k0", kid(0), kid(-1)), NOW + 0.9) == kid(-2)
    assert fresh_kid(ring("k0", kid(-1)), NOW + 0.9) == kid(-2)  # kid(0) may be one that was revoked
    assert fresh_kid(ring("k0", "k999999999999"), NOW + 0.9) == kid(0)


# ---- what happened between the beginning of a rotation and its end ---------------------------------------------------
BEFORE = ring("k0", kid(LONGEST * 2), kid(700), kid(30), shared=("shared-a",))
AFTER = rotated(BEFORE, kid(0), NEW, WEEK)


def test_g7_a_rotation_is_known_as_one_while_its_key_is_new() -> None:
    assert is_rotation(BEFORE, AFTER, NOW, WEEK)
    assert is_rotation(BEFORE, AFTER, NOW + FINISH_SECONDS, WEEK)
    assert not is_rotation(BEFORE, AFTER, NOW + FINISH_SECONDS + 1, WEEK)
    assert FINISH_SECONDS + CACHE_SECONDS <= SIGNS_AFTER_SECONDS, "every copy has it when it begins to sign"


def test_g7_a_key_outlives_the_tokens_of_whoever_signs_with_a_copy_that_can_not_be_renewed() -> None:
    assert CACHE_SECONDS + STALE_SECONDS < MARGIN_SECONDS


CHANGES = {
    "a key was revoked": revoked(BEFORE, kid(30), NOW, NEW),
    "the signer was revoked": revoked(BEFORE, kid(700), NOW, NEW),
    "an old key was revoked": revoked(BEFORE, kid(LONGEST * 2), NOW, NEW),
    "a shared key was revoked": revoked(BEFORE, "shared-a", NOW, NEW),
    "a shared key was made": shared_with(BEFORE, "shared-b", NEW),
    "a shared key was replaced": shared_with(BEFORE, "shared-a", NEW),
    "another rotation came": rotated(BEFORE, kid(-1), NEW, WEEK),
    "the other one has another key of the same name": rotated(BEFORE, kid(0), "x" * 64, WEEK),
    "another key was put under an old name": KeyRing("k0", {**BEFORE.signing, kid(700): b"x" * 64}, BEFORE.shared),
    "it is done": AFTER,
}


@pytest.mark.parametrize("now", CHANGES.values(), ids=CHANGES.keys())
def test_g7_a_rotation_of_a_ring_that_was_changed_since_is_none_of_the_ring_that_is_there(now: KeyRing) -> None:
    assert not is_rotation(now, AFTER, NOW, WEEK)


def test_g7_a_ring_that_lost_a_key_or_has_too_many_is_no_rotation() -> None:
    for without in BEFORE.signing.keys() & AFTER.signing.keys():
        signing = {name: key for name, key in AFTER.signing.items() if name != without}
        current = AFTER.current if AFTER.current in signing else kid(0)
        assert not is_rotation(BEFORE, KeyRing(current, signing, AFTER.shared), NOW, WEEK)
    assert not is_rotation(BEFORE, KeyRing(AFTER.current, {**AFTER.signing, kid(-1): KEY}, AFTER.shared), NOW, WEEK)
    assert not is_rotation(BEFORE, KeyRing(kid(0), AFTER.signing, AFTER.shared), NOW, WEEK)


# ---- commands --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("before", "name", "after", "signer"),
    [
        (ring("k0"), "k0", [kid(0)], kid(0)),
        (ring("k0", kid(700)), kid(700), ["k0", kid(0)], "k0"),
        (ring("k0", kid(700)), "k0", [kid(700)], kid(700)),
        (ring("k0", kid(30)), kid(30), ["k0"], "k0"),
        (ring("k0", kid(30), kid(20)), "k0", [kid(30), kid(20), kid(0)], kid(30)),
        (ring("k0", kid(0)), "k0", [kid(0), kid(-1)], kid(0)),
        (ring(kid(20), kid(30), current=kid(20)), kid(30), [kid(20)], kid(20)),
        (ring(kid(30), kid(20)), kid(20), [kid(30)], kid(30)),
        (ring("k0", shared=("shared-a", "shared-b")), "shared-a", ["k0", "shared-b"], "k0"),
        (ring(kid(20), kid(30), shared=("shared-a",)), "shared-a", [kid(30), kid(20)], kid(20)),
    ],
)
def test_g7_a_revoked_key_is_gone_and_the_best_known_one_signs(
    before: KeyRing, name: str, after: list[str], signer: str
) -> None:
    changed = revoked(before, name, NOW, NEW)
    assert (names(changed), changed.current, changed.signer(NOW)) == (after, signer, signer)
    assert KeyRing.parse(changed.text()) == changed


def test_g5_an_unknown_name_is_told_with_the_names_and_no_key() -> None:
    with pytest.raises(UnknownNameError) as caught:
        revoked(BEFORE, "k5", NOW, NEW)
    assert str(caught.value) == f"the ring has no such key; it has {', '.join(names(BEFORE))}"
    assert KEY.decode() not in str(caught.value)


def test_a_shared_key_is_made_or_replaced() -> None:
    made = shared_with(BEFORE, "shared-b", NEW)
    assert (made.shared, made.signing) == ({"shared-a": KEY, "shared-b": NEW.encode()}, BEFORE.signing)
    assert shared_with(made, "shared-a", NEW).shared == dict.fromkeys(("shared-a", "shared-b"), NEW.encode())


# ---- size ------------------------------------------------------------------------------------------------------------
def test_g7_a_ring_that_is_rotated_every_minute_stops_growing_and_loses_nothing() -> None:
    """It keeps what it has, which signs on, and takes new keys again when the first ones can go."""
    held, refused = ring("k0"), 0
    for now in range(NOW + 60, NOW + 100_000, 60):
        try:
            held = rotated(held, fresh_kid(held, now), NEW, WEEK)
        except KeyRingFullError:
            refused = now
            break
    assert len(held.text()) <= MAX_BYTES - 8192
    assert len(held.signing) > 600
    assert held.signer(refused) == f"k{refused - SIGNS_AFTER_SECONDS}"
    assert shared_with(held, "shared-a", "s" * 128).signing == held.signing
    first, second = (created_at(kid) + SIGNS_AFTER_SECONDS + LONGEST + MARGIN_SECONDS for kid in names(held)[1:3])
    with pytest.raises(KeyRingFullError):
        rotated(held, f"k{first - 1}", NEW, WEEK)
    assert names(rotated(held, f"k{second}", NEW, WEEK)) == [*names(held)[2:], f"k{second}"]


def test_a_ring_has_place_for_a_year_of_daily_keys() -> None:
    held = ring("k0")
    for day in range(1, 800):
        held = rotated(held, f"k{NOW + day * 86_400}", NEW, 31_536_000)
    assert 395 < len(held.signing) < 400


def test_g7_shared_keys_never_take_the_place_of_the_key_that_follows_a_revoked_one() -> None:
    held = ring("k0")
    for number in range(1000):
        with suppress(KeyRingFullError):
            held = shared_with(held, f"shared-{number}", "s" * 128)
    assert len(held.shared) < 1000
    small = KeyRing("k0", {"k0": b"A" * 32}, held.shared)
    changed = revoked(small, "k0", NOW, "n" * 128)
    assert changed.signer(NOW) == kid(0)
    assert len(changed.text()) <= MAX_BYTES
    assert not is_rotation(held, KeyRing("k0", {**held.signing, kid(0): KEY}, held.shared), NOW, WEEK)


# ---- any order of changes --------------------------------------------------------------------------------------------
@dataclass
class Life:
    """A ring through time: who signs with which copy of it, and what must be good by which."""

    longest: int
    held: KeyRing = field(default_factory=lambda: ring("k0"))
    now: int = NOW
    copies: list[tuple[int, KeyRing]] = field(default_factory=list)  # each with when it came
    tokens: list[tuple[str, int]] = field(default_factory=list)  # each with its expiry
    gone: set[str] = field(default_factory=set)  # revoked
    revoked_at: int = -(10**9)

    def change(self, to: KeyRing) -> None:
        assert KeyRing.parse(to.text()) == to
        assert len(to.text()) <= MAX_BYTES
        if not self.copies:
            self.copies.append((0, self.held))
        self.copies.append((self.now, to))
        self.held = to

    def copies_in_use(self) -> list[KeyRing]:
        """Return every copy that anybody may have now: the newest, and what was the newest in the cache time."""
        ends = [came for came, _ in self.copies[1:]]
        used = [held for (_, held), end in zip(self.copies, ends, strict=False) if end > self.now - CACHE_SECONDS]
        return [*used, self.held]

    def sign_and_verify(self) -> None:
        in_use = self.copies_in_use()
        for held in in_use:
            signer = held.signer(self.now)
            if signer in self.gone:
                continue  # what a revocation costs
            expiry = self.now + self.longest
            token = sign(held, str(uuid.UUID(int=0)), expiry, self.now)
            self.tokens.append((token, expiry))
            if self.now > self.revoked_at + SIGNS_AFTER_SECONDS + 60:  # kids of one second are a little ahead
                assert created_at(signer) + SIGNS_AFTER_SECONDS <= self.now
                for receiver in in_use:
                    assert signer in receiver.signing, "a receiver's copy lacks the key that signs"
        for token, expiry in self.tokens:
            if expiry > self.now and token.partition(".")[0] not in self.gone:
                assert verify(token, self.held, self.now, accept_shared=False) == Grant(str(uuid.UUID(int=0)))
        for name in self.gone & {token.partition(".")[0] for token, _ in self.tokens}:
            with pytest.raises(UnknownKeyError):
                verify(next(t for t, _ in self.tokens if t.startswith(f"{name}.")), self.held, 0, accept_shared=False)


WAITS = st.sampled_from([0, 1, 30, 299, 300, 301, 599, 600, 601, 3600, 86_400, 30 * 86_400, LONGEST // 2, LONGEST])
DEEDS = st.one_of(
    st.tuples(st.just("rotate"), st.integers(0, FINISH_SECONDS)),
    st.tuples(st.just("revoke"), st.integers(0, 9)),
    st.tuples(st.just("share"), st.integers(0, 2)),
)


@given(st.lists(st.tuples(WAITS, DEEDS), max_size=40), st.sampled_from([60, WEEK]))
@example(
    [(0, ("rotate", 300)), (300, ("rotate", 0)), (300, ("revoke", 0)), (300, ("rotate", 0)), (1, ("rotate", 0))], 60
)
@example([(0, ("revoke", 0)), (0, ("revoke", 0)), (0, ("rotate", 0))], 60)
@example([(LONGEST, ("rotate", 0)), (LONGEST, ("rotate", 0)), (LONGEST, ("rotate", 0))], WEEK)
def test_g7_whatever_is_done_to_a_ring_nothing_genuine_is_refused(
    deeds: list[tuple[int, tuple[str, int]]], max_run_seconds: int
) -> None:
    life = Life(MAX_AFTER_SECONDS + max_run_seconds)
    for number, (wait, (deed, detail)) in enumerate(deeds):
        life.now += wait
        life.sign_and_verify()
        key = f"{number:064}"
        if deed == "rotate":
            after = rotated(life.held, fresh_kid(life.held, life.now), key, max_run_seconds)
            before, life.now = life.held, life.now + detail
            assert is_rotation(before, after, life.now, max_run_seconds)
            life.change(after)
        elif deed == "share":
            life.change(shared_with(life.held, f"shared-{detail}", key))
            assert life.held.shared[f"shared-{detail}"] == key.encode()
        else:
            name = names(life.held)[detail % len(names(life.held))]
            life.gone |= {name} if name in life.held.signing else set()
            life.revoked_at = life.now
            life.change(revoked(life.held, name, life.now, key))
        life.sign_and_verify()
    assume(life.tokens)
