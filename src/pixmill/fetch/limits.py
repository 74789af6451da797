"""The limits that one fetch obeys."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(frozen=True)
class Limits:
    """Bound what fetching may cost, here and at the other end.

    Args:
        max_bytes: The largest picture, in bytes, compressed or not.
        timeout: Seconds that one fetch may take in all: redirects, repeats and pauses between them included, waiting
            for a free connection and for the host's turn not.
        connect_timeout: Seconds until a connection stands, TLS included.
        read_timeout: Seconds that a server may be silent.
        connections: Requests at the same time.
        per_host: Requests to one host at the same time.
        redirects: Redirects that are followed.
        attempts: How often a fetch that fails for a passing reason is tried.
    """

    max_bytes: int = 25 * 1024 * 1024
    timeout: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 15.0
    connections: int = 16
    per_host: int = 8
    redirects: int = 5
    attempts: int = 3
