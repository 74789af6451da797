"""The limits that one fetch obeys."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bound what fetching may cost, here and at the other end.

    Args:
        max_bytes: The largest body, in bytes, compressed or not.
        timeout: Seconds that one fetch may take in all: redirects, repeats and pauses between them included, waiting
            for a free connection not.
        connections: Fetches at the same time.
        per_host: Fetches from one host at the same time.
        redirects: Redirects that are followed.
        attempts: How often a fetch that fails for a passing reason is tried.
    """

    max_bytes: int = 20_000_000
    timeout: float = 20.0
    connections: int = 16
    per_host: int = 8
    redirects: int = 5
    attempts: int = 3
