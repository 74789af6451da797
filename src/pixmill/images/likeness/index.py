"""Exact filter for images whose greys may correlate with views of others.

Images are unit vectors of 1,024 mean-centred greys, so a correlation of s is a distance of sqrt(2 -
2 s). A projection never increases a distance. Therefore images that are near in 1,024 dimensions
are also near in the first :data:`DIRECTIONS` principal directions plus the length of the remainder:
none is missed, and few others need a full comparison. The choice of directions does not affect
results.

The points of an image's views lie in few balls, its *covers*. The centre of a cover is the point of
the mean of the crops to one side, a linear function of the image, so that it can be computed without
the views. Its radius is the measured distance of the farthest view. Only images near a cover are
compared with the views. Of an image that was searched before, the radii suffice to tell whether a
new image can be near one of its views.

The points are divided into cells by their nearest centre. For a point within r of a query, the
squared distances from the query to the point's centre and to the nearest centre differ by at most
2 r times the distance between the two centres; other cells are skipped. The time of the search grows
more slowly than the square of the number of images, and its memory by some 220 bytes per image.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pixmill.images.likeness.groups import Flags, Indices
from pixmill.images.likeness.hashing import SIDE, Greys
from pixmill.images.likeness.similarity import Floats, cover_directions, covers_of_views

DIRECTIONS = 48
"""Number of principal directions.

