"""One result as a page shows it, and what a later look adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import takewhile


@dataclass(frozen=True)
class Tile:
    """What one look at a page says of a result.

    Args:
        key: What tells it from all others, on this page and on the next ones.
        image: The address of its original; ``None`` as long as the page has not shown it.
        thumbnail: The address of a small copy.
        page: The page that it belongs to.
        title: Its title.
        price: Its price, as written.
        width: The original's width in pixels, as the page says.
        height: Its height in pixels, as the page says.
        route: How the original was found: ``attribute``, ``json``, ``script`` or ``click``.
        total: How many results there are, as the page says.
    """

    key: str
    image: str | None = None
    thumbnail: str | None = None
    page: str | None = None
    title: str | None = None
    price: str | None = None
    width: int | None = None
    height: int | None = None
    route: str | None = None
    total: int | None = None

    def refine(self, later: Tile) -> Tile:
        """Return the tile with all that a later look knows better; what was known is never forgotten."""
        if self.image is not None:
            return self
        news = {field.name: value for field in fields(later) if (value := getattr(later, field.name)) is not None}
        return replace(self, **news | {"key": self.key})


class Tiles:
    """Keep the tiles of a query in the order in which they were first seen, each once.

    Args:
        most: The most that are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._tiles: dict[str, Tile] = {}
        self._given = 0

    def __len__(self) -> int:
        return len(self._tiles)

    @property
    def full(self) -> bool:
        """Whether no more are kept."""
        return len(self._tiles) >= self.most

    @property
    def complete(self) -> list[str]:
        """The keys of those whose original is known."""
        return [key for key, tile in self._tiles.items() if tile.image is not None]

    @property
    def barren(self) -> bool:
        """Whether there are some, and none of them has an image of any size."""
        tiles = self._tiles.values()
        return bool(tiles) and all(tile.image is None and tile.thumbnail is None for tile in tiles)

    def take(self, tile: Tile) -> bool:
        """Keep what a look shows.

        Returns:
            Whether it is a new tile, or the original of one that is known.
        """
        known = self._tiles.get(tile.key)
        if known is None and self.full:
            return False
        self._tiles[tile.key] = tile if known is None else known.refine(tile)
        return known is None or (known.image is None and tile.image is not None)

    def without_original(self) -> list[Tile]:
        """Return those that were not yielded and whose original is not known."""
        return [tile for tile in self._pending() if tile.image is None]

    def ready(self) -> Iterator[Tile]:
        """Yield those that were not, up to the first whose original is not known."""
        for tile in takewhile(lambda tile: tile.image is not None, self._pending()):
            self._given += 1
            yield tile

    def rest(self) -> Iterator[Tile]:
        """Yield all that were not."""
        for tile in self._pending():
            self._given += 1
            yield tile

    def _pending(self) -> list[Tile]:
        return list(self._tiles.values())[self._given :]
