"""Series that validate found and that the split tears."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pixmill.core.params import SplitParams
from pixmill.split.grouping import clusters, folds_of, group_names


@dataclass(frozen=True)
class TornSeries:
    """Series with images in several splits or folds.

    Args:
        sentence: The finding of validate, with the line to set.
        group_by: The value of ``split.group_by`` that keeps each series in one split.
        folds: By split, ``train`` and ``val``: the fold of each image, in the order of the packed
            images, if each series were in one fold; -1 for images without a fold.
    """

    sentence: str
    group_by: str
    folds: Mapping[str, list[int]]


def torn_series(
    manifest: pd.DataFrame, series: Mapping[str, str], params: SplitParams
) -> TornSeries | None:
    """Return the series that are in several splits or folds; ``None`` if there are none.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        series: The series of validate, see :data:`pixmill.core.manifest.SERIES_FILE`.
        params: The section ``split``.
    """
    kept = manifest[manifest["split"].notna()]
    names = group_names(kept[kept["image_url"].notna()], series["group_by"])
    names = names.reindex(kept.index).astype(object)
    sides = kept[["split", "fold"]].groupby(names).nunique()
    if not (sides > 1).any(axis=None):
        return None
    together = clusters(kept["cluster"].to_numpy(object), names.to_numpy(object))
    folds = folds_of(together, params.salt, params.folds)
    folds = np.where(kept["fold"].notna(), folds, -1)
    return TornSeries(
        series["sentence"],
        series["group_by"],
        {part: folds[kept["split"] == part].tolist() for part in ("train", "val")},
    )