32 leave twice as many images to compare, 64 cost more than they save.
"""

_SAMPLE_SIZE = 512
"""Images from which the directions are computed."""

_CELL_FACTOR = 1
"""Number of cells divided by the square root of the number of points."""

BLOCK_SIZE = 1024
"""Maximum points that are projected or compared with the centres at a time."""

_MAX_PRODUCTS = 1 << 20
"""Maximum products of queries and points in memory (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""Tolerance for products of unit vectors, a hundred times the actual rounding error."""


class Projection:
    """Projection of images to points, and of their views to covers.

    Args:
        directions: Orthonormal rows of mean zero, ``float32`` of shape (d, 1024).
        mirror: Whether the views include those of the mirror image.
    """

    def __init__(self, directions: Floats, *, mirror: bool = False) -> None:
        self.directions = directions
        self.dimensions = len(directions) + 1
        self.cover_of_view = covers_of_views(mirror=mirror)
        flat = cover_directions(directions.reshape(-1, SIDE, SIDE), mirror=mirror)
        self.covers = len(flat)
        self._bases = flat.reshape(self.covers * len(directions), SIDE * SIDE).T

    def points(self, greys: Greys) -> Floats:
        """Return unit vectors whose products are upper bounds of the correlations of the greys.

        Args:
            greys: ``uint8`` of shape (m, 32, 32).

        Returns:
            ``float32`` of shape (m, d + 1): coordinates in the principal directions, and the length
            of the remainder.
        """
        return _with_remainder(_unit_vectors(greys) @ self.directions.T)

    def centres(self, greys: Greys) -> Floats:
        """Return the centres of the covers, ``float32`` of shape (m, covers, d + 1)."""
        projected = (_unit_vectors(greys) @ self._bases).reshape(len(greys) * self.covers, -1)
        length = np.sqrt(np.einsum("ij,ij->i", projected, projected))
        projected /= np.maximum(length, 1)[:, None]
        return _with_remainder(projected).reshape(len(greys), self.covers, -1)

    def cover(self, views: Greys) -> "CoveredViews":
        """Return the points and covers of images' views.

        Args:
            views: ``uint8`` of shape (m, views, 32, 32), the first of which are the images.
        """
        flat = views.reshape(-1, SIDE, SIDE)
        blocks = range(0, len(flat), BLOCK_SIZE)
        points = np.concatenate([self.points(flat[at : at + BLOCK_SIZE]) for at in blocks])
        points = points.reshape(*views.shape[:2], -1)
        centres = self.centres(views[:, 0])
        products = np.einsum("ijk,ijk->ij", points, centres[:, self.cover_of_view])
        farthest = np.stack(
            [products[:, self.cover_of_view == cover].min(axis=1) for cover in range(self.covers)],
            axis=1,
        )
        return CoveredViews(points, centres, np.sqrt(2 - 2 * (farthest - _MARGIN)))


@dataclass(frozen=True)
class CoveredViews:
    """Views of m images.

    Args:
        points: Points of the views, ``float32`` of shape (m, views, d + 1).
        centres: Centres of the covers, ``float32`` of shape (m, covers, d + 1).
        radii: Radii of the covers, ``float32`` of shape (m, covers).
    """

    points: Floats
    centres: Floats
    radii: Floats


def principal_directions(greys: Greys, places: Indices) -> Floats:
    """Return the principal directions of some images, ``float32`` of shape (d, 1024).

    Args:
        greys: ``uint8`` of shape (n, 32, 32).
        places: Images to choose a sample from, in random order, none of them flat.
    """
    sample = _unit_vectors(greys[places[_spread(len(places), _SAMPLE_SIZE)]])
    return np.linalg.svd(sample - sample.mean(axis=0), full_matrices=False)[2][:DIRECTIONS]


class Index:
    """Index of images whose greys may correlate with given views.

    Args:
        points: Points of the images, see :meth:`Projection.points`.
        places: Places of the images, at least one, in random order.
        correlation: Minimum correlation, up to 1.
    """

    def __init__(self, points: Floats, places: Indices, correlation: float) -> None:
        self._least = np.float32(correlation) - _MARGIN
        self._radius = np.sqrt(2 - 2 * self._least)
        self._centres = points[_spread(len(points), round(_CELL_FACTOR * len(points) ** 0.5))]
        self._centre_distances = np.sqrt(np.maximum(0, 2 - 2 * (self._centres @ self._centres.T)))
        blocks = range(0, len(points), BLOCK_SIZE)
        nearest = [
            (points[start : start + BLOCK_SIZE] @ self._centres.T).argmax(axis=1)
            for start in blocks
        ]
        cell = np.concatenate(nearest)
        order = np.argsort(cell, kind="stable")
        self._places = places[order]
        self._points = points[order]
        self._starts = np.searchsorted(cell[order], np.arange(len(self._centres) + 1))

    def may_match(self, centres: Floats, radii: Floats) -> Indices:
        """Return the rows of images of which a view may be near an indexed image.

        Args:
            centres: See :class:`CoveredViews`, as is the following.
            radii: Radii of the covers.
        """
        flat = centres.reshape(-1, centres.shape[2])
        bounds = self._bounds(radii).reshape(-1)
        highest = np.full(len(flat), -1, np.float32)
        step = max(1, _MAX_PRODUCTS // len(flat))
        for start in range(0, len(self._points), step):
            products = flat @ self._points[start : start + step].T
            np.maximum(highest, products.max(axis=1), out=highest)
        return np.flatnonzero((highest >= bounds).reshape(radii.shape).any(axis=1))

    def near(self, seen: CoveredViews) -> Iterator[tuple[Indices, Indices]]:
        """Yield candidate pairs, each once: rows of ``seen`` and places of images."""
        bounds = self._bounds(seen.radii)
        for cell, rows in self._visit(seen.points):
            start, stop = self._starts[cell : cell + 2]
            centres = seen.centres[rows].reshape(-1, seen.centres.shape[2])
            step = max(1, _MAX_PRODUCTS // len(centres))
            for first in range(start, stop, step):
                last = min(first + step, stop)
                products = (centres @ self._points[first:last].T).reshape(*bounds[rows].shape, -1)
                inside: Flags = products >= bounds[rows][:, :, None]
                row, other = np.nonzero(inside.any(axis=1))
                if len(row):
                    yield from self._near_views(
                        seen, rows[np.unique(row)], first + np.unique(other)
                    )

    def _bounds(self, radii: Floats) -> Floats:
        """Return the least product of a cover's centre with a point near one of its views."""
        bounds: Floats = 1 - (self._radius + radii) ** 2 / 2 - _MARGIN
        return bounds

    def _near_views(
        self, seen: CoveredViews, rows: Indices, place: Indices
    ) -> Iterator[tuple[Indices, Indices]]:
        """Compare the views of some images with some points."""
        points = self._points[place].T
        step = max(1, _MAX_PRODUCTS // (seen.points.shape[1] * len(place)))
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            row, other = np.nonzero((seen.points[some] @ points >= self._least).any(axis=1))
            if len(row):
                yield some[row], self._places[place[other]]

    def _visit(self, views: Floats) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may contain points near some images' views, with their rows."""
        tolerance = self._radius * self._centre_distances + _MARGIN
        keys = []
        step = max(1, BLOCK_SIZE // views.shape[1])
        for start in range(0, len(views), step):
            products = views[start : start + step].reshape(-1, views.shape[2]) @ self._centres.T
            nearest = products.argmax(axis=1)
            difference = products.max(axis=1, keepdims=True) - products
            near: Flags = difference <= tolerance[nearest]
            some = near.reshape(-1, views.shape[1], len(tolerance)).any(axis=1)
            row, cell = np.nonzero(some)
            keys.append(cell * len(views) + start + row)
        cells, rows = np.divmod(np.sort(np.concatenate(keys)), len(views))
        visited, starts = np.unique(cells, return_index=True)
        yield from zip(visited.tolist(), np.split(rows, starts[1:]), strict=True)


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


def _with_remainder(projected: Floats) -> Floats:
    """Append the length that a unit vector has outside the directions."""
    remainder = np.sqrt(np.maximum(0, 1 - np.einsum("ij,ij->i", projected, projected)))
    return np.column_stack([projected, remainder])
