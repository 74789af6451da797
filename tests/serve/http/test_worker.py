"""Predictions and heatmaps of a worker process."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pixmill.core.files.writing import write_json
from pixmill.core.params import TrainParams
from pixmill.models.classifier import Classifier
from pixmill.models.determinism import fix_threads
from pixmill.models.litert_export import export_classifier
from pixmill.models.model_folder import save_classifier
from pixmill.models.networks import build_classifier
from pixmill.serve.http.worker import UNEXPLAINED, HeatmapRequest, PredictionRequest, Predictor
from tests.serve.http.conftest import picture


def test_predictions_do_not_depend_on_threads(trained_folder: Path) -> None:
    predictor = pickle.loads(pickle.dumps(Predictor(trained_folder)))
    one, all_ = predictor(
        [PredictionRequest(picture()), PredictionRequest(picture(), all_threads=True)]
    )
    np.testing.assert_array_equal(one.prediction.probabilities, all_.prediction.probabilities)
    assert one.id == all_.id


def test_no_heatmap_without_feature_maps(trained_folder: Path) -> None:
    assert Predictor(trained_folder)([HeatmapRequest(picture()), HeatmapRequest(b"no image")]) == [
        UNEXPLAINED,
        "unknown",
    ]


@pytest.mark.slow
def test_heatmaps_from_feature_maps(tmp_path: Path) -> None:
    params = TrainParams(model="features")
    fix_threads(2)
    model = build_classifier(params, labels=3, image_size=56)
    save_classifier(model, ["a", "b", "c"], tmp_path, image_size=56, aspect="pad", resize="bicubic")
    export_classifier(model, params, tmp_path, scratch=tmp_path / "scratch")
    write_json(
        tmp_path / "calibration.json",
        {"temperature": 1.0, "threshold": None, "target_accuracy": 0.9},
    )
    predictor = Predictor(tmp_path)
    shown = predictor(
        [HeatmapRequest(picture(size=(56, 56)), label) for label in ("a", "b", "c", None)]
    )
    drawn = [np.asarray(Image.open(io.BytesIO(png))) for png in shown]
    assert {image.shape for image in drawn} == {(56, 56, 3)}
    best = Classifier.load(tmp_path).predict([picture(size=(56, 56))])[0].label
    np.testing.assert_array_equal(drawn[3], drawn["abc".index(best)])
    # The colours show the evidence, which differs by class.
    assert len({image.tobytes() for image in drawn[:3]}) == 3
    assert any((np.ptp(image.astype(int), axis=2) > 0).any() for image in drawn)
