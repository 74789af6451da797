"""The table of classes: how many pictures each has, and how that compares with the largest."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

__all__ = ["class_table"]


def class_table(manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Return one row a declared class, in their order, with or without pictures.

    Args:
        manifest: The validated manifest.
        classes: The declared labels.

    Returns:
        ``label``, ``n`` (kept pictures), ``dropped``, and ``ratio_to_largest`` (0 where no class has a picture).
    """
    kept = manifest["verdict"] == "keep"
    table = pd.DataFrame({"label": list(classes)})
    table["n"] = table["label"].map(manifest.loc[kept, "label"].value_counts()).fillna(0).astype(int)
    table["dropped"] = table["label"].map(manifest.loc[~kept, "label"].value_counts()).fillna(0).astype(int)
    largest = table["n"].max()
    table["ratio_to_largest"] = table["n"] / largest if largest else 0.0
    return table
