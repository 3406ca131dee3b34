"""The token of a webhook URL: what it proves, and every way in which it proves nothing."""

from __future__ import annotations

import hmac
import json
from unittest.mock import Mock

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runledger.domain.tokens import Grant, KeyRing, TokenRefusedError, UnknownKeyError, sign, verify

LAUNCH, OTHER_LAUNCH = "6f1c7c0e-3c4b-4a53-9a57-0d3f8f1f6a10", "0a1b2c3d-3c4b-4a53-9a57-0d3f8f1f6a10"
NOW, EXPIRY = 1_795_327_172.5, 1_795_930_000
OLD, NEW, SHARED = "o" * 64, "n" * 64, "shared_key-0123456789-0123456789"
KEYS = {"k0": OLD, "k1795000000": NEW, "shared-crons": SHARED, "shared-scripts": "s" * 32}
RING = KeyRing.parse(json.dumps({"current": "k1795000000", **KEYS}))
BEFORE = KeyRing.parse(json.dumps({"current": "k0", "k0": OLD}))
TOKEN = sign(RING, LAUNCH, EXPIRY, NOW)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-."


def refusal(token: str, *, now: float = NOW, accept_shared: bool = False) -> TokenRefusedError:
    with pytest.raises(TokenRefusedError) as caught:
        verify(token, RING, now, accept_shared=accept_shared)
    return caught.value


@given(st.uuids().map(str), st.integers(min_value=0, max_value=999_999_999_999), st.floats(0, 0.999))
def test_a_signed_token_speaks_for_its_launch_until_it_expires(launch_id: str, expiry: int, before: float) -> None:
    token = sign(RING, launch_id, expiry, NOW)
    assert verify(token, RING, expiry - 1 + before, accept_shared=False) == Grant(launch_id)
    assert refusal(token, now=expiry).reason == "expired"


def test_a_token_fits_a_query_as_it_is() -> None:
    assert f"k1795000000.{LAUNCH}.{EXPIRY}.{TOKEN[-43:]}" == TOKEN
    assert set(TOKEN) <= set(ALPHABET)
    assert len(TOKEN) < 128


def test_g5_a_token_holds_no_key() -> None:
    assert NEW not in TOKEN
    assert OLD not in sign(BEFORE, LAUNCH, EXPIRY, NOW)


@pytest.mark.parametrize("index", range(len(TOKEN)))
def test_g6_a_token_with_any_one_character_changed_is_refused(index: int) -> None:
    for char in set(ALPHABET) - {TOKEN[index]}:
        with pytest.raises((TokenRefusedError, UnknownKeyError)) as caught:
            verify(TOKEN[:index] + char + TOKEN[index + 1 :], RING, NOW, accept_shared=False)
        assert str(caught.value) in ("forged", "malformed", "")
        assert getattr(caught.value, "launch_id", None) is None


@given(st.integers(0, len(TOKEN)), st.text(ALPHABET, max_size=4), st.integers(0, len(TOKEN)), st.uuids().map(str))
def test_g6_no_splice_of_two_tokens_speaks_for_another_launch(start: int, between: str, end: int, launch: str) -> None:
    spliced = TOKEN[:start] + between + sign(RING, launch, EXPIRY + 1, NOW)[end:]
    try:
        granted = verify(spliced, RING, NOW, accept_shared=False)
    except (TokenRefusedError, UnknownKeyError):
        return
    assert spliced == sign(RING, granted.launch_id or "", EXPIRY + (granted.launch_id == launch), NOW)


@pytest.mark.parametrize("accept_shared", [False, True])
def test_g6_a_truncated_token_is_malformed(*, accept_shared: bool) -> None:
    for length in range(len(TOKEN)):
        assert refusal(TOKEN[:length], accept_shared=accept_shared).reason == "malformed"
        assert refusal(TOKEN[len(TOKEN) - length :]).reason == "malformed"


@pytest.mark.parametrize(
    "forged",
    [
        TOKEN.replace(LAUNCH, OTHER_LAUNCH),
        TOKEN.replace(str(EXPIRY), str(EXPIRY + 1)),
        TOKEN.replace(str(EXPIRY), f"0{EXPIRY}"),
        TOKEN.replace("k1795000000", "k0"),
        TOKEN[:-43] + sign(RING, OTHER_LAUNCH, EXPIRY, NOW)[-43:],
        TOKEN[:-43] + sign(RING, LAUNCH, EXPIRY + 1, NOW)[-43:],
        TOKEN[:-43] + sign(BEFORE, LAUNCH, EXPIRY, NOW)[-43:],
        TOKEN[:-43] + "A" * 43,
    ],
    ids=["launch", "expiry", "expiry with a zero", "kid", "launch's mac", "expiry's mac", "kid's mac", "no mac"],
)
def test_g6_a_token_put_together_from_others_is_forged(forged: str) -> None:
    assert refusal(forged).reason == "forged"
    assert refusal(forged, now=EXPIRY + 1).launch_id is None, "an expired forgery proves nothing about a launch"


