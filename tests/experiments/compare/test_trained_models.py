"""Runs and experiments are read; those of other projects are left out."""

import shutil
from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.experiments.compare.trained_models import read_models
from pixmill.tracking.run_lookup import MlflowRun, RunReader
from pixmill.tracking.store import connect
from tests.experiments.compare.recorded import (
    PIPELINE,
    add_experiment,
    add_run,
    answers,
    fill,
    record,
)
from tests.version_control import commit, start_repository


@pytest.fixture
def workspace(tmp_path: Path, empty_database: Path) -> Workspace:
    """A project with a commit, and an empty database."""
    root = start_repository(tmp_path / "project", with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/mlflow*\n/files*\n/.pixmill/\n")
    commit(root, "Begin")
    shutil.copy(empty_database, root)
    return Workspace(root, root)


@pytest.fixture
def add(workspace: Workspace):
    client = connect(f"sqlite:///{workspace.home / 'mlflow.db'}")
    places = {
        "pixmill": client.create_experiment("pixmill"),
        "elsewhere": client.create_experiment("elsewhere"),
    }

    def run(
        name: str,
        table=None,
        *,
        where: str = "pixmill",
        train: str = "{model: cnn, epochs: 3}",
        **over,
    ) -> str:
        return add_run(
            client,
            workspace.root / "files",
            name,
            train,
            table,
            experiment=places[where],
            **{"started": 5, **over},
        )

    run.client = client
    return run


def names(workspace: Workspace, **over) -> list[str]:
    return [
        model.name.split(" ")[0]
        for model in read_models(workspace, **{"limit": 100, **over}).models
    ]


def test_limit_of_models(workspace: Workspace, add) -> None:
    for number in range(3):
        add(f"run-{number}", answers(3), started=100 + number)
    assert names(workspace, limit=2) == ["run-2", "run-1"]
    assert read_models(workspace, limit=2).left_out
    assert not read_models(workspace, limit=3).left_out


def test_experiment_and_run_are_one_model(workspace: Workspace, add) -> None:
    add_experiment(workspace.root, "wide", "{model: cnn, epochs: 10}", answers(4))
    add("of wide", None, train="{model: cnn, epochs: 10}", weights="weights of wide", within="wide")
    add(
        "twin of it",
        answers(4),
        train="{model: cnn, epochs: 10}",
        weights="weights of wide",
        started=8,
    )
    (model,) = read_models(workspace, limit=10).models
    assert (model.name, model.kind, model.fault) == ("wide", "experiment and run", None)
    assert model.params["train.epochs"] == 10
    assert model.seconds == 60
    assert len(model.predictions) == 480


def test_run_has_the_subject_of_the_commit_with_its_weights(workspace: Workspace, add) -> None:
    fill(workspace.root, "{model: cnn}", answers(4), "weights")
    record(workspace.root, "Train longer")
    add("clever-owl", answers(4), weights="weights")
    add("calm-hen", answers(3), weights="others")
    models = read_models(workspace, limit=10).models
    assert sorted(model.name.rpartition(" (")[0] for model in models) == [
        "Train longer",
        "calm-hen",
    ]


def test_inaccessible_run_does_not_stop_others(
    workspace: Workspace, add, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("near", answers(3), started=2)
    add("far", answers(3), started=1)
    read = RunReader.read

    def refuse(reader: RunReader, run: MlflowRun, path: str) -> bytes | None:
        if run.name == "far":
            raise PixmillError("no access", next="ask")
        return read(reader, run, path)

    monkeypatch.setattr(RunReader, "read", refuse)
    near, far = read_models(workspace, limit=10).models
    assert (near.fault, far.fault) == (None, "it cannot be read: no access")


def test_recipe_ignores_the_seed(workspace: Workspace, add) -> None:
    for number, (train, code) in enumerate(
        [
            ("{model: cnn, seed: 1}", "one"),
            ("{model: cnn, seed: 2, features: {head: mlp}}", "one"),  # without effect on this model
            ("{model: cnn, seed: 1}", "two"),
            ("{model: cnn, epochs: 4}", "one"),
            ("{model: cnn, seed: 3}", None),
        ]
    ):
        add(f"run-{number}", answers(3), train=train, code=code, started=number + 1)
    recipes = {model.name[:5]: model.recipe for model in read_models(workspace, limit=10).models}
    assert recipes["run-0"] == recipes["run-1"] is not None
    assert recipes["run-4"] is None
    assert len({recipes[name] for name in ("run-0", "run-2", "run-3")}) == 3


def test_experiments_without_mlflow(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    add_experiment(workspace.root, "wide", "{model: cnn, epochs: 10}", answers(4))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    found = read_models(workspace, limit=10)
    assert [model.name for model in found.models] == ["wide"]
    assert found.without_runs.startswith(
        "Only DVC's experiments were compared: there is no MLflow database"
    )


def test_project_without_runs(workspace: Workspace) -> None:
    with pytest.raises(PixmillError, match="there are no experiments, and no runs") as refusal:
        read_models(workspace, limit=10)
    assert refusal.value.next == "dvc repro -f -s train evaluate"
