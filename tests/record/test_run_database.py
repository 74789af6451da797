"""MLflow's database tells the same as MLflow's client, and nothing where it might not."""

import contextlib
import sqlite3

import pytest

from pixmill.record import run_lookup
from pixmill.record.run_database import find_runs, local_folder
from pixmill.record.run_lookup import RunReader

WEIGHTS = "a" * 32


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def file(workspace):
    return workspace.home / "mlflow.db"


def find(file, *, limit=100):
    return find_runs(file, "pixmill.weights", WEIGHTS, limit, model="classifier")


def change(file, *statements):
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


def test_runs_are_those_that_the_client_finds(store, file, monkeypatch):
    client = store.client
    places = ["0", client.create_experiment("other", artifact_location="s3://bucket/other")]
    hidden = client.create_experiment("hidden")
    runs = {}
    for number in range(6):
        tags = {"pixmill.weights": WEIGHTS, "more": f"tag {number}"}
        made = client.create_run(places[number % 2], start_time=1000 + number // 2, tags=tags).info
        client.log_metric(made.run_id, "test_accuracy", 0.1 * number)
        client.log_metric(made.run_id, "val_loss", float("nan") if number % 2 else float("inf"))
        if number != 2:
            client.set_terminated(made.run_id, end_time=5000 + number)
        runs[number] = made.run_id
    client.create_run("0", tags={"pixmill.weights": "b" * 32})
    client.create_run(hidden, tags={"pixmill.weights": WEIGHTS})
    client.delete_experiment(hidden)
    client.delete_run(runs[5])
    change(file, f"UPDATE runs SET name = NULL WHERE run_uuid = '{runs[3]}'")
    query = f"tags.`pixmill.weights` = '{WEIGHTS}'"
    expected = client.search_runs(places, query, order_by=["attributes.start_time DESC"])
    found = find(file)
    assert [run.info.run_id for run in found] == [run.info.run_id for run in expected]
    assert {run.info.run_id for run in found} == {runs[number] for number in range(5)}
    reader = RunReader(store.workspace)
    assert [reader._facts(run) for run in found] == [reader._facts(run) for run in expected]
    assert [run.info.run_id for run in find(file, limit=2)] == [run.info.run_id for run in expected[:2]]
    newest = reader.newest(WEIGHTS)
    monkeypatch.setattr(run_lookup, "find_runs", lambda *_, **__: None)
    assert RunReader(store.workspace).newest(WEIGHTS) == newest


def test_the_newest_model_of_the_name_counts(training, store, file, trained_folder):
    with training() as run:
        run.set_weights(WEIGHTS)
        run.log_classifier(trained_folder)
    (found,) = find(file)
    (model,) = store.client.search_logged_models(["1"], filter_string=f"source_run_id = '{run.run_id}'")
    assert found.model == model.artifact_location
    change(file, "UPDATE logged_models SET name = 'keras'")
    assert find(file)[0].model is None
    change(file, "UPDATE logged_models SET name = 'classifier', lifecycle_stage = 'deleted'")
    assert find(file)[0].model is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE alembic_version SET version_num = 'ffffffffffff'",
        "DELETE FROM alembic_version",
        "UPDATE experiments SET workspace = 'another'",
        "DROP TABLE latest_metrics",
    ],
)
def test_what_the_queries_may_not_hold_for_is_left_to_mlflow(trained, file, statement):
    trained(WEIGHTS)
    assert len(find(file)) == 1
    change(file, statement)
    assert find(file) is None


def test_a_locked_or_damaged_database_is_left_to_mlflow(file, monkeypatch):
    monkeypatch.setattr("pixmill.record.run_database._SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(file)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert find(file) is None
    assert find(file) == []
    file.write_bytes(b"no database" * 100)
    assert find(file) is None


def test_reading_changes_nothing(trained, file):
    trained(WEIGHTS)
    before = file.read_bytes(), sorted(file.parent.iterdir())
    find(file)
    assert (file.read_bytes(), sorted(file.parent.iterdir())) == before
    assert find(file.parent / "none.db") is None
    assert not (file.parent / "none.db").exists()


@pytest.mark.parametrize(
    "location", ["/a/b c", "file:///a/b%20c", "/a/b%20c", "mlruns/1", "./mlruns/1", "file:/a/b", "/ä", "file:///%C3%A4"]
)
def test_places_on_this_machine_are_those_of_mlflow(location):
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    assert str(local_folder(location)) == str(LocalArtifactRepository(location).artifact_dir).removeprefix("./")


@pytest.mark.parametrize(
    "location", ["s3://bucket/a", "mlflow-artifacts:/1/a", "file://host/a", "dbfs:/a", "/a?b", "/a#b"]
)
def test_other_places_are_left_to_mlflow(location):
    assert local_folder(location) is None
