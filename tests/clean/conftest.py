"""A small project of Git, DVC and MLflow whose every way to keep a result keeps one."""

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pixmill.core.workspace import Workspace
from tests.version_control import commit, dvc, git, start_repository

PIPELINE = """stages:
  train:
    cmd: python train.py
    params: [x]
    outs: [artifacts/train]
"""

TRAIN = """import pathlib, yaml
folder = pathlib.Path("artifacts/train")
folder.mkdir(parents=True, exist_ok=True)
(folder / "model.weights.h5").write_text(f"weights {yaml.safe_load(open('params.yaml'))['x']}")
"""

KEPT = (
    *("workspace", "main", "history", "tag", "branch", "remote", "experiment"),
    *("queued", "stash", "stash before", "applied", "worktree"),
)
"""Who keeps an image of this content."""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def put(root: Path, content: str) -> None:
    """Make an image the only one, and add it to DVC."""
    (root / "data" / "a.jpg").unlink(missing_ok=True)
    (root / "data" / "a.jpg").write_text(content)
    dvc(root, "add", "-q", "data")


def keep(root: Path, name: str) -> None:
    put(root, name)
    commit(root, name)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = start_repository(tmp_path_factory.mktemp("clean") / "project", with_dvc=True)
    for file, text in {
        "dvc.yaml": PIPELINE,
        "train.py": TRAIN,
        "params.yaml": "x: 1\n",
        ".gitignore": "/artifacts/\n/data\n/.pixmill/\n/mlflow.db\n/mlruns/\n",
        ".dvcignore": ".pixmill/\nmlruns/\n",
    }.items():
        (root / file).write_text(text)
    (root / "data").mkdir()
    put(root, "history")
    dvc(root, "repro", "-q")
    commit(root, "history")
    for name in ("branch", "tag", "remote", "worktree"):
        git(root, "checkout", "-q", "-b", name, "main")
        keep(root, name)
    git(root, "tag", "v1", "tag")
    git(root, "update-ref", "refs/remotes/origin/theirs", "remote")
    git(root, "checkout", "-q", "--detach", "worktree")
    git(root, "branch", "-q", "-D", "tag", "remote", "worktree")
    git(root, "worktree", "add", "-q", "--detach", str(root.parent / "other"), "HEAD")
    git(root, "checkout", "-q", "main")
    keep(root, "main")
    put(root, "experiment")
    dvc(root, "exp", "run", "-q", "-n", "kept", "-S", "x=2")
    put(root, "queued")
    dvc(root, "exp", "run", "--queue", "-S", "x=3")
    put(root, "applied")
    dvc(root, "exp", "apply", "kept")
    git(root, "checkout", "-q", ".")
    for name in ("stash before", "stash"):
        put(root, name)
        git(root, "stash", "-q")
    put(root, "nobody")
    put(root, "workspace")
    return root


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Iterator[Path]:
    shutil.copytree(template.parent, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy" / template.name


@pytest.fixture
def workspace(project: Path) -> Workspace:
    return Workspace(project, project)
