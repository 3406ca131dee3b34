"""The networks from which LangGraph may deliver."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

type Network = IPv4Network | IPv6Network


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks in CIDR notation, with commas between them; raise ValueError for what is none."""
    return tuple(ip_network(one.strip()) for one in text.split(","))


def is_within(source: str, networks: Collection[Network]) -> bool:
    """Whether one of the networks holds the address `source`; none holds what is no address."""
    try:
        address = ip_address(source)
    except ValueError:
        return False
    return any(address in network for network in networks)
