"""A run that is killed at its worst moment is finished by the next one, with the same bytes and no orphans."""

import contextlib
import os
import signal
import sqlite3
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


def mid_scrape(project) -> bool:
    """Scrape has written some records into its journal."""
    for path in project.path.glob(".pixmill/scrape/*/journal.db"):
        database = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
        with contextlib.closing(database), contextlib.suppress(sqlite3.OperationalError):  # it is only being made
            return database.execute("SELECT count(*) FROM records").fetchone()[0] >= 10
    return False


def mid_train(project) -> bool:
    """Train has kept its first epoch."""
    return any(project.path.glob(".pixmill/train/checkpoints/[!.]*.npz"))


MOMENTS = {"scrape": mid_scrape, "train": mid_train}


def stopped_in(project, stage: str, running: subprocess.Popen[str]) -> int:
    """Stop a stage at its worst moment and return its pid: it cannot go on while its killer is looking for it."""
    reached = MOMENTS[stage]
    pid = until(lambda: pid_of(project, stage), f"{stage} had begun", running)
    while True:
        until(lambda: reached(project), reached.__doc__ or stage, running)
        os.kill(pid, signal.SIGSTOP)
        if reached(project):
            return pid
        os.kill(pid, signal.SIGCONT)  # It was past that moment already.


# DVC runs a stage by $SHELL: bash replaces itself by it, dash (`sh` on Debian) stays between the two.
def test_a_run_that_is_killed_twice_ends_with_the_same_bytes(new_project, finished) -> None:
    project = new_project()
    for stage, victim, shell in zip(MOMENTS, ("dvc", "stage"), ("sh", "bash"), strict=True):
        with project.start("repro", SHELL=shell) as running:
            pid = stopped_in(project, stage, running)
            os.kill(pid if victim == "stage" else running.pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)  # An orphan would go on.
        deadline = time.monotonic() + 60
        while project.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert project.processes() == {}, f"a process survived the kill in {stage}"
    done = project.dvc("repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train: resuming after epoch " in done.stderr
    assert (project.path / "dvc.lock").read_bytes() == (finished.path / "dvc.lock").read_bytes()
    assert not list(project.path.glob("artifacts/**/.part-*"))
