"""Series of validate that the split tears."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.files.writing import read_json, write_json
from pixmill.core.manifest import SERIES_FILE
from pixmill.core.params import SplitParams
from pixmill.split.series import torn_series
from pixmill.split.splitting import assign
from pixmill.validate.series import find_series
from tests.split.conftest import ids, pairs_table, table

COUNT = 200


@pytest.fixture(params=["clip{}_{}", "IMG_{}_jpg.rf.a{}"])
def manifest(tmp_path, request):
    """Return 20 series of 10 images, after validate has found them."""
    files = [f"data/coat/{request.param.format(n // 10, n % 10)}.jpg" for n in range(COUNT - 2)]
    # Names of no series: of a file in a folder of the web, and of an image without an address.
    files += ["https://example.com/images/", None]
    grounds = np.random.default_rng(1).integers(0, 200, (COUNT, 32, 32), np.uint8)
    greys = grounds[np.arange(COUNT) // 10 * 10] + grounds // 4
    rows = np.arange(COUNT - 1)
    found = find_series(["coat"] * len(rows), files[:-1], greys, rows)
    assert found.series == COUNT // 10
    write_json(tmp_path / SERIES_FILE, {"group_by": found.group_by, "sentence": "20 series"})
    return table(ids(COUNT), image_url=files)


def pasted(tmp_path):
    return SplitParams(group_by=read_json(tmp_path / SERIES_FILE, stage="validate")["group_by"])


def test_each_series_is_in_one_fold_instead(manifest, tmp_path):
    params = SplitParams()
    split = assign(manifest, pairs_table([]), params).manifest
    found = torn_series(split, tmp_path, params)
    assert found["sentence"] == "20 series"
    packed = pd.concat([split[split["split"] == part] for part in ("train", "val")])
    folds = pd.Series(found["folds"], packed.index)
    assert folds.between(0, params.folds - 1).all()
    clips = packed["image_url"].str.extract(r"coat/([^_]+_?\d+)_")[0]
    assert folds.groupby(clips).nunique().eq(1).all()
    assert packed["fold"].groupby(clips).nunique().gt(1).any()


def test_nothing_is_torn_with_the_printed_grouping_or_without_series(manifest, tmp_path):
    params = pasted(tmp_path)
    split = assign(manifest, pairs_table([]), params).manifest
    assert torn_series(split, tmp_path, params) == {}
    apart = assign(manifest, pairs_table([]), SplitParams()).manifest
    assert torn_series(apart, tmp_path / "none", params) == {}


def test_nothing_is_torn_without_images(manifest, tmp_path):
    split = assign(manifest, pairs_table([]), SplitParams()).manifest
    assert torn_series(split.head(0), tmp_path, SplitParams()) == {}


def test_nothing_is_torn_if_the_same_name_in_each_class_is_a_group(manifest, tmp_path):
    manifest["image_url"] = [
        file.replace("coat", label) if isinstance(file, str) else file
        for file, label in zip(manifest["image_url"], manifest["label"], strict=True)
    ]
    params = SplitParams(group_by=f"/([^/]+){pasted(tmp_path).group_by}")
    split = assign(manifest, pairs_table([]), params).manifest
    assert torn_series(split, tmp_path, params) == {}


def test_images_without_a_fold_stay_without_one(manifest, tmp_path):
    split = assign(manifest, pairs_table([]), SplitParams()).manifest
    split.loc[split["split"] == "val", "fold"] = pd.NA
    folds = np.array(torn_series(split, tmp_path, SplitParams())["folds"])
    val = int((split["split"] == "val").sum())
    assert (folds[-val:] == -1).all()
    assert (folds[:-val] >= 0).all()
