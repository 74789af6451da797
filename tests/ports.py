"""Ports for servers that are told which to take."""

import contextlib
import errno
import secrets
import socket

__all__ = ["unused_port"]

_FIRST, _LAST = 10_000, 32_000
"""Below those that systems give to connections and to who asks for any port, from 32768 on Linux and 49152 elsewhere.

One of theirs, let go so that a server may take it, is another program's the next moment now and then.
"""

_KINDS = [
    (socket.AF_INET, socket.SOCK_STREAM, "127.0.0.1"),
    (socket.AF_INET, socket.SOCK_DGRAM, "127.0.0.1"),
    (socket.AF_INET6, socket.SOCK_STREAM, "::1"),
]


def unused_port() -> int:
    """Return a port of loopback on which nobody listens, by TCP in both families and by UDP."""
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
