"""Runs and experiments are read once, each with what decides it; those of other projects are left out."""

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pixmill.compare.trained_models import read_models
from pixmill.core.errors import PixmillError
from pixmill.core.workspace import Workspace
from pixmill.record.lineage import project_id
from pixmill.record.run_lookup import MlflowRun, RunReader
from pixmill.record.store import connect
from tests.compare.recorded import BASELINE, PIPELINE, add_experiment, add_run, answers
from tests.version_control import commit, git, start_repository


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture
def workspace(tmp_path: Path, database: Path) -> Workspace:
    """A project with a commit, and an empty database."""
    root = start_repository(tmp_path / "project", with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/mlflow*\n/files*\n/.pixmill/\n")
    commit(root, "Begin")
    shutil.copy(database, root)
    return Workspace(root, root)


@pytest.fixture
def add(workspace: Workspace):
    client = connect(f"sqlite:///{workspace.home / 'mlflow.db'}")
    places = {"pixmill": client.create_experiment("pixmill"), "elsewhere": client.create_experiment("elsewhere")}

    def run(name: str, table=None, *, where: str = "pixmill", train: str = "{epochs: 3}", **over) -> str:
        return add_run(
            client, workspace.root / "files", name, train, table, experiment=places[where], **{"started": 5, **over}
        )

    run.client = client
    return run


def names(workspace: Workspace, **over) -> list[str]:
    return [model.name.split(" ")[0] for model in read_models(workspace, **{"limit": 100, **over}).models]


def test_only_the_runs_of_this_project_are_read(workspace: Workspace, add) -> None:
    mine = project_id(workspace.root)
    for number, (name, where, project) in enumerate(
        [
            ("mine", "pixmill", mine),
            ("namesake", "pixmill", "f" * 40 + ":"),
            ("old", "pixmill", None),
            ("moved", "elsewhere", mine),
            ("foreign", "elsewhere", None),
        ]
    ):
        add(name, answers(3), where=where, project=project, started=number + 1)
    assert names(workspace) == ["moved", "old", "mine"]
    assert names(workspace, all_projects=True) == ["foreign", "moved", "old", "namesake", "mine"]


def test_a_shallow_clone_goes_by_the_name_of_the_experiment(workspace: Workspace, add, tmp_path: Path) -> None:
    add("tagged", answers(3), project=project_id(workspace.root), started=1)
    add("untagged", answers(3), started=2)
    add("elsewhere", answers(3), where="elsewhere", project=project_id(workspace.root), started=3)
    (workspace.root / "new").touch()
    commit(workspace.root, "Empty")
    git(tmp_path, "clone", "-q", "--depth", "1", workspace.root.as_uri(), "shallow")
    shutil.copy(workspace.root / "mlflow.db", tmp_path / "shallow")
    found = read_models(Workspace(tmp_path / "shallow", tmp_path / "shallow"), limit=10)
    assert [model.name.split(" ")[0] for model in found.models] == ["untagged", "tagged"]
    assert found.missing[0].startswith("This clone is shallow or has no commit")


def test_the_newest_are_read_and_it_is_said_that_there_are_older(workspace: Workspace, add) -> None:
    for number in range(3):
        add(f"run-{number}", answers(3), started=100 + number)
    assert names(workspace, limit=2) == ["run-2", "run-1"]
    assert read_models(workspace, limit=2).left_out
    assert not read_models(workspace, limit=3).left_out
    assert names(workspace, since=101.5) == ["run-2"]


def test_an_experiment_and_its_run_are_one_model(workspace: Workspace, add) -> None:
    add_experiment(workspace.root, "wide", "{epochs: 10}", answers(4))
    add("of wide", None, train="{epochs: 10}", weights="weights of wide")
    add("twin of it", answers(5), train="{epochs: 10}", weights="weights of wide", started=3)
    (model,) = read_models(workspace, limit=10).models
    assert (model.name, model.kind, model.fault) == ("wide", "experiment and run", None)
    assert model.params["train.epochs"] == 10
    assert model.seconds == 60
    assert len(model.predictions) == 480


def test_the_newest_experiment_names_a_model(workspace: Workspace, add, monkeypatch: pytest.MonkeyPatch) -> None:
    root = workspace.root
    add_experiment(root, "newer", "{epochs: 10}", answers(4))
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
    earlier = git(root, "commit-tree", "-m", "Earlier", f"{experiment('newer')}^{{tree}}")
    git(root, "update-ref", experiment("older"), earlier)
    add("run", answers(4), weights="weights of newer")
    (model,) = read_models(workspace, limit=10).models
    assert (model.name, model.kind) == ("newer", "experiment and run")


def test_a_run_without_predictions_goes_by_its_experiment(workspace: Workspace, add) -> None:
    add_experiment(workspace.root, "wide", "{epochs: 10}", answers(4))
    run = add("of wide", None, train="{epochs: 10}", weights="weights of wide")
    (model,) = read_models(workspace, limit=10).models
    assert (model.revision, model.kind, model.fault) == ("wide", "experiment and run", None)
    assert model.run.id == run


def test_experiments_of_the_same_name_are_told_apart(workspace: Workspace) -> None:
    root = workspace.root
    add_experiment(root, "wide", "{epochs: 12}", answers(4))
    add_experiment(root, "narrow", "{epochs: 10}", answers(40))
    other = experiment("wide").replace("1", "2")
    git(root, "update-ref", other, experiment("narrow"))
    git(root, "update-ref", "-d", experiment("narrow"))
    found = {model.revision: model.params["train.epochs"] for model in read_models(workspace, limit=10).models}
    assert found == {experiment("wide"): 12, other: 10}


def experiment(name: str) -> str:
    """Return the ref of an experiment that :func:`add_experiment` made."""
    return f"refs/exps/{BASELINE[:2]}/{BASELINE[2:]}/{name}"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs whose files are asked for, once for each file."""
    read, names = RunReader.read, []

    def counted(reader: RunReader, run: MlflowRun, path: str) -> bytes | None:
        names.append(run.name)
        return read(reader, run, path)

    monkeypatch.setattr(RunReader, "read", counted)
    return names


def test_a_run_is_read_once_until_it_changes(workspace: Workspace, add, asked: list[str]) -> None:
    run = add("run", answers(3), started=2)
    add("without predictions", started=1)
    first, _ = read_models(workspace, limit=10).models
    assert {*asked} == {"run", "without predictions"}
    asked.clear()
    again, _ = read_models(workspace, limit=10).models
    assert {*asked} == {"without predictions"}  # What could not be read is asked for again.
    assert again.predictions.equals(first.predictions)
    assert replace(again, predictions=first.predictions) == first
    asked.clear()
    add.client.log_metric(run, "test_accuracy", 0.5)
    read_models(workspace, limit=10)
    assert "run" in asked


def test_a_cache_of_another_version_is_not_used(workspace: Workspace, add, asked: list[str], monkeypatch) -> None:
    add("run", answers(3))
    read_models(workspace, limit=10)
    asked.clear()
    monkeypatch.setattr("pixmill.compare.trained_models.__version__", "99")
    read_models(workspace, limit=10)
    assert asked


def test_a_damaged_cache_is_not_used(workspace: Workspace, add, asked: list[str]) -> None:
    add("run", answers(3))
    first = read_models(workspace, limit=10).models
    asked.clear()
    with sqlite3.connect(workspace.scratch("compare") / "models.sqlite") as database:
        database.execute("UPDATE cache SET content = substr(content, 1, 100)")
    assert len(read_models(workspace, limit=10).models[0].predictions) == len(first[0].predictions)
    assert asked


def test_a_run_whose_files_are_out_of_reach_is_told_and_the_others_are_read(
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


def test_a_damaged_table_is_told(workspace: Workspace, add) -> None:
    run = add("run", answers(3))
    file = workspace.root / "files" / "predictions.parquet"
    file.write_bytes(b"no table")
    add.client.log_artifact(run, str(file), "predictions")
    (model,) = read_models(workspace, limit=10).models
    assert model.fault.startswith("its predictions cannot be used: the file ")
    assert model.predictions.empty


def test_equal_but_for_the_seed_is_one_recipe(workspace: Workspace, add) -> None:
    for number, (train, code) in enumerate(
        [("{seed: 1}", "one"), ("{seed: 2}", "one"), ("{seed: 1}", "two"), ("{epochs: 4}", "one"), ("{seed: 3}", None)]
    ):
        add(f"run-{number}", answers(3), train=train, code=code, started=number + 1)
    recipes = {model.name[:5]: model.recipe for model in read_models(workspace, limit=10).models}
    assert recipes["run-0"] == recipes["run-1"] is not None
    assert recipes["run-4"] is None
    assert len({recipes[name] for name in ("run-0", "run-2", "run-3")}) == 3


def test_params_of_a_version_that_is_not_known_are_what_its_files_say(workspace: Workspace, add) -> None:
    run = add("run", answers(3))
    file = workspace.root / "files" / "params.json"
    file.write_text('{"train": {"epochs": 7, "warp": true, "day": 2026-11-20, "ways": [{1: 2, a: 3}, 4]}}')
    add.client.log_artifact(run, str(file))
    for _ in ("from its files", "from the cache"):
        (model,) = read_models(workspace, limit=10).models
        assert model.params == {
            "train.epochs": 7,
            "train.warp": True,
            "train.day": "2026-11-20",
            "train.ways": [{"1": 2, "a": 3}, 4],
        }


def test_without_mlflow_there_are_the_experiments(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    add_experiment(workspace.root, "wide", "{epochs: 10}", answers(4))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    found = read_models(workspace, limit=10)
    assert [model.name for model in found.models] == ["wide"]
    assert found.missing[0].startswith("No runs: there is no MLflow database")


def test_a_project_without_runs_says_what_to_do(workspace: Workspace) -> None:
    with pytest.raises(PixmillError, match="there are no experiments, and no runs") as refusal:
        read_models(workspace, limit=10)
    assert refusal.value.next == "dvc repro"
    with pytest.raises(
        PixmillError, match=r"there are no experiments since 2001-09-09 01:46 UTC, and no runs"
    ) as refusal:
        read_models(workspace, limit=10, since=1e9)
    assert refusal.value.next == "pixmill compare --runs"
