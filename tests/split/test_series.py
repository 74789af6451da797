"""Series of validate that the split tears."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.core.manifest import SERIES_FILE
from pixmill.core.params import SplitParams
from pixmill.split.series import torn_series
from pixmill.split.splitting import assign
from tests.split.conftest import ids, pairs_table, table

GROUP_BY = r"(clip\d+)_|([^/]+)$"
COUNT = 200


@pytest.fixture
def manifest(tmp_path):
    """Return 20 clips of 10 images, after validate has found them."""
    write_json(tmp_path / SERIES_FILE, {"group_by": GROUP_BY, "sentence": "20 series"})
    names = [f"data/coat/clip{n // 10}_{n % 10}.jpg" for n in range(COUNT - 1)]
    # Images without an address are of no series.
    return table(ids(COUNT), image_url=[*names, None])


def test_each_series_is_in_one_fold_instead(manifest, tmp_path):
    params = SplitParams()
    split = assign(manifest, pairs_table([]), params).manifest
    found = torn_series(split, tmp_path, params)
    assert (found["group_by"], found["sentence"]) == (GROUP_BY, "20 series")
    packed = pd.concat([split[split["split"] == part] for part in ("train", "val")])
    folds = pd.Series(found["folds"], packed.index)
    assert folds.between(0, params.folds - 1).all()
    clips = packed["image_url"].str.extract(r"(clip\d+)_")[0]
    assert folds.groupby(clips).nunique().eq(1).all()
    assert packed["fold"].groupby(clips).nunique().gt(1).any()


def test_nothing_is_torn_with_the_printed_grouping_or_without_series(manifest, tmp_path):
    params = SplitParams(group_by=GROUP_BY)
    split = assign(manifest, pairs_table([]), params).manifest
    assert torn_series(split, tmp_path, params) == {}
    apart = assign(manifest, pairs_table([]), SplitParams()).manifest
    assert torn_series(apart, tmp_path / "none", params) == {}


def test_images_without_a_fold_stay_without_one(manifest, tmp_path):
    split = assign(manifest, pairs_table([]), SplitParams()).manifest
    split.loc[split["split"] == "val", "fold"] = pd.NA
    folds = np.array(torn_series(split, tmp_path, SplitParams())["folds"])
    val = int((split["split"] == "val").sum())
    assert (folds[-val:] == -1).all()
    assert (folds[:-val] >= 0).all()
