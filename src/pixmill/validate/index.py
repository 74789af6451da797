"""Which pictures may be alike: all that are near enough in the few directions where pictures differ most.

Pictures are compared as unit vectors of 1,024 greys less their mean, so that a correlation of s is a distance of
sqrt(2 - 2 s). A projection brings no two of them further apart. So whoever is near by 1,024 numbers is near by the
:data:`DIRECTIONS` that tell the pictures at hand apart best, and by the length of what these leave out: nobody is
missed, and few that are not alike are left to be compared in full. Which directions are taken changes no result.

The points lie in cells about centres, and those in larger cells. A point lies in the cell of the nearest centre; so a
point within r of a query is in a cell whose centre is not much further from the query than the nearest one is: their
squared distances differ by at most 2 r times the distance of the two centres. No other cell is looked into.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.validate.greys import SIDE

__all__ = ["DIRECTIONS", "Directions", "Index"]

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

DIRECTIONS = 48
"""How many directions are kept. With 32 twice as many pictures are left to compare, 64 cost more than they save."""

SAMPLE = 4096
"""From how many pictures directions are worth taking."""

_ROUNDS = 3
"""Steps of the search for directions, and for centres."""

_PER_CELL = 100
"""Points of a small cell, on average."""

_PER_CENTRE = 32
"""Points of a sample that a centre is taken from."""

_BLOCK = 1024
"""The most queries that are compared with centres at a time."""

_PRODUCTS = 1 << 20
"""The most products of queries and points that are held at a time (4 bytes each)."""

_MARGIN = np.float32(1e-4)
"""What rounding may change, in squared distances and in products of unit vectors: a hundred times what it does."""

_LENGTH = np.float32(0.99 * SIDE)
"""Vectors that are shorter are of flat pictures, which are like none."""


@dataclass(frozen=True)
class Directions:
    """Hold orthonormal directions, and turn pictures into points.

    Args:
        basis: Of shape (1024, :data:`DIRECTIONS`).
    """

    basis: Floats

    @classmethod
    def of(cls, greys: npt.NDArray[np.uint8]) -> Directions:
        """Return the directions in which some pictures differ most.

        Source: N. Halko, P. Martinsson and J. Tropp, "Finding structure with randomness", SIAM Review 53, 2011,
        algorithm 4.4 (subspace iteration).

        Args:
            greys: ``uint8`` of shape (n, 32, 32), n at least 1; some :data:`SAMPLE` are enough.
        """
        vectors, _ = _unit_vectors(greys)
        vectors -= vectors.mean(axis=0)
        basis = np.random.default_rng(0).standard_normal((SIDE * SIDE, DIRECTIONS)).astype(np.float32)
        for _ in range(_ROUNDS):
            basis = np.linalg.qr(vectors.T @ (vectors @ basis))[0].astype(np.float32, copy=False)
        return cls(basis)

    def points(self, greys: npt.NDArray[np.uint8]) -> tuple[Floats, Flags]:
        """Return pictures as points of length one, and which of them are not flat.

        Args:
            greys: ``uint8`` of shape (n, 32, 32).

        Returns:
            Of shape (n, :data:`DIRECTIONS` + 1), the length of what the directions leave out last; and of shape (n,).
        """
        vectors, lively = _unit_vectors(greys)
        points = np.empty((len(greys), DIRECTIONS + 1), np.float32)
        np.matmul(vectors, self.basis, out=points[:, :-1])
        inside = np.einsum("ij,ij->i", points[:, :-1], points[:, :-1])
        points[:, -1] = np.sqrt(np.maximum(0, 1 - inside))
        return points, lively


class Index:
    """Find the points that are near to others.

    Args:
        points: Of shape (n, d), n at least 1, each of length one.
        places: What they are called, of shape (n,).
    """

    def __init__(self, points: Floats, places: Indices) -> None:
        generator = np.random.default_rng(0)
        self._large, order = _Cells.of(points, round((len(points) / _PER_CELL) ** 0.5), generator)
        self._small = []
        for start, stop in self._large.bounds:
            members = order[start:stop]
            small, inner = _Cells.of(points[members], round(len(members) / _PER_CELL), generator)
            order[start:stop] = members[inner]
            self._small.append(small)
        self._places = places[order]
        self._points = points[order]

    def __len__(self) -> int:
        return len(self._places)

    def only(self, kept: Flags) -> Index:
        """Return an index of fewer points.

        Args:
            kept: By place, whether it is kept; at least one is.
        """
        some = kept[self._places]
        return Index(self._points[some], self._places[some])

    def near(self, queries: Floats, correlation: float) -> Iterator[tuple[Indices, Indices]]:
        """Yield rows of queries and places of points whose product is at least the correlation, each pair once.

        Args:
            queries: Of shape (m, d), each of length one.
            correlation: Up to 1.
        """
        least = np.float32(correlation) - _MARGIN
        radius = np.sqrt(2 - 2 * least)
        for cell, rows in self._large.visited(queries, radius):
            some, (first, _) = queries[rows], self._large.bounds[cell]
            for inner, among in self._small[cell].visited(some, radius):
                start, stop = first + self._small[cell].bounds[inner]
                step = max(1, _PRODUCTS // len(among))
                for begin in range(start, stop, step):
                    end = min(begin + step, stop)
                    found, place = _where(some[among] @ self._points[begin:end].T >= least)
                    if len(found):
                        yield rows[among[found]], self._places[begin + place]


@dataclass(frozen=True)
class _Cells:
    """Hold the centres of cells, and where the members of each begin and end.

    Args:
        centres: Of shape (k, d).
        squares: Their squared lengths.
        apart: How far they are from each other, of shape (k, k).
        bounds: Of shape (k, 2).
    """

    centres: Floats
    squares: Floats
    apart: Floats
    bounds: Indices

    @classmethod
    def of(cls, points: Floats, count: int, generator: np.random.Generator) -> tuple[_Cells, Indices]:
        """Return about ``count`` cells of some points, each of at least one, and the order that sorts the points."""
        if count <= 1:
            centres = points[:1]
        else:
            sample = points[generator.choice(len(points), min(len(points), _PER_CENTRE * count), replace=False)]
            centres = sample[:count]
            for _ in range(_ROUNDS):
                nearest = _nearest(sample, centres)
                order = np.argsort(nearest, kind="stable")
                _, starts, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
                sums: Floats = np.add.reduceat(sample[order], starts, axis=0)
                centres = np.divide(sums, sizes[:, None], dtype=np.float32)
        nearest = _nearest(points, centres)
        inhabited, nearest = np.unique(nearest, return_inverse=True)
        centres = centres[inhabited]
        order = np.argsort(nearest, kind="stable")
        ends = np.bincount(nearest).cumsum()
        squares = np.einsum("ij,ij->i", centres, centres)
        apart = np.sqrt(np.maximum(0, squares[:, None] + squares - 2 * (centres @ centres.T)))
        return cls(centres, squares, apart, np.column_stack([np.append(0, ends[:-1]), ends])), order

    def visited(self, queries: Floats, radius: np.float32) -> Iterator[tuple[int, Indices]]:
        """Yield each cell that may hold points within the radius of some queries, with the rows of those."""
        if len(self.centres) == 1:
            yield 0, np.arange(len(queries))
            return
        rows, cells = [], []
        further = 2 * radius * self.apart + _MARGIN
        for start in range(0, len(queries), _BLOCK):
            squared = self.squares - 2 * (queries[start : start + _BLOCK] @ self.centres.T)
            nearest = squared.argmin(axis=1)
            squared -= squared.min(axis=1, keepdims=True)
            row, cell = _where(squared <= further[nearest])
            rows.append(row + start)
            cells.append(cell)
        row, cell = np.concatenate(rows), np.concatenate(cells)
        order = np.argsort(cell, kind="stable")
        found, starts = np.unique(cell[order], return_index=True)
        yield from zip(found.tolist(), np.split(row[order], starts[1:]), strict=True)


def _unit_vectors(greys: npt.NDArray[np.uint8]) -> tuple[Floats, Flags]:
    vectors = greys.reshape(-1, SIDE * SIDE).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.maximum(length, _LENGTH)[:, None]
    return vectors, length >= _LENGTH


def _nearest(points: Floats, centres: Floats) -> Indices:
    squares = np.einsum("ij,ij->i", centres, centres)
    nearest = np.empty(len(points), np.int64)
    for start in range(0, len(points), _BLOCK):
        some = slice(start, start + _BLOCK)
        nearest[some] = (squares - 2 * (points[some] @ centres.T)).argmin(axis=1)
    return nearest


def _where(found: Flags) -> tuple[Indices, Indices]:
    """Do what ``np.nonzero`` does, several times as fast where little is found."""
    row, column = np.divmod(np.flatnonzero(found), found.shape[1])
    return row, column
