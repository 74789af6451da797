"""One small sweep that many tests read, and workspaces without trials."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from pixmill.core.workspace import Workspace
from tests.command import run_pixmill
from tests.sweep.swept import StandIn, write_workspace

TRIALS = 6


@dataclass(frozen=True)
class Swept:
    """A workspace after `pixmill sweep`, and what it printed."""

    workspace: Workspace
    out: str
    err: str
    before: dict[str, bytes]


def contents(root: Path) -> dict[str, bytes]:
    """Return all files by path, without the scratch space."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and ".pixmill" not in path.parts
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_workspace(tmp_path_factory.mktemp("template") / "root").root


@pytest.fixture
def workspace(template: Path, tmp_path: Path) -> Workspace:
    """A workspace with packed images, and nothing run yet."""
    shutil.copytree(template, tmp_path / "root")
    return Workspace(tmp_path / "root", tmp_path / "root")


@pytest.fixture(scope="session")
def swept(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """A sweep of real trainings; tests only read it."""
    import io

    root = tmp_path_factory.mktemp("swept") / "root"
    shutil.copytree(template, root)
    before = contents(root)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(root), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_pixmill("sweep", "--trials", str(TRIALS))
    assert code == 0, err.getvalue()
    return Swept(Workspace(root, root), out.getvalue(), err.getvalue(), before)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Trials that take no time."""
    from pixmill.sweep import searching

    found = StandIn()
    monkeypatch.setattr(searching, "run_trial", found)
    return found


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path
