"""A project that was moved or copied keeps its runs, and writes into its own folder only."""

import shutil
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.project.doctor import CHECKS
from pixmill.tracking import delivery
from pixmill.tracking.model_lookup import resolve
from pixmill.tracking.model_versions import Registry
from pixmill.tracking.relocation import follow_move, former_homes, local_path
from pixmill.tracking.run_lookup import RunReader
from pixmill.tracking.store import connect, tracking_uri


@pytest.fixture
def original(tmp_path, empty_database):
    """A project with a run, a version in production, and an experiment elsewhere."""
    home = tmp_path / "old"
    home.mkdir()
    shutil.copy(empty_database, home / "mlflow.db")
    client = connect(tracking_uri(Workspace(home, home)))
    experiment = client.create_experiment("shoes", (home / "mlruns" / "shoes").as_uri())
    client.create_experiment("shared", "s3://bucket/mlruns/shared")
    elsewhere = tmp_path / "disk" / "mlruns" / "big"
    elsewhere.mkdir(parents=True)
    client.create_experiment("big", elsewhere.as_uri())
    run = client.create_run(experiment).info
    # MLflow's client would keep the run's folder for the rest of the process.
    folder = local_path(run.artifact_uri)
    folder.mkdir(parents=True)
    (folder / "note.txt").touch()
    client.create_registered_model("shoes")
    client.create_model_version("shoes", f"{run.artifact_uri}/model", run.run_id)
    client.set_registered_model_alias("shoes", "champion", "1")
    return home


@pytest.mark.parametrize("copied", [False, True])
@pytest.mark.parametrize("name", ["new", "a b", "ü", "a#b", "100%"])
def test_addresses_follow_the_project(original, tmp_path, name, copied, capsys):
    home = tmp_path / name / "shoes"
    home.parent.mkdir()
    shutil.copytree(original, home) if copied else original.rename(home)
    before = sorted(original.rglob("*"))
    workspace = Workspace(home, home)
    follow_move(workspace)
    assert capsys.readouterr().err.count("\n") == 1
    client = MlflowClient(tracking_uri(workspace))
    experiments = {each.name: each.artifact_location for each in client.search_experiments()}
    assert experiments["shared"] == "s3://bucket/mlruns/shared"
    assert local_path(experiments["big"]) == tmp_path / "disk" / "mlruns" / "big"
    (run,) = client.search_runs([client.get_experiment_by_name("shoes").experiment_id])
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["note.txt"]
    client.log_text(run.info.run_id, "later", "later.txt")
    later = local_path(run.info.artifact_uri) / "later.txt"
    assert later.is_file()
    assert later.is_relative_to(home)
    assert Registry(workspace, "shoes").aliases() == {"champion": 1}
    assert local_path(client.get_model_version_download_uri("shoes", "1")).is_relative_to(home)
    assert sorted(original.rglob("*")) == before
    follow_move(workspace)
    assert capsys.readouterr().err == ""


def test_readers_of_files_name_the_command_and_change_nothing(original, tmp_path):
    moved = original.rename(tmp_path / "moved")
    content = (moved / "mlflow.db").read_bytes()
    workspace = Workspace(moved, moved)
    for read in (
        lambda: resolve("models:/shoes@champion", workspace),
        lambda: RunReader(workspace).read(SimpleNamespace(id="1", files=""), "predictions"),
    ):
        with pytest.raises(PixmillError, match=str(original)) as caught:
            read()
        assert caught.value.next == "pixmill doctor --fix"
    finding, *_ = CHECKS["MLflow"](moved)
    assert finding.next == "pixmill doctor --fix"
    assert Registry(workspace, "shoes").aliases() == {"champion": 1}
    assert (moved / "mlflow.db").read_bytes() == content


@pytest.mark.parametrize("name", ["what?", "a%20b"])
def test_a_path_that_mlflow_reads_otherwise_is_refused(tmp_path, name):
    with pytest.raises(PixmillError, match="MLflow would open a database elsewhere"):
        tracking_uri(Workspace(tmp_path / name, tmp_path / name))


def test_addresses_are_corrected_before_a_run_is_written(original, tmp_path):
    moved = original.rename(tmp_path / "moved")
    workspace = Workspace(moved, moved)
    delivery.sync(workspace)
    assert former_homes(workspace) == []
