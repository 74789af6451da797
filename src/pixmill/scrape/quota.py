"""How many images of a class are enough, and how many candidates a search may bring."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.core.params import ScrapeParams
    from pixmill.scrape.image_store import StoredImage


class Quota:
    """Decide when a class is full: once it has ``scrape.per_class`` different images, told apart by their ids.

    Refused candidates and further sightings of the same image do not count. Whoever collects asks here: the crawl
    before each search and each candidate, the harvest after each sighting, and the forecast.

    Args:
        per_class: The most different images of the class; ``None`` for no limit.
        ids: The ids of the images so far. Without a limit none is remembered, since there may be a million.
    """

    def __init__(self, per_class: int | None, ids: Iterable[str] = ()) -> None:
        self._per_class = per_class
        self._ids = set(ids)

    @property
    def missing(self) -> float:
        """How many more different images the class may have; infinite without a limit."""
        return math.inf if self._per_class is None else max(0, self._per_class - len(self._ids))

    @property
    def is_full(self) -> bool:
        """Whether the class has all the images that it may have."""
        return self.missing == 0

    def add(self, image: StoredImage | None) -> None:
        """Count the image of a sighting; ``None``, a refusal, is not counted."""
        if image is not None and self._per_class is not None:
            self._ids.add(image.id)

    def copy(self) -> Quota:
        """Return a quota with the same images, to which others can be added."""
        return Quota(self._per_class, self._ids)


def at_most(number: int, params: ScrapeParams) -> int:
    """Return a number of candidates of one search, or what the limits of searches and classes leave of it."""
    return min(limit for limit in (number, params.per_class, params.per_query) if limit is not None)
