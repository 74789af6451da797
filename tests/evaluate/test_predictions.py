"""Every image has one row with its prediction or a reason."""

import hashlib
import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixmill.core.errors import DataError
from pixmill.core.manifest import write_table
from pixmill.evaluate.predictions import (
    apply_calibration,
    hold_out,
    predict_parts,
    predict_unlabelled,
    predictions_schema,
    unlabelled_files,
    unlabelled_folder,
)
from pixmill.images.parts import load_parts
from pixmill.metrics.calibration import Calibration
from tests.evaluate.conftest import CLASSIFIER, IMAGES, LABELS, SIDE
from tests.images.samples import encoded, shapes


@pytest.fixture
def parts(packed):
    return load_parts(packed, LABELS, image_size=SIDE).values()


def test_features_and_pixels_give_the_same_rows(parts):
    two = replace(CLASSIFIER, network=as_features, backbone=brightness)
    features = np.concatenate([brightness(np.asarray(part.pixels)) for part in parts])
    pd.testing.assert_frame_equal(predict_parts(two, parts, features), predict_parts(two, parts))


def brightness(pixels):
    return (pixels.mean(axis=(1, 2, 3), dtype=np.float64) / 255).astype(np.float32)[:, None]


def as_features(features):
    return np.concatenate([1 - features, features], axis=1)


def test_file_has_fixed_columns_and_is_deterministic(parts, tmp_path):
    table = held_out_table([next(iter(parts)).rows["id"][0]])
    paths = [tmp_path / "first.parquet", tmp_path / "second.parquet"]
    for path in paths:
        predictions = hold_out(predict_parts(CLASSIFIER, parts), table, CLASSIFIER)
        calibrated = apply_calibration(predictions, CLASSIFIER)
        write_table(path, calibrated, predictions_schema(LABELS))
    predictions = pq.read_table(paths[0]).to_pandas()
    assert predictions["id"].is_monotonic_increasing
    assert predictions["split"].value_counts().to_dict() == IMAGES
    names = ["id", "split", "label", "predicted", "p_dark", "p_light", "loss", "unlike", "held_out"]
    assert pq.read_schema(paths[0]).names == names
    assert paths[0].read_bytes() == paths[1].read_bytes()


def held_out_table(ids):
    columns = {
        "id": ids,
        "p_dark": np.float32(0.25),
        "p_light": np.float32(0.75),
        "novelty": np.float32(0.5),
    }
    return pd.DataFrame(columns).astype({"id": str})


def test_held_out_predictions_replace_those_of_the_delivered_model(parts):
    whole = predict_parts(CLASSIFIER, parts)
    ids = whole.loc[whole["split"] == "train", "id"].tolist()[:3]
    found = hold_out(
        whole,
        held_out_table(ids),
        replace(CLASSIFIER, calibration=Calibration(novelty_limit=0.4)),
    )
    replaced = found["id"].isin(ids)
    assert (found["held_out"] == (replaced | (found["split"] == "test"))).all()
    assert (found.loc[replaced, ["predicted", "unlike", "p_light"]] == ["light", True, 0.75]).all(
        axis=None
    )
    expected = np.where(found.loc[replaced, "label"] == "light", -np.log(0.75), -np.log(0.25))
    calibrated = apply_calibration(found, CLASSIFIER)
    assert calibrated.loc[replaced, "loss"].to_numpy() == pytest.approx(expected)
    pd.testing.assert_frame_equal(found.drop(columns="held_out")[~replaced], whole[~replaced])


def image(shade, size=(20, 12), kind="PNG"):
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, kind)
    return buffer.getvalue()


FILES = ["a.jpg", "b.png", "notes.txt", "short.png", "spring/c.png", "spring/may/again.png"]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    """Return a folder with four nested images, two of them identical, and other files."""
    folder = tmp_path_factory.mktemp("unlabelled") / "data" / "unlabelled"
    (folder / "spring" / "may").mkdir(parents=True)
    (folder / "b.png").write_bytes(image(30))
    (folder / "a.jpg").write_bytes(encoded(shapes(1, 40, 30), "jpeg"))
    (folder / "spring" / "c.png").write_bytes(encoded(shapes(2, 30, 61), "png"))
    (folder / "spring" / "may" / "again.png").write_bytes(image(30))
    (folder / "notes.txt").write_text("not an image")
    (folder / "short.png").write_bytes(image(90)[:-20])
    (folder / ".hidden.png").write_bytes(image(10))
    return folder


@pytest.fixture
def folder(unchanged, tmp_path):
    """Return a copy of the folder that a test may change."""
    return shutil.copytree(unchanged, tmp_path / "data" / "unlabelled")


@pytest.fixture
def model(trained_folder, tmp_path):
    """Return a copy of the classifier that a test may change."""
    return shutil.copytree(trained_folder, tmp_path / "train")


@pytest.fixture(scope="module")
def table(unchanged, trained_folder):
    return predict_unlabelled(trained_folder, unchanged, FILES, workers=1)


def test_finds_the_images_that_validate_dropped_as_unlabelled():
    places = [
        ("data/unlabelled/z/1.png", "unlabelled"),
        ("data/unlabelled/2.png", "unlabelled"),
        ("data/unlabelled/labelled.png", None),
        ("data/unlabelled/dropped.png", "review"),
        # Somebody took its label.
        ("data/coat/3.png", "unlabelled"),
    ]
    manifest = pd.DataFrame(places, columns=["image_url", "reason"])
    assert unlabelled_files(manifest, "data/unlabelled/") == ["2.png", "z/1.png"]


def test_each_file_has_a_row(table, unchanged):
    assert list(table["path"]) == FILES
    rows = table.set_index("path")
    assert rows.loc["b.png"].drop("id").equals(rows.loc["spring/may/again.png"].drop("id"))
    for path in unchanged.rglob("*.png"):
        if path.name[0] != ".":
            expected = hashlib.sha256(path.read_bytes()).hexdigest()
            assert rows.loc[path.relative_to(unchanged).as_posix(), "id"] == expected


def test_unreadable_files_have_a_reason(table):
    table = table.set_index("path")
    assert table["reason"].dropna().to_dict() == {"notes.txt": "unknown", "short.png": "truncated"}
    columns = [name for name in table.columns if name not in ("id", "reason")]
    assert table.loc[["notes.txt", "short.png"], columns].isna().all(axis=None)
    assert table.drop(["notes.txt", "short.png"])["predicted"].notna().all()


def test_threshold_decides_sure(table, unchanged, model):
    path = model / "calibration.json"
    read = table.dropna(subset=["predicted"])
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"threshold": float(read["confidence"].max())})
    )
    again = predict_unlabelled(model, unchanged, FILES, workers=1).dropna(subset=["predicted"])
    assert list(again["sure"]) == list(read["confidence"] == read["confidence"].max())
    assert set(again["sure"]) == {True, False}


@pytest.mark.parametrize("name", ["data", "../elsewhere", "data/../images"])
def test_rejects_folders_outside_data(folder, tmp_path, name):
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="is not a folder below data/"):
        unlabelled_folder(tmp_path, name)
