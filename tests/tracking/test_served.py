"""The classifier in MLflow works in a process without Pixmill and TensorFlow."""

import json
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

from pixmill.models.classifier import Classifier
from pixmill.models.held_out import HeldOut, load_held_out, save_held_out
from pixmill.models.mlflow_format.saving import save_classifier_model
from pixmill.tracking.store import quiet_mlflow
from tests.images.samples import encoded, shapes

LABELS = ["coat", "kurtā", "T-shirt & top"]
FILES = [encoded(shapes(number, 40 + 7 * number, 30), "jpeg") for number in range(4)]

LOAD = """
import json, sys
from pathlib import Path
sys.modules["pixmill"] = None  # as where it is not installed
import mlflow
files = [path.read_bytes() for path in sorted(Path(sys.argv[2]).glob("*.jpg"))]
model = mlflow.pyfunc.load_model(sys.argv[1])
table = model.predict(files)
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
print(json.dumps(json.loads(table.to_json(orient="split"))))
"""


def log(training, store, folder):
    """Log a classifier, and return its URI."""
    with training() as run:
        run.log_model("classifier", partial(save_classifier_model, folder))
    (output,) = store.client.get_run(store.newest).outputs.model_outputs
    model = store.client.get_logged_model(output.model_id)
    assert (model.name, model.status, model.source_run_id) == ("classifier", "READY", store.newest)
    return f"models:/{output.model_id}"


@pytest.fixture(scope="module")
def saved(trained_folder, tmp_path_factory):
    """The folder of the model, as MLflow keeps it."""
    folder = tmp_path_factory.mktemp("mlflow") / "classifier"
    quiet_mlflow()
    save_classifier_model(trained_folder, folder)
    return folder


@pytest.fixture(scope="module")
def loaded(saved):
    import mlflow

    return mlflow.pyfunc.load_model(str(saved))


def test_mlflow_and_the_classifier_give_the_same_calibrated_answers(
    training, store, trained_folder, monkeypatch
):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    uri = log(training, store, trained_folder)
    table = mlflow.pyfunc.load_model(uri).predict(FILES)
    columns = [f"p_{label}" for label in LABELS]
    assert list(table.columns) == ["label", "confidence", "sure", "unlike", *columns, "reason"]
    classifier = Classifier.load(trained_folder)
    answers = classifier.predict(FILES)
    assert list(table["label"]) == [answer.label for answer in answers]
    assert list(table["confidence"]) == [answer.confidence for answer in answers]
    assert list(table["sure"]) == [answer.sure for answer in answers]
    np.testing.assert_array_equal(table[columns], [answer.probabilities for answer in answers])


def test_held_out_predictions_come_along(trained_folder, tmp_path):
    shutil.copytree(trained_folder, folder := tmp_path / "trained")
    rows = pd.DataFrame({"id": ["a", "b", "c"], "label": LABELS, "cluster": "abc"})
    chances = np.eye(3, dtype=np.float32)
    save_held_out(folder, HeldOut(rows, np.arange(3), chances, chances[0]), LABELS)
    quiet_mlflow()
    save_classifier_model(folder, tmp_path / "saved")
    found = load_held_out(tmp_path / "saved" / "artifacts" / "classifier", LABELS)
    assert list(found["label"]) == LABELS


def test_bytes_that_are_no_image_are_a_row_with_a_reason(loaded):
    table = loaded.predict([b"", FILES[0], b"<svg/>", FILES[1][:100], FILES[1]])
    assert [None if pd.isna(reason) else reason for reason in table["reason"]] == [
        "empty",
        None,
        "svg",
        "truncated",
        None,
    ]
    assert (
        list(table["label"].isna())
        == list(table["sure"].isna())
        == [True, False, True, True, False]
    )
    whole = loaded.predict(FILES[:2]).drop(columns="reason")
    pd.testing.assert_frame_equal(
        table.iloc[[1, 4]].drop(columns="reason").reset_index(drop=True), whole
    )


def test_it_needs_no_pixmill_no_tensorflow_and_no_pickle(saved, trained_folder, tmp_path):
    assert not [path for path in saved.rglob("*") if path.suffix == ".pkl"]
    assert "served.py" in {path.name for path in saved.iterdir()}
    for number, content in enumerate(FILES):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    arguments = [sys.executable, "-I", "-c", LOAD, str(saved), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    expected = [answer.probabilities for answer in Classifier.load(trained_folder).predict(FILES)]
    np.testing.assert_allclose([row[4:-1] for row in answer["data"]], expected, rtol=0, atol=1e-9)
