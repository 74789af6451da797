"""Results on a page, merged over several reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile


@dataclass(frozen=True)
class Tile:
    """A result on a page.

    Args:
        key: Key that is unique on all pages of a query.
        image: URL of the original; ``None`` if not shown yet.
        thumbnail: URL of a small copy.
        page: URL of the page of the result.
        title: Title.
        price: Price, as written on the page.
        width: Width of the original in pixels, according to the page.
        height: Height of the original in pixels, according to the page.
        route: How the original was found: ``attribute``, ``json``, ``script`` or ``click``.
        total: Number of results, according to the page.
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
        """Return the tile, updated with the values of a later read unless its original is known."""
        if self.image is not None:
            return self
        new = {name: value for name, value in vars(later).items() if value is not None}
        return replace(self, **new | {"key": self.key})


class Tiles:
    """The distinct tiles of a query, in the order of their first appearance.

    Args:
        limit: Maximum number of tiles.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._tiles: dict[str, Tile] = {}
        self._yielded = 0

    def __len__(self) -> int:
        return len(self._tiles)

    @property
    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._tiles) >= self.limit

    @property
    def complete(self) -> list[str]:
        """The keys of tiles with an original."""
        return [key for key, tile in self._tiles.items() if tile.image is not None]

    @property
    def have_no_images(self) -> bool:
        """Whether there are tiles, but neither originals nor thumbnails."""
        tiles = self._tiles.values()
        return bool(tiles) and all(tile.image is None and tile.thumbnail is None for tile in tiles)

    def take(self, tile: Tile) -> bool:
        """Add or update a tile; return whether the tile or its original is new."""
        known = self._tiles.get(tile.key)
        if known is None and self.full:
            return False
        self._tiles[tile.key] = tile if known is None else known.refine(tile)
        return known is None or (known.image is None and tile.image is not None)

    def without_original(self) -> list[Tile]:
        """Return the tiles that were not yielded and have no original."""
        return [tile for tile in self._pending() if tile.image is None]

    def ready(self) -> Iterator[Tile]:
        """Yield tiles that were not yielded, up to the first without original."""
        for tile in takewhile(lambda tile: tile.image is not None, self._pending()):
            self._yielded += 1
            yield tile

    def remaining(self) -> Iterator[Tile]:
        """Yield all tiles that were not yielded."""
        for tile in self._pending():
            self._yielded += 1
            yield tile

    def _pending(self) -> list[Tile]:
        return list(self._tiles.values())[self._yielded :]
