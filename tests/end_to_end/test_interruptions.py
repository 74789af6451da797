"""A run that is killed at its worst moment is finished by the next one, with the same bytes and no orphans."""

import itertools
import signal
import subprocess
import time
from collections.abc import Callable

import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]

SECONDS = 120.0


def until(found: Callable[[], object], what: str, running: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not found():
        assert running.poll() is None, f"dvc ended before {what}"
        assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
        time.sleep(0.01)


def stage_process(project, stage: str) -> psutil.Process | None:
    for process in project.processes():
        if f"stages.{stage}" in process.cmdline():
            return process
    return None


def mid_scrape(project, running) -> None:
    def journalled() -> bool:
        return any(path.stat().st_size > 20_000 for path in project.path.glob(".pixmill/scrape/**/*.jsonl"))

    until(journalled, "scrape had written its journal", running)


def mid_split(project, running) -> None:
    until(lambda: list(project.path.glob("artifacts/split/*npy*")), "split had begun to pack", running)


def mid_train(project, running) -> None:
    until(lambda: stage_process(project, "train"), "train had begun", running)
    time.sleep(9)


MOMENTS = {"scrape": mid_scrape, "split": mid_split, "train": mid_train}


@pytest.mark.parametrize(("stage", "victim"), list(itertools.product(MOMENTS, ["stage", "dvc"])))
def test_the_next_run_ends_as_if_nothing_had_been(new_project, finished, stage: str, victim: str) -> None:
    project = new_project()
    with project.start("repro") as running:
        MOMENTS[stage](project, running)
        process = stage_process(project, stage)
        assert process is not None, f"{stage} was over before it could be killed"
        (process if victim == "stage" else psutil.Process(running.pid)).send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while project.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [process.cmdline() for process in project.processes()] == [], "something lives on"
    project.repro()
    assert project.lock() == finished.lock()
    assert not list(project.path.glob("artifacts/**/.part-*"))


def test_two_projects_give_the_same_bytes(new_project, finished) -> None:
    project = new_project()
    project.repro()
    assert (project.path / "dvc.lock").read_bytes() == (finished.path / "dvc.lock").read_bytes()
    for path in sorted((finished.path / "metrics").rglob("*.json")):
        assert (project.path / path.relative_to(finished.path)).read_bytes() == path.read_bytes()
