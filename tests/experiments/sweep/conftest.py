"""Workspaces with packed images, and fake trials."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.experiments.sweep.outcome import Outcome, outcome
from pixmill.experiments.sweep.planning import open_trials
from pixmill.experiments.sweep.searching import search
from tests.experiments.sweep.swept import FakeTrial, make_plan, write_workspace
from tests.made_once import make_once


def contents(root: Path) -> dict[str, bytes]:
    """Return the content of all files by path, without the scratch space."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".pixmill" not in path.parts
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "sweep", write_workspace)


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    """A workspace with packed images, without trials."""
    shutil.copytree(template, tmp_path / "root", ignore=shutil.ignore_patterns("scrape"))
    return Workspace(tmp_path / "root", tmp_path / "root")


@pytest.fixture
def fake_trial(monkeypatch: pytest.MonkeyPatch) -> FakeTrial:
    """Replace trainings by fake trials."""
    from pixmill.experiments.sweep import searching

    found = FakeTrial()
    monkeypatch.setattr(searching, "run_trial", found)
    return found


@pytest.fixture
def found(workspace, fake_trial):
    """Return the outcome of a number of fake trials, and of extra trials."""
    return partial(find, workspace)


def find(workspace: Workspace, trials: int = 8, extra=()) -> Outcome:
    """Run a search, and return its outcome with extra trials."""
    plan = make_plan(workspace, trials=trials)
    run = search(workspace, plan)
    return outcome(plan, [*run, *extra], open_trials(workspace, plan).images())
