"""G5: reconcile cuts tokens out of what LangGraph says, however they stand in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runledger_langgraph.inspection import _without

TOKENS = {"abcab", "ab"}


@given(st.text(alphabet="abcx", max_size=60))
def test_g5_no_token_is_left_whatever_it_was_put_together_of(text: str) -> None:
    kept = _without(TOKENS, text.encode()).decode()
    assert not [token for token in TOKENS if token in kept]
    assert set(kept) <= set(text)
    if not any(token in text for token in TOKENS):
        assert kept == text


def test_g1_a_token_in_pieces_of_pieces_is_cut_out_in_one_go() -> None:
    """A million of them, which to cut out one after the other would take hours."""
    token, depth = "k0.token", 1_000_000
    nested = "x" + token[:4] * depth + token[4:] * depth + "y"
    assert _without({token}, nested.encode()) == b"xy"
    assert _without(set(), b"xy") == b"xy"
