"""Names in MLflow lead to the classifier's files; other models are refused."""

import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.models.classifier import Classifier
from pixmill.models.mlflow_format.saving import save_classifier_model
from pixmill.serve.predict.model import current_version, find_model
from pixmill.tracking import model_versions
from pixmill.tracking.stage_runs import evaluation_run
from tests.images.samples import encoded, shapes

FILE = encoded(shapes(3, 40, 30), "jpeg")


@pytest.fixture(autouse=True)
def environment(store, monkeypatch):
    """MLflow's own client looks up a registered model's files where the environment says."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)


@pytest.fixture
def recorded(training, store, trained_folder):
    """Log a classifier with an evaluation, register it, and return the ids of run and model."""
    with training() as run:
        run.set_weights("a" * 32)
        run.log_model("classifier", partial(save_classifier_model, trained_folder))
    run_id = store.newest
    with evaluation_run(store.workspace, weights="a" * 32) as evaluation:
        evaluation.log_metrics({"test_accuracy": 0.9, "test_n": 8})
    (output,) = store.client.get_run(run_id).outputs.model_outputs
    store.client.create_registered_model("garments")
    store.client.create_model_version(
        "garments", f"models:/{output.model_id}", run_id, model_id=output.model_id
    )
    store.client.set_registered_model_alias("garments", "champion", "1")
    return run_id, output.model_id


def test_every_name_leads_to_the_same_files(recorded, store, trained_folder, monkeypatch):
    run_id, model_id = recorded
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    root = store.workspace.root
    local = find_model(str(trained_folder), None)
    (expected,) = Classifier.load(trained_folder).predict([FILE])
    registered = ("models:/garments/1", "models:/garments@champion")
    for spec in (
        *registered,
        f"models:/{model_id}",
        f"runs:/{run_id}",
        f"runs:/{run_id}/classifier",
    ):
        model = find_model(spec, root)
        assert (model.digest, model.labels, model.threshold) == (
            local.digest,
            local.labels,
            local.threshold,
        )
        assert model.metrics == {"accuracy": 0.9, "n": 8.0}
        assert model.commit == store.client.get_run(run_id).data.tags.get("pixmill.commit")
        assert (model.name, model.version) == (
            ("garments", "1") if spec in registered else (model.name, None)
        )
        assert model.path == store.workspace.scratch("predict") / "models" / model_id
        assert {path.suffix for path in model.path.rglob("*")} <= {".json", ".tflite"}
        assert current_version(spec, root) == ("1" if spec in registered else model_id)
    (answer,) = Classifier.load(model.path).predict([FILE])
    assert answer.probabilities.tolist() == expected.probabilities.tolist()


def test_an_alias_is_followed_when_it_moves(recorded, store, training, trained_folder, tmp_path):
    root = store.workspace.root
    assert current_version("models:/garments@champion", root) == "1"
    with training() as run:
        run.log_model("classifier", partial(save_classifier_model, trained_folder))
    (output,) = store.client.get_run(store.newest).outputs.model_outputs
    store.client.create_model_version(
        "garments", f"models:/{output.model_id}", model_id=output.model_id
    )
    store.client.set_registered_model_alias("garments", "champion", "2")
    assert current_version("models:/garments@champion", root) == "2"
    assert find_model("models:/garments@champion", root).version == "2"


def test_the_default_is_the_model_in_production(
    recorded, store, trained_folder, monkeypatch, capsys
):
    root = store.workspace.root
    (root / "pyproject.toml").write_text('[project]\nname = "garments"')
    own = shutil.copytree(trained_folder, root / "artifacts" / "train")
    model = find_model(None, root)
    assert (model.path, model.version, model.in_production) == (own, "1", True)
    assert capsys.readouterr().err == ""  # It is the same one.
    content = (own / "calibration.json").read_bytes()
    (own / "calibration.json").write_bytes(content + b" ")  # another training
    assert find_model(None, root).path.name == recorded[1]
    assert f"--model {os.path.relpath(own)}" in capsys.readouterr().err
    assert current_version(None, root) == "1"
    mended = store.break_()
    with pytest.raises(PixmillError) as caught:
        find_model(None, root)
    assert f"--model {os.path.relpath(own)}" in caught.value.next
    mended()
    store.client.delete_registered_model_alias("garments", "champion")
    monkeypatch.setattr(model_versions, "open_store", None)  # MLflow is not needed.
    last = find_model(None, root)
    assert (last.path, last.version, last.in_production) == (own, None, False)
    assert current_version(None, root) == last.digest


def test_the_models_used_last_are_kept(recorded, store):
    folder = store.workspace.scratch("predict") / "models"
    for number in range(4):
        (folder / f"m-{number}").mkdir(parents=True)
        (folder / f"m-{number}" / "labels.json").touch()
        os.utime(folder / f"m-{number}", (number, number))
    model = find_model("models:/garments/1", store.workspace.root)
    assert {path.name for path in folder.iterdir()} == {"m-2", "m-3", model.path.name}
    assert Classifier.load(model.path).labels == model.labels
    written = (model.path / "labels.json").stat().st_ctime_ns
    assert find_model("models:/garments@champion", store.workspace.root).path == model.path
    assert (model.path / "labels.json").stat().st_ctime_ns == written, "nothing is fetched twice"


def test_another_model_is_refused(recorded, store):
    model_id = recorded[1]
    place = Path(store.client.get_logged_model(model_id).artifact_location.removeprefix("file://"))
    shutil.rmtree(place / "artifacts" / "classifier")
    with pytest.raises(PixmillError, match="is not a model 'classifier' of Pixmill"):
        find_model(f"models:/{model_id}", store.workspace.root)
    assert not list((store.workspace.scratch("predict") / "models").iterdir())


def test_what_is_not_there_is_a_message(recorded, store):
    for spec, message in {
        "models:/garments/2": "not found",
        "models:/garments@nobody": "not found",
        "models:/garments": "does not name a model",
        "models:/m-" + "0" * 32: "not found",
        "runs:/" + "0" * 32: "not found",
        f"runs:/{recorded[0]}/keras": "the run has no model 'keras'",
        "models:/garments/1/../../x": "does not name a model",
    }.items():
        with pytest.raises(PixmillError, match=message):
            find_model(spec, store.workspace.root)
