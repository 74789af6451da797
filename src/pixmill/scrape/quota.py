"""Limits on the images of a class and the candidates of a search."""

import math
from collections.abc import Iterable
from typing import Self

from pixmill.core.params import ScrapeParams
from pixmill.scrape.image_store import StoredImage


class Quota:
    """The distinct images that a class may still have, counted by id.

    Refused candidates and repeated sightings of an image do not count.

    Args:
        per_class: Maximum number of distinct images; ``None`` for no limit.
        ids: Ids of the images so far; not stored without a limit, since there may be a million.
    """

    def __init__(self, per_class: int | None, ids: Iterable[str] = ()) -> None:
        self._per_class = per_class
        self._ids = set(ids)

    @property
    def missing(self) -> float:
        """The number of distinct images that the class may still have; infinite without a limit."""
        return math.inf if self._per_class is None else max(0, self._per_class - len(self._ids))

    @property
    def is_full(self) -> bool:
        """Whether the class has reached its limit."""
        return self.missing == 0

    def add(self, image: StoredImage | None) -> None:
        """Count an image; ``None`` (a refusal) is ignored."""
        if image is not None and self._per_class is not None:
            self._ids.add(image.id)

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self._per_class, self._ids)


def limit_candidates(number: int, params: ScrapeParams) -> int:
    """Return a number of candidates, capped by ``per_class`` and ``per_query``."""
    return min(limit for limit in (number, params.per_class, params.per_query) if limit is not None)
