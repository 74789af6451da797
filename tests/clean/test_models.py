"""A model in MLflow goes with its training, unless somebody registered it; its run stays."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixmill.clean.models import RecordedModel, delete_model, owns_store, unneeded_models
from pixmill.clean.usage import size_of
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.workspace import Workspace
from pixmill.record.delivery import WEIGHTS
from pixmill.record.pending import RunData
from pixmill.record.run_lookup import RunReader
from tests.version_control import git, start_repository

Train = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def place(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copy(empty, tmp_path / "mlflow.db")
    (start_repository(tmp_path) / "params.yaml").touch()
    git(tmp_path, "add", "params.yaml")
    git(tmp_path, "commit", "-q", "-m", "Start")
    # The registry looks models up in the store of the environment.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def client(place: Workspace) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{place.home}/mlflow.db")


@pytest.fixture
def train(client: Any, place: Workspace) -> Train:
    from mlflow.entities import LoggedModelOutput

    files = place.home / "files"
    files.mkdir()
    (files / "network").write_bytes(bytes(1000))
    experiments: dict[Path, str] = {}
    head = git(place.root, "rev-parse", "HEAD")

    def make(
        weights: str,
        *,
        name: str = "classifier",
        status: str = "FINISHED",
        home: Path = place.home,
        commit: str | None = None,
    ) -> tuple[str, str]:
        if home not in experiments:
            experiments[home] = client.create_experiment(str(home), (home / "mlruns").as_uri())
        tags = {"pixmill.commit": commit or head} | ({WEIGHTS: weights} if weights else {})
        run = client.create_run(experiments[home], tags=tags, run_name=weights).info.run_id
        model = client.create_logged_model(experiments[home], name=name, source_run_id=run).model_id
        client.log_outputs(run, [LoggedModelOutput(model, step=0)])
        client.log_model_artifacts(model, str(files))
        client.finalize_logged_model(model, "READY")
        client.log_metric(run, "test_n", 9)
        if status != "RUNNING":
            client.set_terminated(run, status)
        return run, model

    return make


def found(place: Workspace, *weights: str, trainings: frozenset[str] = frozenset()) -> list[RecordedModel]:
    return unneeded_models(place, {*weights}, trainings)


def test_models_that_nothing_needs_are_deleted_and_their_runs_stay(place: Workspace, client: Any, train: Train) -> None:
    train("needed")
    run, model = train("gone")
    (one,) = found(place, "needed")
    assert (one.id, one.run, size_of(one.folder)) == (model, run, 1000)
    delete_model(place, one)
    assert found(place, "needed") == []
    assert not one.folder.exists()
    assert client.get_run(run).data.metrics == {"test_n": 9}
    # Whoever lists runs meets a model that is not there any more.
    newest = RunReader(place).newest("gone")
    assert newest is not None
    assert (newest.id, newest.megabytes) == (run, None)


def test_a_killed_deletion_goes_on(place: Workspace, train: Train) -> None:
    train("gone")
    (one,) = found(place)
    shutil.rmtree(one.folder)
    assert found(place) == [one]
    delete_model(place, one)
    assert found(place) == []


def test_what_is_registered_pending_running_foreign_or_elsewhere_stays(
    place: Workspace, client: Any, train: Train, tmp_path_factory: pytest.TempPathFactory
) -> None:
    client.create_registered_model("shoes")
    run, model = train("registered")
    client.create_model_version("shoes", f"models:/{model}")
    run, _ = train("of a registered run")
    client.create_model_version("shoes", "file:///elsewhere", run_id=run)
    train("running", status="RUNNING")
    train("pending")
    folder = place.scratch("record") / "1-evaluate-pending"
    RunData("evaluate", weights="pending").save(folder)
    train("")
    train("of a person", name="mine")
    train("elsewhere", home=tmp_path_factory.mktemp("elsewhere"))
    train("of another clone", commit="1" * 40)
    assert found(place) == []
    deleted, _ = train("of a deleted run")
    client.delete_run(deleted)
    assert [each.run for each in found(place)] == [deleted]
    (folder / "run.json").write_text("{}")
    with pytest.raises(DataError, match=r"pending run needs: .*run\.json is damaged"):
        found(place)


@pytest.mark.parametrize("location", ["mlflow-artifacts:/served", "s3://bucket/models"])
def test_files_of_a_server_stay(place: Workspace, client: Any, location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.root)
    experiment = client.create_experiment("served", location)
    tags = {"pixmill.commit": git(place.root, "rev-parse", "HEAD"), WEIGHTS: "gone"}
    run = client.create_run(experiment, tags=tags).info.run_id
    client.set_terminated(run)
    model = client.create_logged_model(experiment, name="classifier", source_run_id=run)
    assert model.artifact_location.startswith(location)
    assert found(place) == []


def test_a_training_whose_files_are_not_in_the_cache_is_known_by_the_lock_of_its_run(
    place: Workspace, client: Any, train: Train
) -> None:
    run, _ = train("known")
    train("known")
    lost, _ = train("unknown")
    digest = f"{'1' * 32}.dir"
    client.log_text(run, f"stages: {{train: {{outs: [{{path: artifacts/train, md5: {digest}}}]}}}}", "dvc.lock")
    assert [each.run for each in found(place, trainings=frozenset({digest}))] == [lost]


def test_only_a_database_of_the_project_is_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Workspace(tmp_path / "project", tmp_path / "project")
    place.root.mkdir()
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert owns_store(place)
    assert found(place) == []
    for uri in ("http://127.0.0.1:9", f"sqlite:///{tmp_path}/mlflow.db", "postgresql://a@b/c", "sqlite://"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert not owns_store(place)


def test_a_database_that_cannot_be_read_is_an_error(place: Workspace) -> None:
    (place.home / "mlflow.db").write_bytes(b"no database" * 100)
    with pytest.raises(PixmillError, match="MLflow at"):
        found(place)
