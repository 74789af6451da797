"""The difference in accuracy on each slice of the common test images: by class, origin and what was measured."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.experiments.compare.comparison import MEASURES, Numbers, SliceNumbers
from pixmill.metrics.paired_accuracy import accuracy_differences
from pixmill.metrics.resampling import group_numbers
from pixmill.metrics.significance import holm

FEWEST = 10
"""Clusters that a slice needs to be tested: with fewer the test has no power, and each test weakens the others."""

_TEXTS = {"source": "source", "given_split": "given split", "mode": "colour mode"}
"""Columns of the manifest whose values are slices, and what people call them."""

VALUES = ("class", *_TEXTS.values())
"""The dimensions whose slices are values; those of all others are ranges."""

_MOST = 100
"""Values of such a column that are slices, those with most images: whoever made the head may write any number."""

_Cut = tuple[str, Sequence[str], npt.NDArray[np.integer]]
"""A dimension, the names of its slices, and each image's slice by its place among them: -1 if it is in none."""


def compare_slices(
    actual: npt.NDArray[np.integer],
    right: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    clusters: npt.ArrayLike,
    manifest: pd.DataFrame | None,
    ids: pd.Index,
    labels: Sequence[str],
    *,
    confidence: float,
) -> tuple[SliceNumbers, ...]:
    """Compare both models on each slice of the common test images, as far as the manifest tells.

    Slices are the classes, sources, given splits and colour modes, and the quarters by each measurement, whose bounds
    are values of these images. A dimension is left out if all images that have it are alike.

    The test is :func:`pixmill.metrics.paired_accuracy.sign_flip_test` over clusters. Which slices are tested follows
    from their size alone, never from the models' answers, so Holm's method holds.

    Args:
        actual: Class indices, shape (images,).
        right: Whether base and head are right on each image.
        clusters: Each image's cluster.
        manifest: The head's.
        ids: The images.
        labels: The classes.
        confidence: Level of the limits.

    Returns:
        The slices by dimension; those of a measurement from low to high, others by name.
    """
    group_of = group_numbers(clusters)
    found = []
    for dimension, names, places in _cuts(actual, manifest, ids, labels):
        there, slice_of = np.unique(places[places >= 0], return_inverse=True)
        if len(there) < 2:
            continue
        chosen = np.full(len(places), -1)
        chosen[places >= 0] = slice_of
        groups, differences = accuracy_differences(*right, group_of, chosen, confidence=confidence)
        for place, images, count, row in zip(there, np.bincount(slice_of), groups, differences, strict=True):
            found.append((dimension, str(names[place]), int(images), int(count), row))
    adjusted = iter(holm([row.p for *_, count, row in found if count >= FEWEST]).tolist())
    return tuple(SliceNumbers(*part, next(adjusted) if part[3] >= FEWEST else None) for part in found)


def changed_slices(numbers: Numbers) -> list[SliceNumbers]:
    """Return the slices that changed significantly: those that fell first, the largest change first.

    Args:
        numbers: The metrics of both.
    """
    changed = [row for row in numbers.slices if row.p_adjusted is not None and row.p_adjusted <= 1 - numbers.confidence]
    return sorted(changed, key=lambda row: (row.accuracy.difference > 0, -abs(row.accuracy.difference)))


def _cuts(
    actual: npt.NDArray[np.integer], manifest: pd.DataFrame | None, ids: pd.Index, labels: Sequence[str]
) -> Iterator[_Cut]:
    yield "class", labels, actual
    if manifest is None:
        return
    rows = manifest.drop_duplicates("id").set_index("id").reindex(index=ids, columns=[*_TEXTS, *MEASURES])
    for column, dimension in _TEXTS.items():
        values = rows[column].astype(object)
        if column == "given_split" and values.notna().any():
            values = values.fillna("none")
        counts = values.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        names = sorted(counts.index[:_MOST])
        yield dimension, names, pd.Index(names, dtype=object).get_indexer(values)
    for column in MEASURES:
        numbers = pd.to_numeric(rows[column]).to_numpy(np.float64, na_value=np.nan)
        if np.isfinite(numbers).any():
            yield column.replace("_", " "), *_quarters(numbers)


def _quarters(values: npt.NDArray[np.float64]) -> tuple[list[str], npt.NDArray[np.integer]]:
    """Return the ranges, and each value's; there are fewer than four where many values are equal."""
    known = np.isfinite(values)
    # The bounds are values that occur, so that they can be checked.
    bounds = np.unique(np.quantile(values[known], [0.25, 0.5, 0.75], method="inverted_cdf"))
    shown = _as_text(bounds)
    between = [f"over {low}, up to {high}" for low, high in itertools.pairwise(shown)]
    names = [f"up to {shown[0]}", *between, f"over {shown[-1]}"]
    return names, np.where(known, np.searchsorted(bounds, values), -1)


def _as_text(bounds: npt.NDArray[np.float64]) -> list[str]:
    """Return numbers with as many digits as tell them apart."""
    for digits in range(3, 17):
        least = 10 ** (digits - 1)
        shown = [f"{bound:,.0f}" if least <= abs(bound) < 1e6 else f"{bound:.{digits}g}" for bound in bounds]
        if len(set(shown)) == len(shown):
            break
    return shown
