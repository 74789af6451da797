"""Finding models: the project's, folders and files."""

import re
import shutil
from dataclasses import replace

import pytest

from pixmill.core.errors import PixmillError
from pixmill.models.exported import write_exported
from pixmill.serve.predict.model import find_model
from tests.models.test_exported import DESCRIPTION
from tests.version_control import commit, git, start_repository

LOCK = """\
stages:
  train: {outs: [{path: artifacts/train, md5: 1.dir}]}
  evaluate: {deps: [{path: artifacts/train, md5: %s.dir}]}
"""


@pytest.fixture
def project(trained_folder, tmp_path):
    root = tmp_path / "garments"
    shutil.copytree(trained_folder, root / "artifacts" / "train")
    (root / "metrics").mkdir()
    (root / "metrics" / "evaluate.json").write_text('{"accuracy": 0.9, "n": 262}')
    (root / "dvc.yaml").write_text("stages: {}")
    (root / "dvc.lock").write_text(LOCK % 1)
    commit(start_repository(root))
    return root


def test_model_of_the_project(project):
    model = find_model(None, project)
    assert (model.path, model.name, model.version) == (
        project / "artifacts" / "train",
        "garments",
        None,
    )
    assert (model.labels, model.image_size) == (("coat", "kurtā", "T-shirt & top"), 24)
    assert (model.threshold, model.metrics) == (0.45, {"accuracy": 0.9, "n": 262})
    assert model.commit == git(project, "rev-parse", "HEAD")
    assert find_model(str(project / "artifacts" / "train"), None) == model
    (project / "notes.txt").touch()
    commit(project)
    assert find_model(None, project).commit == model.commit


def test_ignores_metrics_and_commit_of_another_training(project):
    (project / "dvc.lock").write_text(LOCK % 2)
    model = find_model(None, project)
    assert (model.commit, model.metrics) == (None, {})
    (project / "dvc.lock").unlink()
    assert find_model(None, project).metrics == {}


@pytest.mark.parametrize("name", ["labels.json", "calibration.json", "network.tflite"])
def test_digest_depends_on_the_files_that_decide_predictions(trained_folder, tmp_path, name):
    folder = shutil.copytree(trained_folder, tmp_path / "copy")
    digest = find_model(str(folder), None).digest
    assert digest == find_model(str(trained_folder), None).digest
    (folder / "samples.jpg").write_bytes(b"another")
    assert find_model(str(folder), None).digest == digest
    path = folder / name
    path.write_bytes(path.read_bytes() + b" ")
    assert find_model(str(folder), None).digest != digest


def test_metadata_of_an_exported_file(trained_folder, tmp_path):
    path = tmp_path / "garments.tflite"
    network = (trained_folder / "network.tflite").read_bytes()
    known = DESCRIPTION
    write_exported(path, network, known)
    model = find_model(str(path), None)
    assert (model.path, model.name, model.labels) == (path, known.name, known.labels)
    found = (model.threshold, model.commit, model.metrics)
    assert found == (known.threshold, known.commit, known.metrics)
    digest = model.digest
    write_exported(path, network + bytes(4), known)
    assert find_model(str(path), None).digest != digest


def test_messages_about_missing_models(project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PixmillError, match="is not in a project"):
        find_model(None, None)
    with pytest.raises(PixmillError, match="nowhere does not exist") as caught:
        find_model("nowhere", None)
    assert "a copy of artifacts/train, an exported .tflite file" in caught.value.next
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(PixmillError, match=r"photo\.jpg is not a model"):
        find_model("photo.jpg", None)
    shutil.rmtree(project / "artifacts")
    with pytest.raises(PixmillError, match="artifacts/train does not exist") as caught:
        find_model(None, project)
    assert caught.value.next.startswith("dvc repro")


def test_cautions(exported):
    model = find_model(str(exported), None)
    measured = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.88, "ece": 0.18}
    assert replace(model, metrics=measured).cautions == []
    assert replace(model, metrics=measured | {"confidence": 0.85}).cautions == []
    (far,) = replace(model, metrics=measured | {"confidence": 0.98}).cautions
    assert re.findall(r"\d+\.\d %", far) == ["98.0 %", "80.0 %"]
    (none,) = replace(model, threshold=None, target_accuracy=0.99).cautions
    assert "299" in none
