"""Pass the candidates of one search on to be fetched, in batches, until there are enough."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from pixmill.scrape.candidate import Candidate
from pixmill.scrape.quota import Quota

_BATCH = 256
"""Candidates that are fetched together."""

_BATCH_SECONDS = 0.5
"""How long a candidate waits for others of its batch: pages show a few a second."""

_AHEAD = 4
"""Batches that may be under way before a search waits for the first: a list of a million addresses must not pile up."""


class Dispatcher:
    """Take candidates one by one, and have them fetched.

    Args:
        begin: Begins to fetch some candidates.
        wait: Waits for what was begun.
        quota: The images of the class so far, to which fetching adds.
        per_query: How many candidates are enough; ``None`` for no limit.
        keep: Whether ``candidates`` holds what was taken.
    """

    def __init__(
        self,
        begin: Callable[[list[Candidate]], Future[None]],
        wait: Callable[[Future[None]], None],
        quota: Quota,
        per_query: int | None,
        *,
        keep: bool,
    ) -> None:
        self._begin = begin
        self._wait = wait
        self.quota = quota
        self._per_query = per_query
        self._keep = keep
        self._batch: list[Candidate] = []
        self._batch_since = 0.0
        self._under_way: deque[Future[None]] = deque()
        # Only their bytes tell how many different images some candidates are: this many are at least needed.
        self._needed = quota.missing
        self.candidates: list[Candidate] = []
        self.taken = 0

    def take(self, candidate: Candidate) -> bool:
        """Take the next candidate; may wait for earlier ones. Return whether more are wanted."""
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
        if self.taken == self._needed:
            self.finish()
            self._needed = self.taken + self.quota.missing
        return not (self.is_limited() or self.quota.is_full)

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
