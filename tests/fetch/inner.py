"""Spellings of private addresses, and a trap that counts connections."""

import contextlib
import socket

__all__ = ["INNER_HOSTS", "Trap"]

INNER_HOSTS = [
    "127.0.0.1",
    "127。0。0。1",
    "①②⑦.⓪.⓪.①",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.1",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1%25eth0]",
    "[fec0::1]",
    "10.0.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "localhost",
    "user:secret@127.0.0.1",
    "127.0.0.1%00",
    "%31%32%37.0.0.1",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
]
"""Spellings of hosts on this machine or its network."""


class Trap:
    """Count the connections to a port of 127.0.0.1 and ::1."""

    def __init__(self):
        self.connections = 0
        self._listening = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._listening[0].getsockname()[1]
        with contextlib.suppress(OSError):  # a machine without IPv6
            self._listening.append(socket.create_server(("::1", self.port), family=socket.AF_INET6))
        for listening in self._listening:
            listening.setblocking(False)

    def sprung(self):
        """Return whether there was a connection."""
        for listening in self._listening:
            with contextlib.suppress(BlockingIOError):
                while True:
                    listening.accept()[0].close()
                    self.connections += 1
        return self.connections > 0

    def close(self):
        for listening in self._listening:
            listening.close()
