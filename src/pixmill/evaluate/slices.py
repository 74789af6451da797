"""Accuracy by slice of the test split: class, source, size, brightness and near-duplicates."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.process.progress import track
from pixmill.metrics.limits import accuracy_interval
from pixmill.metrics.significance import holm, worse_than_rest

COLUMNS = ("id", "source", "short_side", "brightness", "group", "cluster")
"""Required columns of the manifest; ``group`` marks near-duplicates, ``cluster`` is the resampling unit."""

_MIN_GROUPS = 10
"""Minimum groups in a slice and in the rest to test it; with fewer, the test has no power and weakens the others."""

_SIGNIFICANCE = 0.05
"""Family-wise significance level over all slices."""

_THIRDS: dict[str, tuple[str, tuple[str, str, str], str]] = {
    "size": ("short_side", ("small", "medium", "large"), "shorter side {} px"),
    "brightness": ("brightness", ("dark", "medium", "bright"), "mean brightness {}"),
}


def slices(predictions: pd.DataFrame, manifest: pd.DataFrame, *, draws: int, confidence: float) -> pd.DataFrame:
    """Return one row per slice of the test split, sorted by dimension.

    Dimensions with a single value are left out. Size and brightness are cut into terciles of the test split.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.predict_parts`.
        manifest: Kept images of all splits, with at least :data:`COLUMNS`.
        draws: Number of bootstrap samples and of permutations.
        confidence: Confidence level of the limits, such as 0.95.

    Returns:
        Columns ``dimension`` (``class``, ``source``, ``size``, ``brightness``, ``near_duplicate``); ``slice``, the
        name within the dimension; ``what``, the display name; ``n``, ``right``, ``accuracy``, ``accuracy_low`` and
        ``accuracy_high``; ``rest``, the accuracy on all other test images; ``p`` and ``p_adjusted`` (Holm, over all
        slices), the p-value of the null hypothesis that the slice is no worse than the rest, NaN if either has fewer
        than ten groups; ``worse``, True if significantly worse.
    """
    tested = predictions.loc[predictions["split"] == "test", ["id", "label", "predicted"]]
    table = tested.merge(manifest[list(COLUMNS)], on="id", how="left", validate="one_to_one")
    right = (table["label"] == table["predicted"]).to_numpy(bool)
    groups = pd.factorize(table["cluster"])[0]
    sizes = manifest["group"].value_counts()
    rows = []
    cuts = list(_cuts(table, sizes))
    for dimension, name, what, inside in track(cuts, "Accuracy by slice", len(cuts), unit="slice"):
        low, high = accuracy_interval(right[inside], groups[inside], draws=draws, confidence=confidence)
        tested_slice = min(len(np.unique(groups[side])) for side in (inside, ~inside)) >= _MIN_GROUPS
        rows.append(
            {
                "dimension": dimension,
                "slice": name,
                "what": what,
                "n": int(inside.sum()),
                "right": int(right[inside].sum()),
                "accuracy": float(right[inside].mean()),
                "accuracy_low": low,
                "accuracy_high": high,
                "rest": float(right[~inside].mean()),
                "p": worse_than_rest(right, inside, groups, draws=draws) if tested_slice else None,
            }
        )
    found = pd.DataFrame(rows, columns=list(_ROW)).astype({"p": float})
    known = found["p"].notna().to_numpy()
    adjusted = np.full(len(found), np.nan)
    adjusted[known] = holm(found["p"][known])
    return found.assign(p_adjusted=adjusted, worse=adjusted < _SIGNIFICANCE)


def slice_figures(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the entry ``slices`` of ``plots/evaluate/full.json``: ``slices.<dimension>.<slice>.<figure>``.

    Args:
        table: Result of :func:`slices`.
    """
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        kept = {name: row[name] for name in ("n", "accuracy", "accuracy_low", "accuracy_high", "worse")}
        kept["p_adjusted"] = None if np.isnan(row["p_adjusted"]) else row["p_adjusted"]
        figures.setdefault(row["dimension"], {})[row["slice"]] = kept
    return figures


_ROW = ("dimension", "slice", "what", "n", "right", "accuracy", "accuracy_low", "accuracy_high", "rest", "p")


def _cuts(table: pd.DataFrame, sizes: pd.Series) -> Iterator[tuple[str, str, str, np.ndarray[Any, np.dtype[np.bool_]]]]:
    """Yield dimension, name, display name and image mask of each slice."""
    for dimension, column in (("class", "label"), ("source", "source")):
        names = sorted(table[column].dropna().unique())
        if len(names) > 1:
            for name in names:
                yield dimension, name, f"{dimension} {name}", (table[column] == name).to_numpy(bool)
    for dimension, (column, names_of, unit) in _THIRDS.items():
        values = table[column].to_numpy(np.float64, na_value=np.nan)
        known = values[~np.isnan(values)]
        # Cut at values that occur in the data.
        first, second = np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf") if len(known) else (0, 0)
        thirds = (values <= first, (values > first) & (values <= second), values > second)
        ranges = (f"up to {first:,.0f}", f"over {first:,.0f}, up to {second:,.0f}", f"over {second:,.0f}")
        if sum(third.any() for third in thirds) > 1:
            for name, span, inside in zip(names_of, ranges, thirds, strict=True):
                if inside.any():
                    yield dimension, name, f"{name} images ({unit.format(span)})", inside
    alike = (table["group"].map(sizes) > 1).to_numpy(bool)
    if alike.any() and not alike.all():
        yield "near_duplicate", "yes", "images with a near-duplicate", alike
        yield "near_duplicate", "no", "images without a near-duplicate", ~alike
