"""Who asked for what: the record of every request to the replicas."""

import threading
from dataclasses import dataclass

__all__ = ["Log", "Visit"]


@dataclass(frozen=True, slots=True)
class Visit:
    """Record one request and its answer.

    Args:
        scheme: ``http`` or ``https``.
        method: The HTTP method.
        host: The name that was asked, without a port.
        path: The path, decoded.
        query: What follows the question mark, as it came.
        status: The answer's status; 0 where there was none.
        bytes: The size of the answer's body.
        agent: How the client called itself.
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
        """The address without its scheme's port, for messages and for counting."""
        return f"{self.scheme}://{self.host}{self.path}" + (f"?{self.query}" if self.query else "")


class Log:
    """Keep the visits in the order in which they ended; any thread may write and read."""

    def __init__(self) -> None:
        self._visits: list[Visit] = []
        self._lock = threading.Lock()

    def add(self, visit: Visit) -> None:
        """Write down a visit."""
        with self._lock:
            self._visits.append(visit)

    def visits(self, host: str = "", path: str = "") -> list[Visit]:
        """Return the visits to hosts that end with ``host`` and paths that start with ``path``."""
        with self._lock:
            visits = list(self._visits)
        return [visit for visit in visits if visit.host.endswith(host) and visit.path.startswith(path)]

    def clear(self) -> None:
        """Forget all visits."""
        with self._lock:
            self._visits.clear()
