"""Pass the candidates of one search on to be fetched, in batches, until there are enough."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future

from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import Candidate

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
        ids: The different images of the class so far, to which fetching adds.
        params: How many images of a class and candidates of a query are enough.
        keep: Whether ``candidates`` holds what was taken.
    """

    def __init__(
        self,
        begin: Callable[[list[Candidate]], Future[None]],
        wait: Callable[[Future[None]], None],
        ids: set[str],
        params: ScrapeParams,
        *,
        keep: bool,
    ) -> None:
        self._begin = begin
        self._wait = wait
        self.ids = ids
        self._per_class = params.per_class
        self._per_query = params.per_query
        self._keep = keep
        self._batch: list[Candidate] = []
        self._batch_since = 0.0
        self._under_way: deque[Future[None]] = deque()
        # Only their bytes tell how many different images some candidates are: this many are at least needed.
        self._needed = None if self._per_class is None else max(0, self._per_class - len(ids))
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
        if self._per_class is not None and self.taken == self._needed:
            self.finish()
            self._needed = self.taken + self._per_class - len(self.ids)
        return not (self.is_limited() or self.is_full())

    def is_full(self) -> bool:
        """Tell whether the class has all the images that it may have."""
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
