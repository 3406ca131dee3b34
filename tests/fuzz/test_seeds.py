"""The fuzzer's seeds without the fuzzer: what it checks holds of them, and finds faults."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from local.template import ROOT
from runledger.domain.deliveries import Trimmed
from runledger.domain.tokens import Grant
from tests.fuzz import webhook
from tests.fuzz.webhook import GOOD, SHARED, TOKENS, check, seeds

SEEDS = list(seeds(ROOT / "tests" / "payloads"))


@pytest.mark.parametrize("seed", SEEDS, ids=range(len(SEEDS)))
def test_g3_g5_g6_what_the_fuzzer_checks_holds_of_its_seeds(seed: bytes) -> None:
    check(seed)


def test_no_token_has_what_stands_for_one_and_none_stands_in_a_seed() -> None:
    assert not [seed for seed in SEEDS for token in TOKENS if token.encode() in seed]
    assert len({GOOD, SHARED, *TOKENS}) == len(TOKENS)


def test_a_token_that_is_taken_though_nobody_signed_it_is_a_fault() -> None:
    with patch.object(webhook, "verify", return_value=Grant(None)), pytest.raises(AssertionError):
        check(b"token=guessed\n{}")


def test_a_result_that_is_thrown_away_is_a_fault() -> None:
    whole = next(seed for seed in SEEDS if b'": ' in seed and b"\x01" in seed.partition(b"\n")[2])
    with patch.object(webhook, "parse_delivery", return_value=Trimmed(None, None)), pytest.raises(AssertionError):
        check(whole)


@pytest.mark.parametrize("kept", ["less", "more"])
def test_a_payload_that_is_not_what_was_received_is_a_fault(kept: str) -> None:
    cut = {"less": lambda text, *_: text.replace(" ", ""), "more": lambda text, *_: text}
    with patch("runledger.domain.deliveries._without", cut[kept]), pytest.raises(AssertionError):
        check(next(seed for seed in SEEDS if b'": ' in seed and b"\x01" in seed.partition(b"\n")[2]))
