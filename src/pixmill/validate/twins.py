"""Twins: sets of pictures with the same pixels, and which of each set may be kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.validate.sightings import Seen

__all__ = ["Twins", "find_twins"]

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_MANY_LABELS = 3
"""Labels from which on one picture is a placeholder: a mistake has two."""


@dataclass(frozen=True)
class Twins:
    """Hold the sets of pictures with the same pixels; most pictures are a set by themselves.

    Args:
        of: The set of each picture; -1 where it has no claim to be kept.
        rival: The row of a picture with the same pixels under another label, the first that stands; -1 where none.
        twin: The row of the picture that is kept in this one's place, under the same label; -1 where none.
        first: The row of each set's first picture.
        members: How many pictures each set has.
        addresses: At how many different addresses each set was seen.
        several: Whether the pictures of a set, or their sightings, carry different labels, and nobody has decided.
        placeholder: Whether the one picture of a set seems to stand in the place of many, and nobody has decided.
    """

    of: Indices
    rival: Indices
    twin: Indices
    first: Indices
    members: Indices
    addresses: Indices
    several: Flags
    placeholder: Flags

    @property
    def conflict(self) -> Flags:
        """Whether a set is one picture under two labels, by mistake."""
        return self.several & ~self.placeholder


def find_twins(
    pictures: pd.DataFrame,
    labels: npt.NDArray[np.object_],
    *,
    claims: Flags,
    settled: Flags,
    seen: Seen,
    repeats: int,
) -> Twins:
    """Return the sets of pictures with the same pixels and the same size, and who stands against whom.

    Where a person has decided to keep some of a set, only these stand, and the set counts as looked at. Else all do.

    Args:
        pictures: One row a picture, with ``pixels``, ``width``, ``height`` and ``part``: of twins with one label the
            one with the highest part is kept, then the first.
        labels: The label of each picture; ``None`` where it came under several.
        claims: Which pictures have a claim to be kept.
        settled: Which of them a person has decided to keep.
        seen: Where the pictures were seen.
        repeats: Addresses from which on one picture is a placeholder.
    """
    rows = np.flatnonzero(claims)
    sets, count = _sets(pictures.iloc[rows])
    codes = pd.factorize(labels)[0][rows]
    decided = np.zeros(count, bool)
    decided[sets[settled[rows]]] = True
    stands = settled[rows] | ~decided[sets]
    front = _first(sets, rows, stands, count)
    label = np.full(count, -1)
    at_front = rows == front[sets]
    label[sets[at_front]] = codes[at_front]
    other = _first(sets, rows, stands & (codes != label[sets]), count)

    of, rival, twin = (np.full(len(pictures), -1, np.int64) for _ in range(3))
    of[rows] = sets
    rival[rows] = np.where(codes != label[sets], front[sets], other[sets])
    kept = _kept(sets, codes, rows, pictures["part"].to_numpy()[rows], stands)
    twin[rows] = np.where((kept == rows) | settled[rows] | (codes < 0), -1, kept)
    addresses = seen.kinds(of, count, seen.address)
    many = (addresses >= repeats) | (seen.kinds(of, count, seen.label) >= _MANY_LABELS)
    return Twins(
        of=of,
        rival=rival,
        twin=twin,
        first=_first(sets, rows, np.ones(len(rows), bool), count),
        members=np.bincount(sets, minlength=count),
        addresses=addresses,
        several=(other >= 0) | (label < 0),
        placeholder=many & ~decided,
    )


def _sets(pictures: pd.DataFrame) -> tuple[Indices, int]:
    """Return the number of each picture's set, and how many sets there are."""
    pixels, _ = pd.factorize(pictures["pixels"])
    width, height = (pictures[side].to_numpy(np.int64) for side in ("width", "height"))
    # Equal pixels in another shape are another picture; the digest does not know.
    shape, shapes = pd.factorize(width << 32 | height)
    sets, unique = pd.factorize(pixels * max(1, len(shapes)) + shape)
    return sets.astype(np.int64), len(unique)


def _first(sets: Indices, rows: Indices, among: Flags, count: int) -> Indices:
    """Return the first row of each set among some; -1 where it has none of them."""
    first = np.full(count, -1, np.int64)
    # Rows ascend; of several values for one place numpy keeps the last.
    first[sets[among][::-1]] = rows[among][::-1]
    return first


def _kept(sets: Indices, codes: Indices, rows: Indices, parts: npt.NDArray[np.int8], stands: Flags) -> Indices:
    """Return for each picture the row of the one that is kept of its set and label; -1 where none stands."""
    both = sets * (int(codes.max(initial=0)) + 2) + codes + 1
    key, unique = pd.factorize(both)
    worst_first = np.lexsort((-rows, parts, stands))
    kept = np.full(len(unique), -1, np.int64)
    kept[key[worst_first]] = np.where(stands, rows, -1)[worst_first]
    return kept[key]
