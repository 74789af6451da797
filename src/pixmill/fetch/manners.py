"""How the fetcher behaves towards the hosts that it asks."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Manners"]


@dataclass(frozen=True)
class Manners:
    """Say who asks, how often, and whom not.

    Args:
        contact: An e-mail address or URL under which the person responsible can be reached; part of the User-Agent.
        rate: The most requests to one host a second; ``None`` for no limit but the connections.
        jitter: The share, 0 to 1, by which the pause between two requests to a host is lengthened at random.
        opt_out: Hosts that are left alone, with all their subdomains.
        robots_exceptions: Hosts whose ``robots.txt`` a person has taken the responsibility to set aside.
        own: Hosts that are our own, so that ``rate`` does not hold for them.
    """

    contact: str | None = None
    rate: float | None = None
    jitter: float = 0.5
    opt_out: frozenset[str] = frozenset()
    robots_exceptions: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
