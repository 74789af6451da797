"""After a kill at the worst moment, the next run gives the same bytes and leaves no orphans."""

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

TIMEOUT_SECONDS = 300.0


def until(condition: Callable[[], Any], event: str, running: subprocess.Popen[str]) -> Any:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (found := condition()):
        assert running.poll() is None, f"dvc ended before {event}"
        assert time.monotonic() < deadline, f"waited {TIMEOUT_SECONDS} s for {event}"
        time.sleep(0.005)
    return found


def pid_of(project, stage: str) -> int | None:
    # A process that is starting or ending has no command line.
    return next(
        (pid for pid, words in project.processes().items() if words[-1:] == [f"stages.{stage}"]),
        None,
    )


def mid_train(project) -> bool:
    """Return whether train has saved a checkpoint."""
    return any(project.path.glob(".pixmill/train/checkpoints/[!.]*.npz"))


def stopped_in_train(project, running: subprocess.Popen[str]) -> int:
    """Stop train between two epochs, and return its pid: it cannot continue before it is killed."""
    pid = until(lambda: pid_of(project, "train"), "train started", running)
    while True:
        until(lambda: mid_train(project), "train saved an epoch", running)
        os.kill(pid, signal.SIGSTOP)
        if mid_train(project):
            return pid
        os.kill(pid, signal.SIGCONT)  # It had already continued.


# DVC runs stages by $SHELL: dash (`sh` on Debian) remains as a process between DVC and the stage.
def test_resumes_after_dvc_is_killed(copy_of_finished, finished) -> None:
    project = copy_of_finished
    # Remove the finished training, which would be reused.
    for folder in (".pixmill/train", "artifacts/train"):
        shutil.rmtree(project.path / folder)
    (digest,) = (
        out["md5"]
        for out in project.lock()["stages"]["train"]["outs"]
        if out["path"] == "artifacts/train"
    )
    (project.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    with project.start("repro", "train", SHELL="sh") as running:
        pid = stopped_in_train(project, running)
        running.kill()
        os.kill(pid, signal.SIGCONT)  # An orphan would continue.
    deadline = time.monotonic() + 60
    while project.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert project.processes() == {}
    done = project.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"Running stage '(\w+)'", done.stdout) == ["train"]
    assert "train: resuming after epoch " in done.stderr
    assert (project.path / "dvc.lock").read_bytes() == (finished.path / "dvc.lock").read_bytes()
