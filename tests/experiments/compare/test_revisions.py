"""Revisions are read from Git, DVC and MLflow; missing files have a sentence with a command."""

import shutil

import pandas as pd
import pytest
import yaml

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.experiments.compare.revisions import read_revisions
from tests.experiments.compare.projects import IDS, record, write
from tests.ports import unused_port
from tests.version_control import git


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def of(root, *names):
    return read_revisions(Workspace(root=root, home=root), *names)


def accuracy(revision):
    return (revision.predictions["label"] == revision.predictions["predicted"]).mean()


def test_reads_two_branches(history):
    base, head = of(history, "main", "stronger")
    assert (
        [accuracy(revision) for revision in (base, head)]
        == [revision.metrics["accuracy"] for revision in (base, head)]
        == [0.75, 0.875]
    )
    for revision in (base, head):
        assert list(revision.manifest["id"]) == IDS
        assert len(revision.pairs) == 1
        assert list(revision.lock) == ["split", "train", "evaluate"]
        assert revision.read(f"artifacts/scrape/{IDS[2]}.png") == f"image {IDS[2]}".encode()
        assert revision.read("requirements.txt") == b"numpy==2.4.0\n"
        assert (revision.run, revision.missing) == (None, ())
    assert (base.name, base.commit, base.is_workspace) == (
        "main",
        git(history, "rev-parse", "main"),
        False,
    )
    assert "epochs: 3" in base.params
    assert "epochs: 9" in head.params


def test_outdated_inputs(project):
    write(project / "params.yaml", "split: {salt: a}\ntrain: {epochs: 10}\n")
    _, head = of(project)
    caution = (
        "The results of workspace are of an earlier run: train in params.yaml has changed "
        "since; to update them: "
    )
    assert head.missing[0] == f"{caution}dvc repro."
    assert accuracy(head) == 0.875
    git(project, "commit", "-am", "Train longer still")
    base, _ = of(project, "stronger", "workspace")
    assert base.missing[0].endswith(
        "has changed since; to update them: git checkout stronger && dvc repro."
    )


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"no table", "is malformed: "),
        ({}, "lacks label, predicted, loss; to make it again: "),
        (
            {"label": "a", "predicted": "a", "loss": 0.1, "p_a": 0.9},
            "holds probabilities before calibration, which ",
        ),
    ],
)
def test_broken_predictions_are_missing(project, content, fault):
    path = project / "artifacts" / "evaluate" / "predictions.parquet"
    path.unlink()
    if isinstance(content, dict):
        pd.DataFrame({"id": IDS, "split": "test", **content}).to_parquet(path)
    else:
        path.write_bytes(content)
    record(project)
    _, head = of(project, "v1")
    assert head.predictions is None
    assert len(head.manifest) == 8
    (sentence,) = head.faults
    assert fault in sentence
    assert sentence.startswith("artifacts/evaluate/predictions.parquet of workspace ")
    assert sentence.endswith("to make it again: dvc repro -f evaluate.")


def test_clone_without_dvc_files(clone):
    base, head = of(clone, "origin/main")
    assert (base.metrics["accuracy"], head.metrics["accuracy"]) == (0.75, 0.875)
    assert base.params
    assert base.lock
    for revision in (base, head):
        assert revision.predictions is revision.manifest is revision.pairs is revision.run is None
    (missing,) = base.missing
    assert missing == (
        "origin/main: no predictions, manifest, pairs: DVC has no default remote; "
        "to make them again: git checkout origin/main && dvc repro."
    )


def test_commit_without_results(history):
    base, _ = of(history, "main~1")
    assert (base.lock, base.metrics, base.predictions) == ({}, None, None)
    commit = git(history, "rev-parse", "main~1")
    assert base.missing == (
        f"main~1 has no dvc.lock, so no results; to make them: git checkout {commit[:10]} && dvc "
        "repro.",
    )


@pytest.fixture(scope="module")
def recorded(history, empty_database, tmp_path_factory):
    """A project with a run of ``stronger`` in MLflow, whose model is version 1 of garments.

    And the run's id.
    """
    from mlflow import MlflowClient

    project = shutil.copytree(
        history, tmp_path_factory.mktemp("recorded") / "project", symlinks=True
    )
    shutil.copy(empty_database, project)
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.create_experiment("pixmill", (project / "mlruns").as_uri())
    outs = yaml.safe_load((project / "dvc.lock").read_text())["stages"]["split"]["outs"]
    tags = {
        "pixmill.weights": file_digest(project / "artifacts" / "train" / "model.weights.h5", "md5"),
        "pixmill.commit": git(project, "rev-parse", "HEAD"),
        "pixmill.dvc.artifacts/split": next(
            out["md5"] for out in outs if out["path"] == "artifacts/split"
        ),
    }
    run = client.create_run(experiment, 1000, tags, "long").info.run_id
    for path, folder in (
        ("params.yaml", None),
        ("dvc.lock", None),
        ("plots/evaluate/full.json", "plots/evaluate"),
        ("artifacts/evaluate/predictions.parquet", "predictions"),
    ):
        client.log_artifact(run, str(project / path), folder)
    client.set_terminated(run, end_time=13_000)
    model = client.create_logged_model(experiment, name="classifier", source_run_id=run)
    client.create_registered_model("garments")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "MLFLOW_TRACKING_URI", client.tracking_uri
        )  # where MLflow itself looks the model up
        client.create_model_version(
            "garments", f"models:/{model.model_id}", run, model_id=model.model_id
        )
    client.set_registered_model_alias("garments", "champion", "1")
    return project, run


def test_reads_run_by_any_name(recorded):
    project, run = recorded
    titles = {
        f"runs:/{run}": f"run long ({run[:8]})",
        "models:/garments/1": "garments version 1",
        "models:/garments@champion": "garments version 1",
    }
    for name, title in titles.items():
        revision, other = of(project, name, "v1")
        assert (revision.name, revision.title, revision.commit) == (
            name,
            title,
            git(project, "rev-parse", "stronger"),
        )
        assert (accuracy(revision), revision.metrics, accuracy(other)) == (
            0.875,
            {"accuracy": 0.875},
            0.75,
        )
        assert "epochs: 9" in revision.params
        assert revision.resolved is None, "a run of an earlier version"
        assert list(revision.lock) == ["split", "train", "evaluate"]
        assert (len(revision.manifest), len(revision.pairs), revision.run.id, revision.missing) == (
            8,
            1,
            run,
            (),
        )
        assert revision.read(f"artifacts/scrape/{IDS[0]}.png") == f"image {IDS[0]}".encode()
        assert revision.read("requirements.txt") == b"numpy==2.4.0\n"
    assert of(project, None, f"runs:/{run}")[0].name == "HEAD"
    with pytest.raises(PixmillError, match=r"runs:/none: MLflow at .* reports: .*not found"):
        of(project, "runs:/none")


def test_mlflow_failure_omits_only_the_run(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{unused_port()}")
    base, head = of(project, "v1", "stronger")
    assert (accuracy(base), accuracy(head)) == (0.75, 0.875)
    for revision in (base, head):
        (missing,) = revision.missing
        assert "No MLflow run: MLflow at http://127.0.0.1:" in missing
        assert "does not respond (Connection refused); start the server (mlflow server)" in missing
