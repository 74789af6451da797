"""The stage, killed at its worst moments, goes on from its last whole epoch and ends with the same bytes."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest
import yaml

from tests.train.conftest import FOLDS, write_packed
from tests.train.test_stage import OUTPUTS, outputs
from tests.train.test_training import TAKEN_OVER

pytestmark = pytest.mark.slow

EPOCHS = 4
CNN = {"blocks": [{"filters": 4}], "dense": [{"units": 8, "dropout": 0.2}]}

# Each is run before the stage in its own process, which it kills for good: nothing is caught, nothing cleaned up.
_KILL = "import os, signal\ndef kill(): os.kill(os.getpid(), signal.SIGKILL)\n"
HARMS = {
    "in mid epoch": """
from pixmill.train import steps
whole, count = steps.Trainer.train, [0]
def train(self, *batch):
    count[0] += 1
    # The second step of the second epoch that this process trains.
    if count[0] == 7: kill()
    return whole(self, *batch)
steps.Trainer.train = train
""",
    "after the last epoch": """
from pixmill.pages.train import page
page.render_page = lambda *_, **__: kill()
""",
}
_RUN = "\nimport runpy, sys; sys.argv = ['train']; runpy.run_module('stages.train', run_name='__main__')"
CONTINUED = {"after the last epoch": 1}


def project(root, **params):
    write_packed(root / "artifacts" / "split")
    train = {"model": "cnn", "cnn": CNN, "epochs": EPOCHS, "batch_size": 32, "patience": None, **params}
    sections = {"scrape": {"snapshot": "2026-11-20"}, "split": {"folds": FOLDS}, "train": train}
    (root / "params.yaml").write_text(yaml.safe_dump({"classes": ["blue", "green", "red"], **sections}))
    return root


def stage(root, repository, harm=None):
    arguments = ["-c", _KILL + HARMS[harm] + _RUN] if harm else ["-m", "stages.train"]
    environ = {**os.environ, "PYTHONPATH": f"{repository}{os.pathsep}{repository / 'src'}"}
    return {"args": [sys.executable, *arguments], "cwd": root, "env": environ, "text": True}


def test_it_goes_on_from_the_last_whole_epoch(repository, tmp_path):
    whole, root = project(tmp_path / "whole"), project(tmp_path / "killed")
    subprocess.run(**stage(whole, repository), capture_output=True, check=True)
    for harm in [*HARMS, None]:
        done = subprocess.run(**stage(root, repository, harm), capture_output=True, check=False)
        assert done.returncode == (-signal.SIGKILL if harm else 0), done.stderr
        lines = [line for line in done.stderr.splitlines() if "resuming" in line]
        assert lines == ([f"train: resuming after epoch {CONTINUED[harm]} of 4"] if harm in CONTINUED else [])
    assert outputs(root) == outputs(whole)
    # One run, with all epochs.
    with sqlite3.connect(root / "mlflow.db") as connection:
        runs = connection.execute(
            "select status, count(distinct step) from runs join metrics using (run_uuid) where key = 'val_loss' "
            "group by run_uuid order by start_time"
        ).fetchall()
    connection.close()
    assert runs == [("FINISHED", EPOCHS)]
    assert TAKEN_OVER in done.stderr


def test_a_signal_ends_it_with_a_line(repository, tmp_path):
    root = project(tmp_path / "project", epochs=500)
    with subprocess.Popen(**stage(root, repository), stderr=subprocess.PIPE) as process:
        until(lambda: list(root.glob(".pixmill/train/checkpoints/*.npz")), process)
        process.send_signal(signal.SIGTERM)
        _, heard = process.communicate(timeout=120)
    assert process.returncode == 143
    assert heard.splitlines()[-1] == "train: interrupted; finished work is kept. To resume: dvc repro"
    assert "Traceback" not in heard
    assert not any((root / name).exists() for name in OUTPUTS)


def until(reached, process):
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
