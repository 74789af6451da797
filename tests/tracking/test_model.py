"""The model in MLflow is the model: native, with a signature, and it predicts the same."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.models import build_classifier, fix_threads
from pixmill.params import BlockParams, CnnParams, TrainParams
from pixmill.tracking import send_waiting

PIXELS = np.random.default_rng(7).integers(0, 256, (5, 8, 8, 3)).astype(np.float32)


@pytest.fixture(autouse=True)
def environment(store, monkeypatch):
    """Load models as a person does: from where the environment says."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.workspace.home}/mlflow.db")


@pytest.fixture
def model():
    fix_threads(2)
    return build_classifier(
        TrainParams(model="cnn", cnn=CnnParams(blocks=(BlockParams(filters=4),), dense=())), labels=3, image_size=8
    )


def test_it_loads_and_predicts_the_same(training, store, model):
    import mlflow

    with training() as run:
        run.log_model(model)
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    logged = store.client.get_logged_model(output.model_id)
    assert (logged.name, logged.status, logged.source_run_id) == ("keras", "READY", run.run_id)
    assert logged.experiment_id == store.client.get_run(run.run_id).info.experiment_id
    loaded = mlflow.keras.load_model(f"models:/{output.model_id}")
    np.testing.assert_array_equal(loaded(PIXELS), model(PIXELS))
    assert store.client.get_run(run.run_id).info.status == "FINISHED"


def test_figures_of_the_test_part_are_shown_with_the_model(training, store, model):
    with training() as run:
        run.log_metrics({"val_loss": 0.4})
        run.log_model(model)
        run.log_metrics({"test_accuracy": 0.9})
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    figures = store.client.get_logged_model(output.model_id).metrics
    # MLflow itself gives a model what its run knew before.
    assert {figure.key: figure.value for figure in figures} == {"val_loss": 0.4, "test_accuracy": 0.9}
    assert store.client.get_run(run.run_id).data.metrics == {"val_loss": 0.4, "test_accuracy": 0.9}


def test_its_signature_is_of_float32_tensors(training, store, model):
    import mlflow

    with training() as run:
        run.log_model(model)
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    signature = mlflow.models.get_model_info(f"models:/{output.model_id}").signature
    assert [spec.to_dict()["tensor-spec"] for spec in signature.inputs] == [
        {"dtype": "float32", "shape": (-1, 8, 8, 3)}
    ]
    assert [spec.to_dict()["tensor-spec"] for spec in signature.outputs] == [{"dtype": "float32", "shape": (-1, 3)}]


def test_its_example_fits_it(training, store, model):
    import mlflow

    with training() as run:
        run.log_model(model)
    (output,) = store.client.get_run(run.run_id).outputs.model_outputs
    loaded = mlflow.pyfunc.load_model(f"models:/{output.model_id}")
    assert loaded.predict(loaded.input_example).shape == (1, 3)


def test_a_model_that_cannot_be_written_costs_nothing_else(training, store, capsys):
    with training() as run:
        run.log_model("no model")
        run.log_metrics({"test_accuracy": 0.9})
    assert store.client.get_run(run.run_id).data.metrics == {"test_accuracy": 0.9}
    assert store.client.get_run(run.run_id).info.status == "FINISHED"
    assert capsys.readouterr().err.startswith("warning: the model keras could not be kept for MLflow: AttributeError:")


def test_a_model_waits_as_all_else_does(training, store, model):
    mend = store.break_()
    with training() as run:
        run.log_model(model)
    mend()
    assert send_waiting(store.workspace).runs == 1
    (found,) = store.runs()
    (output,) = found.outputs.model_outputs
    assert store.client.get_logged_model(output.model_id).status == "READY"
    import mlflow

    loaded = mlflow.keras.load_model(f"models:/{output.model_id}")
    np.testing.assert_array_equal(loaded(PIXELS), model(PIXELS))


def test_within_mlflow_run_the_run_goes_on_after_the_model(training, store, model, monkeypatch):
    place = (store.workspace.home / "elsewhere").as_uri()
    experiment = store.client.create_experiment("project", artifact_location=place)
    project = store.client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    with training() as run:
        run.log_model(model)
    assert run.run_id == project
    assert store.client.get_run(project).info.status == "RUNNING"
    assert len(store.client.get_run(project).outputs.model_outputs) == 1
