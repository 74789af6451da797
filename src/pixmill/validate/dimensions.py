"""The dimension statistics of each class: least, mean and most of every measure of size."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

__all__ = ["DIMENSIONS", "dimension_table"]

DIMENSIONS = ("width", "height", "short_side", "aspect_ratio")
"""The columns of the manifest that are told: pixels, but for the ratio of width to height."""

_STATISTICS = ("min", "mean", "max")


def dimension_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a declared class, in their order, with or without pictures.

    Args:
        manifest: The columns of :data:`pixmill.manifest.VALIDATED`.
        classes: The declared labels.

    Returns:
        ``label``, ``n`` (kept pictures), and for each of :data:`DIMENSIONS` its ``_min``, ``_mean`` and ``_max`` over
        them, to four decimals; not-a-number where there is none.
    """
    kept = manifest.loc[manifest["verdict"] == "keep", ["label", *DIMENSIONS]]
    kept = kept.astype(dict.fromkeys(DIMENSIONS, float))
    aggregates = {f"{name}_{statistic}": (name, statistic) for name in DIMENSIONS for statistic in _STATISTICS}
    grouped = kept.groupby("label", observed=True)
    table = pd.DataFrame({"label": list(classes)})
    table["n"] = table["label"].map(grouped.size()).fillna(0).astype(int)
    return table.join(grouped.agg(**aggregates).round(4), on="label")
