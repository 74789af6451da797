"""The numbers of the stage, as a reviewer diffs them and as plots show them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pixmill.expectations import verdicts_by_name
from pixmill.parts import PARTS
from pixmill.split.gaps import count_by
from pixmill.split.reasons import REASONS
from pixmill.split.splitting import Split

__all__ = ["metrics", "plot_table", "summary"]


def metrics(split: Split) -> dict[str, Any]:
    """Return what ``metrics/split.json`` holds.

    Returns:
        ``<part>.<label>`` pictures, ``dropped`` of those that validate kept, ``reasons.<word>`` of these,
        ``gate.<expectation>`` (whether it holds), and where folds were asked for ``folds.<number>.<label>``.
    """
    words = split.dropped["word"]
    found: dict[str, Any] = {
        **count_by(split.manifest, "split", PARTS, split.classes),
        "dropped": len(words),
        "reasons": {word: int((words == word).sum()) for word in REASONS if (words == word).any()},
        "gate": verdicts_by_name(split.outcomes),
    }
    if split.folds is not None:
        found["folds"] = count_by(split.manifest, "fold", range(split.folds), split.classes)
    return found


def plot_table(split: Split) -> pd.DataFrame:
    """Return one row a part and class: ``part``, ``label``, ``name`` (of both), ``n`` and ``share`` of the part."""
    counts = count_by(split.manifest, "split", PARTS, split.classes)
    rows = [
        (part, label, f"{part} {label}", n, round(n / max(1, sum(counts[part].values())), 6))
        for part in PARTS
        for label, n in counts[part].items()
    ]
    return pd.DataFrame(rows, columns=["part", "label", "name", "n", "share"])


def summary(split: Split) -> str:
    """Return in one line how many pictures each part has, and how many were dropped here."""
    sizes = split.manifest["split"].value_counts()
    parts = ", ".join(f"{sizes[part]:,} {part}" for part in PARTS)
    return f"{parts}; {len(split.dropped):,} dropped so that nothing leaks"
