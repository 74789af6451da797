"""Series that validate found and that the split tears."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.files.writing import read_json
from pixmill.core.manifest import SERIES_FILE
from pixmill.core.params import SplitParams
from pixmill.images.parts import PARTS
from pixmill.split.grouping import clusters, folds_of, group_names


def torn_series(manifest: pd.DataFrame, folder: Path, params: SplitParams) -> dict[str, Any]:
    """Return the series of validate if some are in several splits or folds, else nothing.

    Args:
        manifest: The columns of :data:`pixmill.core.manifest.SPLIT`.
        folder: ``artifacts/validate``, with :data:`pixmill.core.manifest.SERIES_FILE`.
        params: The section ``split``.

    Returns:
        The series with ``folds``: of each training image, then of each validation image, in packed
        order, if each series were in one fold; -1: no fold.
    """
    path = folder / SERIES_FILE
    if not path.exists():
        return {}
    series = read_json(path, stage="validate")
    kept = manifest[manifest["split"].notna()]
    names = group_names(kept, series["group_by"]).to_numpy(object)
    # A series is of one class, although the names of several may be the same.
    places = kept.groupby(["label", names])[["split", "fold"]].nunique()
    if places.to_numpy().max(initial=0) <= 1:
        return {}
    together = clusters(kept["cluster"].to_numpy(object), names)
    folds = np.where(kept["fold"].isna(), -1, folds_of(together, params.salt, params.folds))
    packed = [folds[kept["split"] == part] for part in PARTS[:2]]
    return {**series, "folds": np.concatenate(packed).tolist()}
