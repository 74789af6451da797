"""Pending runs are uploaded later, once."""

import json
import shutil

import filelock
import pytest

from pixmill.tracking import delivery as sync_module
from pixmill.tracking.delivery import sync
from pixmill.tracking.run_lookup import RunReader

WEIGHTS = "a" * 32


def train(training, weights=WEIGHTS):
    with training() as run:
        for epoch in (1, 2):
            run.log_metrics({"train_loss": 1 / epoch}, step=epoch, timestamp=1000 + epoch)
        run.log_metrics({"best_loss": 0.5})
        run.log_text("<html>", "reports/train.html")
        run.set_weights(weights)
    return run


def pending_names(place):
    """Return the names of what lies there, but the lock's."""
    return sorted(path.name for path in place.iterdir() if path.name != "lock")


@pytest.fixture
def waiting(place):
    """Return the folder of the only run that waits."""
    return lambda: place / pending_names(place)[0]


@pytest.fixture
def away(store, training):
    """A finished training that MLflow knows nothing of."""
    restore = store.break_()
    run = train(training)
    restore()
    return run


def test_a_run_that_waited_is_sent_once_as_of_its_own_time(away, store, place):
    assert sync(store.workspace).line() == f"1 run sent to {store.uri}: cnn"
    (recorded,) = store.runs()
    assert (recorded.info.status, recorded.data.metrics) == (
        "FINISHED",
        {"train_loss": 0.5, "best_loss": 0.5},
    )
    assert (recorded.info.start_time, recorded.info.end_time) == (
        away.data.started,
        away.data.ended,
    )
    assert recorded.data.params == away.data.params
    reader = RunReader(store.workspace)
    resolved = json.loads(reader.read(reader.get(recorded.info.run_id), "params.json"))
    assert resolved["train"]["batch_size"] == 32
    assert pending_names(place) == []
    assert sync(store.workspace).line() == "no pending runs"
    assert len(store.runs()) == 1


def test_sent_again_it_adds_nothing(away, store, waiting, tmp_path):
    """As when the process is killed before it deletes the folder."""
    folder = waiting()
    shutil.copytree(folder, tmp_path / "copy")
    sync(store.workspace)
    shutil.copytree(tmp_path / "copy", folder)
    sync(store.workspace)
    (recorded,) = store.runs()
    assert store.points(recorded.info.run_id, "train_loss") == [(1, 1.0), (2, 0.5)]
    assert store.points(recorded.info.run_id, "best_loss") == [(0, 0.5)]
    assert [file.path for file in store.client.list_artifacts(recorded.info.run_id, "reports")] == [
        "reports/train.html"
    ]


def test_what_mlflow_refuses_is_named_and_stays(away, store, waiting):
    path = waiting() / "run.json"
    path.write_text(path.read_text().replace("best_loss", "a&b"))
    line = sync(store.workspace).line()
    assert line.startswith(f".pixmill/record/{path.parent.name} is pending: MlflowException: ")
    assert path.exists()


def test_a_file_that_mlflow_refuses_holds_up_neither_figures_nor_the_end(
    away, store, waiting, monkeypatch
):
    def refuse(*_):
        raise OSError("no room")

    monkeypatch.setattr("mlflow.MlflowClient.log_artifacts", refuse)
    assert "is pending: OSError: no room" in sync(store.workspace).line()
    (recorded,) = store.runs()
    assert (recorded.info.status, recorded.data.metrics["best_loss"]) == ("FINISHED", 0.5)
    assert waiting().exists()


def test_a_damaged_folder_holds_up_no_other(away, store, place, training):
    (place / "damaged").mkdir()
    (place / "damaged" / "run.json").write_text("{}")
    result = sync(store.workspace)
    assert result.sent == ["cnn"]
    assert result.waiting["damaged"].startswith("KeyError: ")


def test_while_another_process_sends_all_waits(away, store, place, monkeypatch):
    monkeypatch.setattr(sync_module, "_LOCK_SECONDS", 0.1)
    with filelock.FileLock(place / "lock"):
        line = sync(store.workspace).line()
        assert "Timeout: " in line
        assert "1 run pending" in line
    assert sync(store.workspace).sent == ["cnn"]
