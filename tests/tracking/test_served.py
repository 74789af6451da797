"""The classifier in MLflow takes bytes and answers in a table, in a process that has no Pixmill and no TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.images import decode, fit
from pixmill.models import build_classifier, fix_threads
from pixmill.params import BlockParams, CnnParams, TrainParams
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


def build():
    fix_threads(2)
    params = TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=4),), dense=()))
    return build_classifier(params, labels=3, image_size=24)


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture
def logged(training, store, model, monkeypatch):
    """The URI of the classifier that a run logged."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    with training() as run:
        run.log_classifier(model, LABELS, image_size=24, aspect="pad", resize="bicubic")
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    found = store.client.get_logged_model(output.model_id)
    assert (found.name, found.status, found.source_run_id) == ("classifier", "READY", run.run_id)
    return f"models:/{output.model_id}"


def expected(model):
    pixels = np.stack([fit(decode(content).pixels, 24) for content in FILES])
    return np.asarray(model(pixels.astype(np.float32)))


def test_it_answers_as_the_model_does(logged, model):
    import mlflow

    table = mlflow.pyfunc.load_model(logged).predict(FILES)
    assert list(table.columns) == ["label", "confidence", *(f"p_{label}" for label in LABELS), "error"]
    probabilities = table[[f"p_{label}" for label in LABELS]].to_numpy()
    np.testing.assert_allclose(probabilities, expected(model), rtol=0, atol=1e-4)
    assert list(table["label"]) == [LABELS[best] for best in probabilities.argmax(axis=1)]
    np.testing.assert_array_equal(table["confidence"], probabilities.max(axis=1))
    assert table["error"].isna().all()


def test_a_table_with_a_column_of_bytes_will_do(logged):
    import mlflow

    loaded = mlflow.pyfunc.load_model(logged)
    pd.testing.assert_frame_equal(loaded.predict(pd.DataFrame({"picture": FILES})), loaded.predict(FILES))


def test_what_is_no_picture_costs_no_other_its_answer(logged):
    import mlflow

    loaded = mlflow.pyfunc.load_model(logged)
    table = loaded.predict([b"", FILES[0], b"<svg/>", FILES[1][:100], FILES[1]])
    assert [None if pd.isna(why) else why for why in table["error"]] == ["empty", None, "svg", "truncated", None]
    assert list(table["label"].isna()) == [True, False, True, True, False]
    whole = loaded.predict(FILES[:2]).drop(columns="error")
    pd.testing.assert_frame_equal(table.iloc[[1, 4]].drop(columns="error").reset_index(drop=True), whole)


def test_it_needs_no_pixmill_no_tensorflow_and_no_pickle(logged, model, store, tmp_path):
    import mlflow

    folder = Path(mlflow.artifacts.download_artifacts(logged, dst_path=str(tmp_path / "model")))
    assert not [path for path in folder.rglob("*") if path.suffix == ".pkl"]
    assert "served.py" in {path.name for path in folder.iterdir()}
    for number, content in enumerate(FILES):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    arguments = [sys.executable, "-I", "-c", LOAD, str(folder), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose([row[2:-1] for row in answer["data"]], expected(model), rtol=0, atol=1e-4)


def test_its_signature_is_of_bytes(logged):
    import mlflow

    info = mlflow.models.get_model_info(logged)
    assert [entry["type"] for entry in info.signature.inputs.to_dict()] == ["binary"]
    requirements = (Path(mlflow.artifacts.download_artifacts(logged)) / "requirements.txt").read_text().split()
    assert {line.partition("==")[0] for line in requirements} == {
        "ai-edge-litert",
        "mlflow",
        "numpy",
        "pandas",
        "pillow",
    }


def test_where_the_graph_cannot_be_converted_keras_answers(training, store, model, monkeypatch):
    import mlflow

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setattr("pixmill.tracking.network._agrees", lambda *_: False)
    with training() as run:
        run.log_classifier(model, LABELS, image_size=24, aspect="pad", resize="bicubic")
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    table = mlflow.pyfunc.load_model(f"models:/{output.model_id}").predict(FILES)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{output.model_id}"))
    assert "tensorflow==" in (folder / "requirements.txt").read_text()
    probabilities = table[[f"p_{label}" for label in LABELS]].to_numpy()
    np.testing.assert_allclose(probabilities, expected(model), rtol=0, atol=1e-5)
