"""Candidate search for near-duplicates: an exact filter by projection to principal directions.

Images are unit vectors of 1,024 mean-centred greys, so a correlation of s is a distance of sqrt(2 - 2 s). A projection
never increases a distance. Therefore images that are near in 1,024 dimensions are also near in the first
:data:`DIRECTIONS` principal directions plus the length of the remainder: none is missed, and few others need a full
comparison. The choice of directions does not affect results.

The points are divided into cells by their nearest centre. For a point within r of a query, the squared distances from
the query to the point's centre and to the nearest centre differ by at most 2 r times the distance between the two
centres; other cells are skipped.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pixmill.images.likeness.hashing import SIDE

Floats = npt.NDArray[np.float32]
Greys = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]

DIRECTIONS = 48
"""Number of principal directions. 32 leave twice as many images to compare, 64 cost more than they save."""

_SAMPLE_SIZE = 512
"""Images from which the directions are computed."""

_CELL_FACTOR = 2
"""Number of cells divided by the square root of the number of points."""

_BLOCK_SIZE = 1024
"""Maximum points that are compared with the centres at a time."""

_MAX_PRODUCTS = 1 << 20
"""Maximum products of queries and points in memory (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""Tolerance for products of unit vectors, a hundred times the actual rounding error."""


class Index:
    """Index of images whose greys may correlate with given views.

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        places: Images to index, at least one, in random order, none of them flat.
    """

    def __init__(self, greys: Greys, places: Indices) -> None:
        sample = _unit_vectors(greys[places[_spread(len(places), _SAMPLE_SIZE)]])
        self._basis = np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:DIRECTIONS].T
        blocks = range(0, len(places), _BLOCK_SIZE)
        points = np.concatenate([self.points(greys[places[start : start + _BLOCK_SIZE]]) for start in blocks])
        self._centres = points[_spread(len(points), round(_CELL_FACTOR * len(points) ** 0.5))]
        self._centre_distances = np.sqrt(np.maximum(0, 2 - 2 * (self._centres @ self._centres.T)))
        nearest = [(points[start : start + _BLOCK_SIZE] @ self._centres.T).argmax(axis=1) for start in blocks]
        cell = np.concatenate(nearest)
        order = np.argsort(cell, kind="stable")
        self._places, self._points = places[order], points[order]
        self._starts = np.searchsorted(cell[order], np.arange(len(self._centres) + 1))

    def points(self, greys: Greys) -> Floats:
        """Return images as unit vectors whose products are upper bounds of the correlations of their greys.

        Args:
            greys: ``uint8`` of shape (m, 32, 32).

        Returns:
            ``float32`` of shape (m, d): coordinates in the principal directions, and the length of the remainder.
        """
        projected = _unit_vectors(greys) @ self._basis
        remainder = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", projected, projected)))
        return np.column_stack([projected, remainder])

    def near(self, views: Greys, correlation: float) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidate pairs, each once: rows of ``views`` and places of images that may correlate.

        Args:
            views: ``uint8`` of shape (m, views, 32, 32).
            correlation: Minimum correlation, up to 1.
        """
        flat = views.reshape(-1, SIDE, SIDE)
        starts = range(0, len(flat), _BLOCK_SIZE)
        queries = np.concatenate([self.points(flat[start : start + _BLOCK_SIZE]) for start in starts])
        least = np.float32(correlation) - _MARGIN
        for cell, some in self._visit(queries, np.sqrt(2 - 2 * least)):
            start, stop = self._starts[cell : cell + 2]
            row, step = some // views.shape[1], max(1, _MAX_PRODUCTS // len(some))
            for first in range(start, stop, step):
                count = min(step, stop - first)
                query, place = np.divmod(
                    np.flatnonzero(queries[some] @ self._points[first : first + count].T >= least), count
                )
                # Several views of an image may be near the same point.
                found, place = np.divmod(np.unique(row[query] * count + place), count)
                yield found, self._places[first + place]

    def _visit(self, queries: Floats, radius: np.float32) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may contain points within the radius of some queries, with these queries."""
        tolerance = radius * self._centre_distances + _MARGIN
        keys = []
        for start in range(0, len(queries), _BLOCK_SIZE):
            products = queries[start : start + _BLOCK_SIZE] @ self._centres.T
            difference = products.max(axis=1, keepdims=True) - products
            query, cell = np.nonzero(difference <= tolerance[products.argmax(axis=1)])
            keys.append(cell * len(queries) + start + query)
        cells, some = np.divmod(np.sort(np.concatenate(keys)), len(queries))
        visited, starts = np.unique(cells, return_index=True)
        yield from zip(visited.tolist(), np.split(some, starts[1:]), strict=True)


def _spread(length: int, count: int) -> Indices:
    """Return up to ``count`` evenly spaced indices below ``length``."""
    return np.linspace(0, length - 1, min(length, count)).astype(np.int64)


def _unit_vectors(greys: Greys) -> Floats:
    vectors = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    # Shorter vectors belong to flat images, which have no near-duplicates.
    vectors /= np.maximum(length, np.float32(0.99 * SIDE))[:, None]
    return vectors
