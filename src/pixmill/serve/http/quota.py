"""What each client may use in a period."""

import ipaddress
import math
from dataclasses import dataclass, field
from time import monotonic

from pixmill.local.problems import ProblemError


@dataclass
class Quota:
    """Count what clients use in a period, in memory.

    Args:
        most: Maximum that each client may use.
        seconds: Length of a period.
        problem: Sentence for clients that want more.
    """

    most: float
    seconds: float
    problem: str
    _end: float = field(default=0, init=False)
    _used: dict[str, float] = field(default_factory=dict, init=False)

    def charge(self, client: str, amount: float) -> None:
        """Count an amount against a client's quota.

        Raises:
            ProblemError: The client has used too much in this period.
        """
        now = monotonic()
        if now >= self._end:
            self._end = now + self.seconds
            self._used = {}
        network = network_of(client)
        used = self._used.get(network, 0) + amount
        if used > self.most:
            raise ProblemError(429, self.problem, {"Retry-After": str(math.ceil(self._end - now))})
        self._used[network] = used


def network_of(client: str) -> str:
    """Return what one client usually holds: an IPv4 address, or an IPv6 network (/64)."""
    client = client.removeprefix("::ffff:")  # an IPv4 address, on a socket that takes both
    try:
        return str(ipaddress.IPv6Network((client, 64), strict=False))
    except ValueError:
        return client
