"""From which networks LangGraph may deliver."""

from __future__ import annotations

import pytest

from runledger.domain.allowed_networks import is_within, parse_networks

OURS = parse_networks("203.0.113.0/24, 2001:db8::/32")


@pytest.mark.parametrize("source", ["203.0.113.0", "203.0.113.255", "2001:db8::1", "2001:DB8:0:0::9"])
def test_an_address_of_a_network_is_within(source: str) -> None:
    assert is_within(source, OURS)


@pytest.mark.parametrize(
    "source", ["203.0.114.0", "198.51.100.1", "2001:db9::1", "", "nonsense", "203.0.113.0/24", "::ffff:203.0.113.1"]
)
def test_any_other_is_not_nor_what_is_no_address(source: str) -> None:
    assert not is_within(source, OURS)


@pytest.mark.parametrize("source", ["203.0.113.7", "2001:db8::1", "127.0.0.1"])
def test_the_templates_default_is_everybody(source: str) -> None:
    assert is_within(source, parse_networks("0.0.0.0/0,::/0"))


@pytest.mark.parametrize("text", ["", ",", "203.0.113.7/24", "example.org/24", "203.0.113.0/33", "203.0.113.0/24,"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not appear|has host bits"):
        parse_networks(text)
