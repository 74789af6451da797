"""Hand the candidates of one search over to be fetched, in batches, and know when there are enough."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from pixmill.scrape.candidate import Candidate

__all__ = ["Handover"]

_BATCH = 256
"""Candidates that are handed over together."""

_BATCH_SECONDS = 0.5
"""How long a candidate waits for others of its batch: pages show a few a second."""

_AHEAD = 4
"""Batches that may be under way before a search waits for the first: a list of a million addresses must not pile up."""


class Handover:
    """Take candidates one by one, and pass them on.

    Args:
        begin: Begins to fetch some candidates.
        wait: Waits for what was begun.
        ids: The different pictures of the class so far, to which fetching adds.
        per_class: How many of them are enough; ``None`` where there is no such number.
        per_query: How many candidates are enough.
        keep: Whether ``candidates`` holds what was taken.
    """

    def __init__(
        self,
        begin: Callable[[list[Candidate]], Future[None]],
        wait: Callable[[Future[None]], None],
        ids: set[str],
        *,
        per_class: int | None,
        per_query: int | None,
        keep: bool,
    ) -> None:
        self._begin = begin
        self._wait = wait
        self.ids = ids
        self._per_class = per_class
        self._per_query = per_query
        self._keep = keep
        self._batch: list[Candidate] = []
        self._batch_since = 0.0
        self._under_way: deque[Future[None]] = deque()
        # Only their bytes tell how many different pictures some candidates are: this many are at least needed.
        self._enough = None if per_class is None else max(0, per_class - len(ids))
        self.candidates: list[Candidate] = []
        self.taken = 0

    def take(self, candidate: Candidate) -> None:
        """Take the next candidate; may wait for earlier ones."""
        if self._keep:
            self.candidates.append(candidate)
        self.taken += 1
        if not self._batch:
            self._batch_since = time.monotonic()
        self._batch.append(candidate)
        if len(self._batch) >= _BATCH or time.monotonic() - self._batch_since >= _BATCH_SECONDS:
            self._pass_on()
            while len(self._under_way) > _AHEAD:
                self._wait(self._under_way.popleft())
        if self._per_class is not None and self.taken == self._enough:
            self.finish()
            self._enough = self.taken + self._per_class - len(self.ids)

    def is_full(self) -> bool:
        """Tell whether the class has all the pictures that it may have."""
        return self._per_class is not None and len(self.ids) >= self._per_class

    def is_limited(self) -> bool:
        """Tell whether the search has brought all the candidates that it may bring."""
        return self._per_query is not None and self.taken >= self._per_query

    def finish(self) -> None:
        """Pass on what is left, and wait for everything."""
        self._pass_on()
        while self._under_way:
            self._wait(self._under_way.popleft())

    def _pass_on(self) -> None:
        if self._batch:
            self._under_way.append(self._begin(self._batch))
            self._batch = []
