"""A body is unpacked as far as a body may be long, whatever it claims to be."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runledger.domain.body_text import MAX_BYTES, body_text

if TYPE_CHECKING:
    from collections.abc import Callable


@given(st.text())
def test_g3_a_text_is_the_same_however_it_was_packed(inner: str) -> None:
    text = f'{{"a": "{inner}"}}'.encode(errors="replace").decode()
    packed = {"gzip": gzip.compress(text.encode()), "deflate": zlib.compress(text.encode()), "": text.encode()}
    assert {body_text(body, coding) for coding, body in packed.items()} == {text}


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_g6_a_bomb_takes_no_more_memory_than_a_body_may_be_long(coding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(b"{" + b" " * 100_000_000 + b"}")
    tracemalloc.start()
    try:
        assert body_text(body, coding) is None
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BYTES
    finally:
        tracemalloc.stop()


def test_g6_a_body_may_be_as_long_as_the_limit_unpacked_and_no_longer() -> None:
    text = b"{" + b" " * (MAX_BYTES - 2) + b"}"
    assert body_text(gzip.compress(text), "gzip") == text.decode()
    assert body_text(gzip.compress(text + b" "), "gzip") is None


def test_g6_a_hundred_thousand_streams_in_a_row_are_one_too_many() -> None:
    """Each leaves the rest to be copied: to follow them would take hours."""
    assert body_text(gzip.compress(b"{") * 100_000, "gzip") is None


@given(st.binary(), st.sampled_from(["", "gzip", "deflate", "br", "gzip, br", ",", "identity"]))
def test_g6_whatever_comes_is_read_or_not_and_no_fault_of_ours(body: bytes, coding: str) -> None:
    with suppress(UnicodeDecodeError):
        body_text(body, coding)
