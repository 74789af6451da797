"""The model in MLflow is the model: native, with a signature, and it predicts the same."""

from functools import partial

import numpy as np
import pytest

from pixmill.core.params import BlockParams, CnnParams, TrainParams
from pixmill.models.determinism import fix_threads
from pixmill.models.mlflow_format.saving import save_keras_model
from pixmill.models.networks import build_classifier

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def environment(store, monkeypatch):
    """Load models as a person does: from where the environment says."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.workspace.home}/mlflow.db")


@pytest.fixture
def model():
    fix_threads(2)
    return build_classifier(
        TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=4),), dense=())),
        labels=3,
        image_size=8,
    )


def test_it_loads_with_its_signature_and_example_and_predicts_the_same(training, store, model):
    import mlflow

    with training() as run:
        run.log_model("keras", partial(save_keras_model, model))
    (recorded,) = store.runs()
    (output,) = recorded.outputs.model_outputs
    logged = store.client.get_logged_model(output.model_id)
    assert (logged.name, logged.status, logged.source_run_id) == (
        "keras",
        "READY",
        recorded.info.run_id,
    )
    assert logged.experiment_id == recorded.info.experiment_id
    np.testing.assert_array_equal(
        mlflow.keras.load_model(f"models:/{output.model_id}")(PIXELS), model(PIXELS)
    )
    loaded = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    assert [spec.to_dict()["tensor-spec"] for spec in loaded.metadata.signature.inputs] == [
        {"dtype": "float32", "shape": (-1, 8, 8, 3)}
    ]
    assert [spec.to_dict()["tensor-spec"] for spec in loaded.metadata.signature.outputs] == [
        {"dtype": "float32", "shape": (-1, 3)}
    ]
    assert loaded.predict(PIXELS).shape == (len(PIXELS), 3)
    assert loaded.input_example is None, "an example image takes megabytes as JSON"


def test_a_model_that_cannot_be_written_costs_nothing_else(training, store, capsys):
    with training() as run:
        run.log_model("keras", partial(save_keras_model, "no model"))
        run.log_metrics({"test_accuracy": 0.9})
    (recorded,) = store.runs()
    assert (recorded.info.status, recorded.data.metrics) == ("FINISHED", {"test_accuracy": 0.9})
    assert capsys.readouterr().err.startswith(
        "warning: the MLflow record of this run is incomplete: the model keras (AttributeError:"
    )
