"""Compare accuracy on slices of the common images, such as those of a class or source."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from pixmill.experiments.compare.comparison import MEASURES, SliceNumbers
from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Ints
from pixmill.metrics.paired_accuracy import accuracy_differences
from pixmill.metrics.resampling import group_numbers
from pixmill.metrics.significance import holm

MIN_CLUSTERS = 10
"""Clusters that a test needs: smaller slices have no power, and each test costs the others power.
"""

_TEXTS = {"source": "source", "given_split": "given split", "mode": "colour mode"}
"""Columns of the manifest whose values are slices, and their display names."""

VALUES = ("class", *_TEXTS.values())
"""Dimensions whose slices are values; slices of measurements are ranges."""

_MAX_VALUES = 100
"""Most frequent values of a column that are slices; an untrusted manifest may have any number."""

_Cut = tuple[str, Sequence[str], Ints]
"""A dimension, the names of its slices, and the index of each image's slice (-1: none)."""


def compare_slices(
    actual: Ints,
    right: tuple[Bools, Bools],
    clusters: ArrayLike,
    manifest: pd.DataFrame | None,
    ids: pd.Index,
    labels: Sequence[str],
    *,
    confidence: float,
    width: float = 1.0,
) -> tuple[SliceNumbers, ...]:
    """Compare both models on each slice of the common images.

    Slices are classes, sources, given splits, colour modes, and the quarters of each measurement,
    bounded by values of these images. A dimension with a single slice is left out.

    The test is :func:`pixmill.metrics.paired_accuracy.sign_flip_test` over clusters. Slices are
    selected for testing by size only, never by predictions, so Holm's method is valid.

    Args:
        actual: Class indices, shape (images,); of several labels, their cells, which are no slices.
        right: Masks of correct predictions of base and head, shape (images,).
        clusters: Cluster of each image.
        manifest: Manifest of the head; without it, only classes are compared.
        ids: Ids of the images.
        labels: Classes.
        confidence: Level of the intervals.
        width: As for :func:`pixmill.metrics.paired_accuracy.accuracy_differences`.

    Returns:
        Slices by dimension; those of a measurement from low to high, others by name.
    """
    group_of = group_numbers(clusters)
    found = []
    for dimension, names, places in _cuts(actual, manifest, ids, labels):
        there, slice_of = np.unique(places[places >= 0], return_inverse=True)
        if len(there) < 2:
            continue
        chosen = np.full(len(places), -1)
        chosen[places >= 0] = slice_of
        groups, differences = accuracy_differences(
            *right, group_of, chosen, confidence=confidence, width=width
        )
        for place, images, count, row in zip(
            there, np.bincount(slice_of), groups, differences, strict=True
        ):
            found.append((dimension, str(names[place]), int(images), int(count), row))
    adjusted = iter(holm([row.p for *_, count, row in found if count >= MIN_CLUSTERS]).tolist())
    return tuple(
        SliceNumbers(*part, next(adjusted) if part[3] >= MIN_CLUSTERS else None) for part in found
    )


def _cuts(
    actual: Ints,
    manifest: pd.DataFrame | None,
    ids: pd.Index,
    labels: Sequence[str],
) -> Iterator[_Cut]:
    if actual.ndim == 1:
        yield "class", labels, actual
    if manifest is None:
        return
    rows = (
        manifest.drop_duplicates("id")
        .set_index("id")
        .reindex(index=ids, columns=[*_TEXTS, *MEASURES])
    )
    for column, dimension in _TEXTS.items():
        values = rows[column].astype(object)
        if column == "given_split" and values.notna().any():
            values = values.fillna("none")
        counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        names = sorted(counts.index[:_MAX_VALUES])
        yield dimension, names, pd.Index(names, dtype=object).get_indexer(values)
    for column in MEASURES:
        numbers = pd.to_numeric(rows[column]).to_numpy(np.float64, na_value=np.nan)
        if np.isfinite(numbers).any():
            yield column.replace("_", " "), *_quarters(numbers)


def _quarters(values: Floats) -> tuple[list[str], Ints]:
    """Return the names of the ranges, and the range of each value.

    Fewer than four if many values are equal.
    """
    known = np.isfinite(values)
    bounds = np.unique(np.quantile(values[known], [0.25, 0.5, 0.75], method="inverted_cdf"))
    shown = _as_text(bounds)
    between = [f"over {low}, up to {high}" for low, high in itertools.pairwise(shown)]
    names = [f"up to {shown[0]}", *between, f"over {shown[-1]}"]
    return names, np.where(known, np.searchsorted(bounds, values), -1)


def _as_text(bounds: Floats) -> list[str]:
    """Return numbers as text, with enough digits to be distinct."""
    for digits in range(3, 17):
        least = 10 ** (digits - 1)
        shown = [
            f"{bound:,.0f}" if least <= abs(bound) < 1e6 else f"{bound:.{digits}g}"
            for bound in bounds
        ]
        if len(set(shown)) == len(shown):
            break
    return shown