@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        f" {TOKEN}",
        f"{TOKEN} ",
        f"{TOKEN}\n",
        f"{TOKEN}=",
        TOKEN.replace(".", "%2E"),
        TOKEN.upper(),
        TOKEN.replace(LAUNCH, LAUNCH.upper()),
        TOKEN.replace(LAUNCH, LAUNCH.replace("-", "")),
        TOKEN.replace("k17950", "k٣17950"),
        TOKEN.replace(str(EXPIRY), f"٣{EXPIRY}"[:10]),
        TOKEN.replace(str(EXPIRY), f"-{EXPIRY}"),
        TOKEN.replace(str(EXPIRY), "9" * 13),
        TOKEN.replace("k1795000000.", "."),
        TOKEN + TOKEN,
        TOKEN[:-1] + "é",
        "\ud800" + TOKEN,
        "é" * 40,
        f"shared-crons.{LAUNCH}.{EXPIRY}.{TOKEN[-43:]}",
    ],
)
@pytest.mark.parametrize("accept_shared", [False, True])
def test_g6_what_is_no_token_is_malformed(token: str, *, accept_shared: bool) -> None:
    assert refusal(token, accept_shared=accept_shared).reason == "malformed"


@given(st.text())
@example("\x00")
def test_g6_no_text_does_more_than_be_refused(text: str) -> None:
    assert refusal(text).reason == "malformed"


@pytest.mark.parametrize("late", [0, 0.1, 10**9])
def test_g7_a_genuine_but_expired_token_names_its_launch(late: float) -> None:
    refused = refusal(TOKEN, now=EXPIRY + late)
    assert (refused.reason, refused.launch_id) == ("expired", LAUNCH)


def test_g7_a_token_of_an_older_key_is_good_while_the_ring_has_the_key() -> None:
    older = sign(BEFORE, LAUNCH, EXPIRY, NOW)
    assert older.startswith("k0.")
    assert verify(older, RING, NOW, accept_shared=False) == Grant(LAUNCH)


def test_g7_a_token_is_signed_by_the_key_that_is_old_enough_when_it_is_signed() -> None:
    before, after = (sign(RING, LAUNCH, EXPIRY, 1_795_000_000 + age) for age in (599, 600))
    assert (before.partition(".")[0], after.partition(".")[0]) == ("k0", "k1795000000")
    assert verify(before, RING, NOW, accept_shared=False) == verify(after, RING, NOW, accept_shared=False)


@pytest.mark.parametrize("now", [NOW, EXPIRY + 1])
def test_g7_a_token_of_a_key_that_this_ring_lacks_is_not_yet_refused(now: float) -> None:
    with pytest.raises(UnknownKeyError):
        verify(TOKEN, BEFORE, now, accept_shared=False)


@pytest.mark.parametrize("token", [SHARED, "s" * 32])
def test_a_shared_key_is_a_token_for_runs_without_a_launch_where_it_is_accepted(token: str) -> None:
    assert verify(token, RING, NOW, accept_shared=True) == Grant(None)
    assert refusal(token, accept_shared=False).reason == "malformed"


@pytest.mark.parametrize("token", [SHARED[:-1] + "x", SHARED + "x", "x" * 128, OLD, NEW, TOKEN.replace(".", "_")])
def test_an_unknown_shared_key_may_be_in_a_newer_ring_but_no_signing_key_is_ever_one(token: str) -> None:
    with pytest.raises(UnknownKeyError):
        verify(token, RING, NOW, accept_shared=True)


@pytest.mark.parametrize("token", [SHARED[:31], "x" * 129, "shared-crons", SHARED + ".", SHARED + " ", SHARED + "é"])
def test_g6_what_can_be_no_shared_key_is_malformed(token: str) -> None:
    assert refusal(token, accept_shared=True).reason == "malformed"


def test_a_launch_token_is_as_good_where_shared_ones_are_accepted() -> None:
    assert verify(TOKEN, RING, NOW, accept_shared=True) == Grant(LAUNCH)


@pytest.mark.parametrize("token", [TOKEN, TOKEN[:-1] + "_", SHARED])
def test_g5_every_comparison_is_constant_time(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `hmac.compare_digest` decides: where it says no, no token is good, and it sees every shared key."""
    no = Mock(return_value=False)
    monkeypatch.setattr(hmac, "compare_digest", no)
    with pytest.raises((TokenRefusedError, UnknownKeyError)):
        verify(token, RING, NOW, accept_shared=True)
    assert no.call_count == (len(RING.shared) if token == SHARED else 1)
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: True)
    assert verify(token, RING, NOW, accept_shared=True).launch_id in (LAUNCH, None)


def test_g5_a_refusal_quotes_neither_token_nor_key() -> None:
    for token, shared in ((TOKEN[:-1] + "_", False), (TOKEN + "x", False), (SHARED[:-1] + ".", True)):
        assert str(refusal(token, accept_shared=shared)) in ("forged", "malformed")
