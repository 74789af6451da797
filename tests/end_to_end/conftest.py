"""Whole projects in temporary folders, run by the real DVC."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock
import psutil
import pytest
import yaml

from tests.wheel import copy_repository, environment

CLASSES = ("dress", "sneaker", "trouser")
PER_CLASS = 40
EPOCHS = 6
QUICK = "{draws: 200, grad_cam: 0, label_errors: 0}"
"""Section evaluate for projects that need no label issues."""


@dataclass(frozen=True)
class Project:
    """A copy of the repository with a few images, or a project created by the installed package.

    Args:
        path: Folder of the project.
        python: Interpreter with Pixmill.
        settings: Additional environment variables.
    """

    path: Path
    python: Path = Path(sys.executable)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DVC_", "MLFLOW_", "GIT_"))
        }
        return kept | {
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            # DVC commits experiments; the machine may have no Git identity.
            "GIT_AUTHOR_NAME": "test",
            "GIT_AUTHOR_EMAIL": "test@example.org",
            "GIT_COMMITTER_NAME": "test",
            "GIT_COMMITTER_EMAIL": "test@example.org",
            **self.settings,
        }

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.path,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=560,
        )

    def dvc(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.python), "-m", "dvc", *words, **environ)

    def git(self, *words: str) -> str:
        done = self.run("git", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def repro(self, *words: str) -> str:
        done = self.dvc("repro", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, *words: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.python), "-m", "dvc", *words],
            cwd=self.path,
            env=self.environ | environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, file: str) -> str:
        return (self.path / file).read_text(encoding="utf-8")

    def edit(self, *replacements: tuple[str, str], file: str = "params.yaml") -> None:
        path = self.path / file
        text = path.read_text(encoding="utf-8")
        for before, after in replacements:
            assert before in text, before
            text = text.replace(before, after, 1)
        path.write_text(text, encoding="utf-8")

    def metrics(self, stage: str) -> Any:
        """Return all metrics of a stage; ``metrics/<stage>.json`` has only the headline."""
        return json.loads((self.path / "plots" / stage / "full.json").read_text(encoding="utf-8"))

    def lock(self) -> dict[str, Any]:
        content: dict[str, Any] = yaml.safe_load(
            (self.path / "dvc.lock").read_text(encoding="utf-8")
        )
        return content

    def commit(self, message: str = "State of the test") -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def processes(self) -> dict[int, list[str]]:
        """Return the command lines, by pid, of all processes that run in this folder or name it."""
        found = {}
        for process in psutil.process_iter():
            try:
                words = process.cmdline()
                if str(self.path) in " ".join(words) or process.cwd().startswith(str(self.path)):
                    found[process.pid] = words
            except (psutil.NoSuchProcess, psutil.AccessDenied):  # ended meanwhile, or a zombie
                continue
        return found


def new(folder: Project, name: str, *words: str) -> tuple[Project, str]:
    """Create a project by ``pixmill new``, and return it with the output."""
    done = folder.run("pixmill", "new", name, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return replace(folder, path=folder.path / name), done.stdout + done.stderr


def done_by(project: Project, *words: str, **environ: str) -> str:
    """Run a command, which must succeed, and return its standard output."""
    done = project.run(*words, **environ)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _copy_of_the_repository(repository: Path, path: Path) -> Project:
    """Copy the files that Git would clone, and commit them."""
    copy_repository(repository, path)
    project = Project(path)
    project.git("init", "-q", "-b", "main")
    project.commit("The repository")
    return project


def _bring_images(images: Path, project: Project) -> None:
    for name in CLASSES:
        (project.path / "data" / name).mkdir(parents=True)
        for image in sorted((images / name).glob("*.png"))[:PER_CLASS]:
            shutil.copy2(image, project.path / "data" / name)
    text = (project.path / "params.yaml").read_text(encoding="utf-8")
    text = re.sub(r"classes: .*", f"classes: [{', '.join(CLASSES)}]", text)
    text = re.sub(r"\n  source: \w+", "\n  source: shop", text)
    # A network with epochs.
    text = re.sub(r"\n  model: \w+", "\n  model: cnn", text)
    text = re.sub(r"\n  image_size: \d+", "\n  image_size: 56", text)
    text = re.sub(r"\n  epochs: \d+", f"\n  epochs: {EPOCHS}", text)
    text = re.sub(r"\n  batch_size: \d+", "\n  batch_size: 8", text)
    # Saves seconds each time that train or evaluate runs.
    text = text.replace("\ntrain:", "\ntrain:\n  learning_curve: never")
    text = text.replace("evaluate: {}", f"evaluate: {QUICK}")
    (project.path / "params.yaml").write_text(text, encoding="utf-8")


@pytest.fixture(scope="session")
def finished(
    repository: Path, bundled_images: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project after one complete `dvc repro`, committed; tests must not change it.

    The first test process that needs it creates it for all.
    """
    folder = tmp_path_factory.getbasetemp()
    place = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "finished"
    with filelock.FileLock(f"{place}.lock"):
        if not place.exists():
            project = _copy_of_the_repository(repository, tmp_path_factory.mktemp("project"))
            _bring_images(bundled_images, project)
            project.repro()
            project.commit("Results")
            place.write_text(str(project.path), encoding="utf-8")
    return Project(Path(place.read_text(encoding="utf-8")))


@pytest.fixture
def copy_of_finished(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project that a test may change."""
    shutil.copytree(finished.path, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An empty folder with the commands of the installed package."""
    folder = tmp_path_factory.mktemp("installed")
    settings = {"PIP_NO_INDEX": "1", "PYTHONPATH": ""}
    (folder / "work").mkdir()
    return Project(folder / "work", environment(folder / "venv", wheel), settings)
