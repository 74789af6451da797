"""What waits is sent later, once, to where it was meant for."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from pixmill.cli import main
from pixmill.tracking import send_waiting
from pixmill.tracking.spool import Spool, waiting

TRAIN = """
import sys, time
from pathlib import Path
from pixmill.workspace import Workspace
from pixmill.tracking import training_run
home = Path(sys.argv[1])
with training_run(Workspace(home, home), params={"train.epochs": 3}, dataset="artifacts/split") as run:
    for epoch in (1, 2, 3):
        run.log_epoch(epoch, {"train_loss": 1 / epoch}, timestamp=1000 + epoch)
    run.log_text("<html>", "reports/train.html")
    if sys.argv[2] == "sent":
        run.flush()
    print(run.run_id, flush=True)
    time.sleep(600)
"""


def killed(start, home, how):
    process, _ = start(TRAIN, str(home), how)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def away(store, training):
    """A training that MLflow knows nothing of."""
    mend = store.break_()
    with training() as run:
        run.log_epoch(1, {"train_loss": 0.5}, timestamp=1001)
    mend()


def test_a_run_that_waited_is_sent_once(away, store, place, capsys):
    assert send_waiting(store.workspace).line() == f"1 run (4 records) sent to {store.uri}"
    (found,) = store.runs()
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"train_loss": 0.5})
    assert waiting(place) == []
    assert send_waiting(store.workspace).line() == "nothing waits to be sent"
    assert len(store.runs()) == 1


def test_it_began_and_ended_when_it_did(away, store, place):
    (folder,) = waiting(place)
    records = Spool.read(folder).records
    send_waiting(store.workspace)
    (found,) = store.runs()
    assert (found.info.start_time, found.info.end_time) == (records[0]["time"], records[-1]["time"])


@pytest.mark.parametrize("how", ["waiting", "sent"])
def test_a_killed_training_loses_no_record_and_is_shown_as_killed(start, store, place, how):
    mend = store.break_() if how == "waiting" else None
    killed(start, store.workspace.home, how)
    if mend:
        mend()
    assert send_waiting(store.workspace).runs == 1
    (found,) = store.runs()
    assert found.info.status == "KILLED"
    assert store.points(found.info.run_id, "train_loss") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert [file.path for file in store.client.list_artifacts(found.info.run_id, "reports")] == ["reports/train.html"]
    assert waiting(place) == []


def test_a_killed_training_that_was_deleted_in_mlflow_waits_no_longer(store, place, training, tmp_path):
    with training() as run:
        run.flush()
        (folder,) = waiting(place)
        shutil.copytree(folder, tmp_path / "killed")
    shutil.copytree(tmp_path / "killed", folder)
    store.client.delete_run(run.run_id)
    assert send_waiting(store.workspace).left == 0
    assert waiting(place) == []


@pytest.mark.parametrize("lost", ["all", "all but the first attempt", "the last"])
def test_sent_again_from_any_moment_it_is_still_one_run(away, store, place, tmp_path, lost):
    """As when the process is killed between MLflow's answer and the note of it."""
    (folder,) = waiting(place)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    spool = Spool.take(folder)
    # Refusal of the last record keeps the folder.
    spool.append({"run": 0, "kind": "params", "params": {"train.epochs": "4"}})
    spool.release()
    send_waiting(store.workspace)
    notes = (folder / "sent.jsonl").read_text().splitlines(keepends=True)
    kept = {"all": [], "all but the first attempt": notes[:1], "the last": notes[:-1]}[lost]
    if lost == "all":
        # Nothing was ever tried: then MLflow has nothing either.
        store.client.delete_run(store.runs()[0].info.run_id)
    (folder / "sent.jsonl").write_text("".join(kept))
    send_waiting(store.workspace)
    (found,) = store.runs()
    assert store.points(found.info.run_id, "train_loss") == [(1, 0.5)]
    assert found.data.params["train.epochs"] == "3"


def test_the_next_training_sends_it(away, store, training, place, capsys):
    with training():
        pass
    assert [run.info.status for run in store.runs()] == ["FINISHED", "FINISHED"]
    assert waiting(place) == []
    assert f"tracking: 1 run (4 records) sent to {store.uri}\n" in capsys.readouterr().err


def test_where_mlflow_is_away_still_all_waits(away, store, place):
    store.break_()
    done = send_waiting(store.workspace)
    assert done.line() == f"MLflow at {store.uri} does not answer (file is not a database); 1 run waits"
    assert len(waiting(place)) == 1


def test_what_was_meant_for_another_place_goes_there_alone(away, store, place, monkeypatch, tmp_path, empty_database):
    other = tmp_path / "other.db"
    shutil.copy(empty_database, other)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    done = send_waiting(store.workspace)
    assert done.line() == f"1 run waits for {store.uri} (pixmill sync --all)"
    assert send_waiting(store.workspace, everything=True).runs == 1
    assert store.runs() == []
    assert waiting(place) == []


def test_what_mlflow_refuses_is_told_and_kept_until_it_shall_be_forgotten(training, store, place):
    with training() as run:
        run.log_params({"train.epochs": 4})
    done = send_waiting(store.workspace)
    assert "MLflow refuses part of" in done.line()
    assert len(waiting(place)) == 1
    send_waiting(store.workspace, forget=True)
    assert waiting(place) == []


def test_what_the_disk_refuses_to_read_is_told(away, store, place, monkeypatch, training, capsys):
    (folder,) = waiting(place)
    (folder / "journal.jsonl").rename(folder / "aside")
    (folder / "journal.jsonl").mkdir()
    said = f"not all of {folder.name} could be sent: [Errno 21] Is a directory: '{folder / 'journal.jsonl'}'"
    assert send_waiting(store.workspace).line() == said
    with training():
        pass
    assert f"tracking: {said}\n" in capsys.readouterr().err
    monkeypatch.chdir(store.workspace.root)
    (store.workspace.root / "params.yaml").touch()
    with pytest.raises(SystemExit, match="1"):
        main(["sync"])


def test_why_a_part_of_a_run_waits_still_is_told(store, training, place):
    mend = store.break_()
    with training() as run:
        run.log_text("<html>", "reports/train.html")
    mend()
    (folder,) = waiting(place)
    (content,) = folder.glob("files/*/content")
    content.unlink()
    content.mkdir()
    said = send_waiting(store.workspace).line()
    why = f"IsADirectoryError: [Errno 21] Is a directory: '{content}'"
    assert said.endswith(f" sent to {store.uri}; 1 run still waits; not all of {folder.name} could be sent: {why}")


def test_a_run_that_goes_on_is_left_alone(training, store, place):
    with training() as run:
        run.flush()
        assert send_waiting(store.workspace).line() == "nothing waits to be sent"
        assert len(waiting(place)) == 1


def test_a_person_is_told_in_a_line(away, store, capsys, monkeypatch):
    monkeypatch.chdir(store.workspace.root)
    (store.workspace.root / "params.yaml").touch()
    mend = store.break_()
    with pytest.raises(SystemExit, match="1"):
        main(["sync"])
    mend()
    main(["sync"])
    said = capsys.readouterr().out.splitlines()
    assert said == [
        f"sync: MLflow at {store.uri} does not answer (file is not a database); 1 run waits",
        f"sync: 1 run (4 records) sent to {store.uri}",
    ]
    assert "MLFLOW_TRACKING_URI" not in os.environ
