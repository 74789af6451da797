"""What each client may use in a period."""

import ipaddress
import math
import time
from collections.abc import Callable

from pixmill.web.problems import ProblemError


class Quota:
    """Count what clients use in a period, in memory.

    Args:
        most: Maximum that each client may use.
        seconds: Length of a period.
        problem: Sentence for clients that want more.
        clock: Returns the time in seconds.
    """

    def __init__(self, most: float, seconds: float, problem: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._seconds = seconds
        self._problem = problem
        self._clock = clock
        self._start = -seconds
        self._used: dict[str, float] = {}

    def charge(self, client: str, amount: float) -> None:
        """Count an amount against a client's quota.

        Raises:
            ProblemError: The client has used too much in this period.
        """
        now = self._clock()
        if now - self._start >= self._seconds:
            self._start = now
            self._used = {}
        network = _network_of(client)
        used = self._used.get(network, 0) + amount
        if used > self._most:
            wait = math.ceil(self._start + self._seconds - now)
            raise ProblemError(429, self._problem, {"Retry-After": str(wait)})
        self._used[network] = used


def _network_of(client: str) -> str:
    """Return the addresses that one client usually holds: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        address = ipaddress.ip_address(client)
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and not address.ipv4_mapped:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return client
