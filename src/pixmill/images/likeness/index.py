"""Which images may be alike: all that are near enough in the few directions where images differ most.

Images are compared as unit vectors of 1,024 greys less their mean, so that a correlation of s is a distance of
sqrt(2 - 2 s). A projection brings no two of them further apart. So whoever is near by 1,024 numbers is near by the
:data:`DIRECTIONS` that tell the images at hand apart best, and by the length of what these leave out: nobody is
missed, and few that are not alike are left to be compared in full. Which directions are taken changes no result.

The points lie in cells about centres, each in the cell of the nearest one. So a point within r of a query is in a cell
whose centre is not much further from the query than the nearest one is: their squared distances differ by at most 2 r
times the distance of the two centres. No other cell is looked into.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pixmill.images.likeness.hashing import SIDE

Floats = npt.NDArray[np.float32]
Greys = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

DIRECTIONS = 48
"""How many directions are kept. With 32 twice as many images are left to compare, 64 cost more than they save."""

_SAMPLE = 512
"""Images that directions are taken from."""

_CELLS = 2
"""Cells, as a multiple of the square root of the number of points: a query costs about as much as that root."""

_BLOCK = 1024
"""The most points that are compared with centres at a time."""

_PRODUCTS = 1 << 20
"""The most products of queries and points that are held at a time (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""What rounding may change in products of unit vectors: a hundred times what it does."""


class Index:
    """Find the images whose greys may correlate with views of others.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        places: The images that are looked for, at least one, in random order; none of them is flat.
    """

    def __init__(self, greys: Greys, places: Indices) -> None:
        sample = _unit_vectors(greys[places[_spread(len(places), _SAMPLE)]])
        # The principal directions of the sample.
        self._basis = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:DIRECTIONS].T
        blocks = range(0, len(places), _BLOCK)
        points = np.concatenate([self.points(greys[places[start : start + _BLOCK]]) for start in blocks])
        self._centres = points[_spread(len(points), round(_CELLS * len(points) ** 0.5))]
        self._apart = np.sqrt(np.maximum(0, 2 - 2 * (self._centres @ self._centres.T)))
        nearest = [(points[start : start + _BLOCK] @ self._centres.T).argmax(axis=1) for start in blocks]
        cell = np.concatenate(nearest)
        order = np.argsort(cell, kind="stable")
        self._places, self._points = places[order], points[order]
        self._starts = np.searchsorted(cell[order], np.arange(len(self._centres) + 1))

    def points(self, greys: Greys) -> Floats:
        """Return images as points of length one, whose products are never below the correlations of their greys.

        Args:
            greys: ``uint8`` of shape (m, 32, 32).

        Returns:
            Of shape (m, d); the length of what the directions leave out comes last.
        """
        inside = _unit_vectors(greys) @ self._basis
        left_out = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", inside, inside)))
        return np.column_stack([inside, left_out])

    def near(self, views: Greys, correlation: float) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidates: rows of views, and places of images that one of these may be like, each pair once.

        Args:
            views: ``uint8`` of shape (m, views, 32, 32).
            correlation: The least, up to 1.
        """
        flat = views.reshape(-1, SIDE, SIDE)
        queries = np.concatenate([self.points(flat[start : start + _BLOCK]) for start in range(0, len(flat), _BLOCK)])
        least = np.float32(correlation) - _MARGIN
        for cell, some in self._visit(queries, np.sqrt(2 - 2 * least)):
            start, stop = self._starts[cell : cell + 2]
            row, step = some // views.shape[1], max(1, _PRODUCTS // len(some))
            for first in range(start, stop, step):
                count = min(step, stop - first)
                query, place = np.divmod(
                    np.flatnonzero(queries[some] @ self._points[first : first + count].T >= least), count
                )
                # Several views of an image may be near to the same point, which lies in no other cell.
                found, place = np.divmod(np.unique(row[query] * count + place), count)
                yield found, self._places[first + place]

    def _visit(self, queries: Floats, radius: np.float32) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may hold points within the radius of some queries, with those."""
        further = radius * self._apart + _MARGIN
        keys = []
        for start in range(0, len(queries), _BLOCK):
            products = queries[start : start + _BLOCK] @ self._centres.T
            behind = products.max(axis=1, keepdims=True) - products
            query, cell = np.nonzero(behind <= further[products.argmax(axis=1)])
            keys.append(cell * len(queries) + start + query)
        cells, some = np.divmod(np.sort(np.concatenate(keys)), len(queries))
        inhabited, starts = np.unique(cells, return_index=True)
        yield from zip(inhabited.tolist(), np.split(some, starts[1:]), strict=True)


def _spread(length: int, count: int) -> Indices:
    """Return a number of places among some, or all of fewer, evenly spread."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def _unit_vectors(greys: Greys) -> Floats:
    vectors = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # What is shorter is flat, and like none.
    vectors /= np.maximum(length, np.float32(0.99 * SIDE))[:, None]
    return vectors
