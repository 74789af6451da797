"""Prediction of many images in worker processes."""

import hashlib
import pickle
import shutil

import numpy as np
import pytest

from pixmill.models.classifier import Classifier, Prediction
from pixmill.models.inference import Located, PredictionPass, answers_schema, predict_images
from tests.images.samples import encoded, shapes

FILES = [encoded(shapes(number, 40 + 7 * number, 30), "jpeg") for number in range(20)]


def assert_equal(answers, expected):
    for answer, prediction in zip(answers, expected, strict=True):
        assert answer.prediction.label == prediction.label
        assert answer.prediction.confidence == prediction.confidence
        assert answer.prediction.sure == prediction.sure
        np.testing.assert_array_equal(answer.prediction.probabilities, prediction.probabilities)


@pytest.fixture(scope="module")
def expected(trained_folder):
    return Classifier.load(trained_folder).predict(FILES)


def test_answers_equal_those_of_the_classifier(trained_folder, expected):
    answers = list(predict_images(trained_folder, FILES, workers=2))
    assert_equal(answers, expected)
    assert [answer.id for answer in answers] == [
        hashlib.sha256(content).hexdigest() for content in FILES
    ]


def test_measures_change_no_answer(trained_folder, expected):
    rows = [*FILES[:2], b"<svg/>"]
    *images, broken = predict_images(trained_folder, rows, workers=1, observes=True)
    assert_equal(images, expected[:2])
    assert [answer.observed.bytes for answer in images] == [*map(len, FILES[:2])]
    assert broken.observed is None


def test_files_bytes_and_given_reasons_keep_their_order(trained_folder, expected, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "a.jpg").write_bytes(FILES[0])
    (inner / "b.jpg").symlink_to(tmp_path / "a.jpg")
    rows = [
        tmp_path / "a.jpg",
        b"",
        Prediction(reason="http_404"),
        inner / "b.jpg",
        Located(inner / "b.jpg", inner),
        Located(inner / "b.jpg", tmp_path),
        tmp_path / "gone.jpg",
        inner,
        FILES[1],
    ]
    answers = list(predict_images(trained_folder, rows, workers=1))
    reasons = [answer.prediction.reason for answer in answers]
    assert reasons == [
        None,
        "empty",
        "http_404",
        None,
        "symlink",
        None,
        "unreadable",
        "not_a_file",
        None,
    ]
    assert [answer.id is None for answer in answers] == [
        False,
        False,
        True,
        False,
        True,
        False,
        True,
        True,
        False,
    ]
    assert_equal(
        [answers[place] for place in (0, 3, 5, 8)],
        [expected[0], expected[0], expected[0], expected[1]],
    )


def test_pickled_pass_contains_the_path_and_loads_on_arrival(trained_folder, tmp_path, expected):
    folder = shutil.copytree(trained_folder, tmp_path / "train")
    pickled = pickle.dumps(PredictionPass(folder))
    assert len(pickled) < 1000
    unpickled = pickle.loads(pickled)
    shutil.rmtree(folder)
    assert_equal(unpickled(FILES[:2]), expected[:2])


def test_rows_have_the_columns_of_the_schema(trained_folder):
    labels = Classifier.load(trained_folder).labels
    image, broken = predict_images(trained_folder, [FILES[0], b"<svg/>"], workers=1)
    classes = [f"p_{label}" for label in labels]
    names = ["path", "id", "predicted", "confidence", "sure", "unlike", *classes, "reason"]
    assert answers_schema(labels).names == list(image.as_row("a.jpg", labels)) == names
    row = broken.as_row("b.svg", labels)
    assert {name: value for name, value in row.items() if value is not None} == {
        "path": "b.svg",
        "id": hashlib.sha256(b"<svg/>").hexdigest(),
        "reason": "svg",
    }
