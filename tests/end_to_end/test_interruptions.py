"""A run that is killed at its worst moment is finished by the next one, with the same bytes and no orphans."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SECONDS = 300.0


def until(look: Callable[[], Any], what: str, running: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := look()):
        assert running.poll() is None, f"dvc ended before {what}"
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.005)
    return found


def pid_of(project, stage: str) -> int | None:
    # One that is just being started or ended has no words.
    return next((pid for pid, words in project.processes().items() if words[-1:] == [f"stages.{stage}"]), None)


def mid_train(project) -> bool:
    """Train has kept its first epoch."""
    return any(project.path.glob(".pixmill/train/checkpoints/[!.]*.npz"))


def stopped_in_train(project, running: subprocess.Popen[str]) -> int:
    """Stop train at its worst moment and return its pid: it cannot go on while its killer is looking for it."""
    pid = until(lambda: pid_of(project, "train"), "train had begun", running)
    while True:
        until(lambda: mid_train(project), "train had kept an epoch", running)
        os.kill(pid, signal.SIGSTOP)
        if mid_train(project):
            return pid
        os.kill(pid, signal.SIGCONT)  # It was past that moment already.


# DVC runs a stage by $SHELL: dash (`sh` on Debian) stays between the two.
def test_dvc_is_killed_while_a_stage_runs(copy_of_finished, finished) -> None:
    project = copy_of_finished
    # Nothing of the training that was finished is there to be taken over.
    for folder in (".pixmill/train", "artifacts/train"):
        shutil.rmtree(project.path / folder)
    (digest,) = (out["md5"] for out in project.lock()["stages"]["train"]["outs"] if out["path"] == "artifacts/train")
    (project.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    with project.start("repro", "train", SHELL="sh") as running:
        pid = stopped_in_train(project, running)
        running.kill()
        os.kill(pid, signal.SIGCONT)  # An orphan would go on.
    deadline = time.monotonic() + 60
    while project.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert project.processes() == {}
    done = project.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["train"]
    assert "train: resuming after epoch " in done.stderr
    assert (project.path / "dvc.lock").read_bytes() == (finished.path / "dvc.lock").read_bytes()
