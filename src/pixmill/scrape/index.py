"""Where in a file each record lies: sixteen bytes a record, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["Index"]

_FRESH = 65_536
"""Places that are kept in a dictionary, which is quick to change, before they join the arrays, which are small."""

_Numbers = npt.NDArray[np.uint64]


class Index:
    """Map 64-bit keys to places; the latest place of a key counts."""

    def __init__(self) -> None:
        self._keys: _Numbers = np.empty(0, np.uint64)
        self._places: _Numbers = np.empty(0, np.uint64)
        self._fresh: dict[int, int] = {}

    def __len__(self) -> int:
        self._settle()
        return len(self._keys)

    def get(self, key: int) -> int | None:
        """Return the place of a key, or ``None`` where it has none."""
        place = self._fresh.get(key)
        if place is None:
            at = int(np.searchsorted(self._keys, np.uint64(key)))
            if at < len(self._keys) and self._keys[at] == key:
                place = int(self._places[at])
        return place

    def put(self, key: int, place: int) -> None:
        """Remember the place of a key."""
        self._fresh[key] = place
        if len(self._fresh) >= _FRESH:
            self._settle()

    def fill(self, entries: Iterable[tuple[int, int]]) -> None:
        """Remember many places, in their order."""
        for key, place in entries:
            self.put(key, place)

    def _settle(self) -> None:
        """Let the dictionary's entries join the arrays."""
        if not self._fresh:
            return
        keys = np.concatenate([self._keys, np.fromiter(self._fresh.keys(), np.uint64, len(self._fresh))])
        places = np.concatenate([self._places, np.fromiter(self._fresh.values(), np.uint64, len(self._fresh))])
        # A stable sort keeps the older entry of a key before the newer one, of which the last is taken.
        order = np.argsort(keys, kind="stable")
        keys, places = keys[order], places[order]
        last = np.append(keys[1:] != keys[:-1], True) if len(keys) else np.empty(0, bool)
        self._keys, self._places = keys[last], places[last]
        self._fresh.clear()
