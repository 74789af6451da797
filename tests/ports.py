"""Ports for servers that need a fixed one."""

import contextlib
import errno
import secrets
import socket

__all__ = ["unused_port"]

_FIRST = 10_000
_LAST = 32_000
"""Range below the ephemeral ports, which start at 32768 on Linux and 49152 elsewhere.

An ephemeral port that is released for a server may be assigned to another program first.
"""

_KINDS = [
    (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
    (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
]


def unused_port() -> int:
    """Return a loopback port that is unused by TCP, in both families, and by UDP."""
    while True:
        port = secrets.choice(range(_FIRST, _LAST))
        if not any(_taken(port, *kind) for kind in _KINDS):
            return port


def _taken(port: int, family: int, kind: int, address: str) -> bool:
    with contextlib.closing(socket.socket(family, kind)) as tried:
        try:
            tried.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
