"""Labels in doubt by evaluate's search: what a model that has seen neither picture nor label finds more probable."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pixmill.evaluate.labels import LABELS
from pixmill.manifest import read_table
from pixmill.review.suspects import Suspect

__all__ = ["load_ranking", "ranked_suspects"]


def load_ranking(root: Path) -> pd.DataFrame | None:
    """Read the ranking of labels; ``None`` where evaluate has not looked for wrong ones.

    Args:
        root: The project's folder.

    Raises:
        ManifestError: The table is of another version.
    """
    path = root / "artifacts/evaluate/labels.parquet"
    return read_table(path, LABELS, stage="evaluate") if path.exists() else None


def ranked_suspects(manifest: pd.DataFrame, ranking: pd.DataFrame) -> list[Suspect]:
    """Return the kept pictures whose labels are in doubt, the most doubtful first.

    The ranking may be of an earlier run: what is gone, dropped or relabelled meanwhile is in doubt no more.

    Args:
        manifest: The columns of :data:`pixmill.manifest.VALIDATED`, with its rows numbered from 0.
        ranking: As :func:`load_ranking` returns it.
    """
    doubtful = ranking[ranking["suggested"].notna()].sort_values("rank")
    kept = manifest.loc[manifest["verdict"] == "keep", ["id", "label"]].rename_axis("row").reset_index()
    found = doubtful.merge(kept, on=["id", "label"], how="inner").sort_values("rank")
    return [
        Suspect(int(row["row"]), str(row["label"]), str(row["suggested"]), 2 * float(row["score"]) - 1)
        for row in found.to_dict("records")
    ]
