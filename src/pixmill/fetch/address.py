"""Tell the addresses of the public internet from all others."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["is_public"]

_GLOBAL_UNICAST = ip_network("2000::/3")
"""The only part of IPv6 from which public addresses are given out (RFC 4291, section 2.4)."""

_NEVER = tuple(
    ip_network(block)
    for block in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "2001::/23",  # Teredo, ORCHID and other protocols (RFC 2928): some carry an IPv4 address inside
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): carries an IPv4 address inside
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""Blocks that ``ipaddress`` calls global, wholly or in part, and that lead elsewhere or nowhere."""


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the public internet.

    Loopback, private, link-local, multicast, shared (RFC 6598), reserved and documentation addresses do not, nor do
    IPv6 addresses that wrap an IPv4 one; an IPv4-mapped address is judged by the address in it.

    Args:
        address: An IPv4 or IPv6 address in its canonical spelling; a scope (``%eth0``) is allowed.

    Raises:
        ValueError: The text is no address.
    """
    parsed: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif parsed not in _GLOBAL_UNICAST:
            return False
    if any(parsed in block for block in _NEVER):
        return False
    return parsed.is_global and not parsed.is_multicast
