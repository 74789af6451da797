"""Evaluation of a small model of two labels, from its files to the page."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pixmill.core.cells import render_cells
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.core.params import EvaluateParams, TrainParams
from pixmill.evaluate.cells.measure import cells_headline
from pixmill.evaluate.page.kinds import KINDS
from pixmill.evaluate.predictions import predict_all
from pixmill.heads import head_of
from pixmill.images.parts import load_parts
from pixmill.metrics.cell_calibration import CellCalibration
from pixmill.metrics.cells import CellAnswers
from pixmill.models.classifier import Classifier, Preprocessing
from tests.evaluate.conftest import SIDE, write_split

LABELS = ("dark", "light")
KIND = KINDS["labels"]


def _logits(batch):
    """Return logits of dark and light by brightness."""
    light = (batch.mean(axis=(1, 2, 3)) / 255 - 0.5) * 8
    return np.stack([-light, light], axis=1).astype(np.float32)


CLASSIFIER = Classifier(
    LABELS,
    Preprocessing(SIDE, "pad", "bicubic"),
    CellCalibration(None, (0.5, 0.5), (0.8, None), (0.2, None)),
    _logits,
    head=head_of("labels"),
)


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    return _evaluate(tmp_path, monkeypatch)


def _evaluate(tmp_path, monkeypatch, unknown=()):
    """Return results on images of which some cells are unknown, and one has no label.

    ``unknown`` has labels that are unknown on all test images.
    """
    packed = write_split(tmp_path / "artifacts" / "split")
    path = packed / "manifest.parquet"
    table = read_table(path, SPLIT, stage="split")
    texts = []
    for number, (label, split) in enumerate(zip(table["label"], table["split"], strict=True)):
        left_out = unknown if split == "test" else ()
        cells = {name: name == label for name in LABELS if name not in left_out}
        if number % 5 == 0:
            cells.pop("light", None)
        texts.append(render_cells(cells))
    write_table(path, table.assign(label=texts), SPLIT)
    part = load_parts(packed, LABELS, image_size=SIDE, targets=CLASSIFIER.head.targets)["val"]
    values = CLASSIFIER.score_pixels(part.pixels[:])[0]
    columns = {f"p_{label}": values[:, place] for place, label in enumerate(LABELS)}
    held_out = pd.DataFrame({"id": part.rows["id"], **columns, "novelty": np.nan})
    monkeypatch.setattr(Classifier, "load", lambda *_, **__: CLASSIFIER)
    monkeypatch.setattr("pixmill.evaluate.predictions.load_held_out", lambda *_: held_out)
    params = EvaluateParams(draws=1000, unlabelled=None)
    where = {"scratch": tmp_path / "scratch", "root": tmp_path}
    trained = tmp_path / "artifacts" / "train"
    opened = predict_all(trained, packed, params, train=TrainParams(), **where)
    return KIND.evaluate(opened, params), packed


def test_metrics_are_those_of_the_test_images(evaluated):
    result, packed = evaluated
    part = load_parts(packed, LABELS, image_size=SIDE, targets=CLASSIFIER.head.targets)["test"]
    values = CLASSIFIER.score_pixels(part.pixels[:])[0]

    found = cells_headline(result.metrics)

    expected = CellAnswers(part.targets, values, [0.5, 0.5]).scores()
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["mean_average_precision_low"] <= found["mean_average_precision"]
    known = part.targets >= 0
    shares = (part.targets == 1).sum(axis=0) / known.sum(axis=0)
    assert found["baseline_average_precision"] == pytest.approx(shares.mean())
    assert result.metrics["per_class"]["dark"]["coverage"] > 0
    assert result.metrics["per_class"]["light"]["coverage"] is None


def test_files_can_be_written_and_the_page_shows_each_label(evaluated, tmp_path):
    result, _ = evaluated

    json.dumps(result.metrics, allow_nan=False)
    write_table(tmp_path / "labels.parquet", result.ranking, KIND.ranking)
    assert set(result.plots) == {"calibrated", "coverage"}
    page = KIND.render(result, tmp_path, None)
    for label in LABELS:
        assert f"<td>{label}</td>" in page
    assert result.summary().startswith("mean average precision ")


def test_errors_shown_have_the_pixels_of_their_image(evaluated):
    result, packed = evaluated
    part = load_parts(packed, LABELS, image_size=SIDE, targets=CLASSIFIER.head.targets)["test"]
    pixels = dict(zip(part.rows["id"], part.pixels[:], strict=True))

    assert len(result.shown) == len(result.errors) > 0
    for item in result.shown:
        np.testing.assert_array_equal(item["pixels"], pixels[item["id"]])


@pytest.mark.parametrize("unknown", [("light",), LABELS])
def test_labels_that_are_unknown_on_all_test_images_are_undefined(unknown, tmp_path, monkeypatch):
    result, _ = _evaluate(tmp_path, monkeypatch, unknown)

    json.dumps(result.metrics, allow_nan=False)
    row = result.metrics["per_class"]["light"]
    assert (row["average_precision"], row["known"], row["sure_no_accuracy"]) == (None, 0, None)
    found = cells_headline(result.metrics)
    assert (found["mean_average_precision"] is None) == (unknown == LABELS)
    page = KIND.render(result, tmp_path, None)
    assert "None" not in page.replace("<p>None.</p>", "")
    assert result.summary()


def test_the_page_names_the_labels_of_unlabelled_images(evaluated, tmp_path):
    result, _ = evaluated
    rows = [("a.png", "dark;light"), ("b.png", ""), ("c.png", None)]
    table = pd.DataFrame(rows, columns=["path", "predicted"])
    answers = table.assign(
        id=table["path"], confidence=0.9, sure=True, unlike=False, reason=None
    ).convert_dtypes()

    page = KIND.render(
        replace(result, unlabelled=answers, unlabelled_folder="data/unlabelled"), tmp_path, None
    )

    assert "dark, light: 1 image<" in page
    assert "none of these: 1 image<" in page
