"""The log of requests to the replicas."""

import threading
from dataclasses import dataclass

__all__ = ["Log", "Visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """A request and its response.

    Args:
        scheme: ``http`` or ``https``.
        method: HTTP method.
        host: Host name without port.
        path: Decoded path.
        query: Query string, not decoded.
        status: Status of the response; 0 without response.
        bytes: Size of the response body.
        agent: User agent.
    """

    scheme: str
    method: str
    host: str
    path: str
    query: str
    status: int
    bytes: int
    agent: str

    @property
    def url(self) -> str:
        """The URL without port."""
        return f"{self.scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")


class Log:
    """Visits in the order in which they ended; thread-safe."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []
        self._lock = threading.Lock()

    def add(self, visit: Visit) -> None:
        """Add a visit."""
        with self._lock:
            self._visits.append(visit)

    def visits(self, host: str = "", path: str = "") -> list[Visit]:
        """Return the visits to hosts that end with ``host`` and paths that start with ``path``."""
        with self._lock:
            visits = list(self._visits)
        return [
            visit for visit in visits if visit.host.endswith(host) and visit.path.startswith(path)
        ]

    def clear(self) -> None:
        """Remove all visits."""
        with self._lock:
            self._visits.clear()
