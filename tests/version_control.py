"""Run Git and DVC in a folder, with a Git identity."""

import atexit
import contextlib
import functools
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "PERSON",
    "add_attributes",
    "commit",
    "dvc",
    "dvc_repo",
    "git",
    "hold",
    "living_dvc",
    "start_repository",
]

PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "A Person"), ("EMAIL", "person@example.org"))
}
"""Environment variables with a Git identity; the machine may have none."""


_IN_PROCESS = {"add", "checkout", "config", "init", "remote"}
"""DVC commands that run in this process."""


def git(root: Path, *words: str) -> str:
    """Run Git, and return its output without the final newline."""
    return _run(root, "git", *words)


def dvc(root: Path, *words: str) -> str:
    """Run DVC, and return its output without the final newline.

    DVC takes a second to start, so commands without output, stages or remotes run in this process.
    """
    command = [sys.executable, "-m", "dvc", *words]
    if words[0] not in _IN_PROCESS:
        return _run(root, *command)
    from dvc.cli import main

    with pytest.MonkeyPatch.context() as patch:
        for name, value in PERSON.items():
            patch.setenv(name, value)
        patch.chdir(root)
        # Without --quiet, its messages would continue to appear in this process.
        if status := main([*words, "--quiet"]):
            raise subprocess.CalledProcessError(status, command)
    return ""


def _run(root: Path, *words: str) -> str:
    done = subprocess.run(
        words, cwd=root, env=os.environ | PERSON, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def start_repository(root: Path, *, branch: str = "main", with_dvc: bool = False) -> Path:
    """Create a Git repository, optionally with DVC, and return its folder, created if missing."""
    root.mkdir(parents=True, exist_ok=True)
    if with_dvc and not (root / ".git").exists():
        shutil.copytree(_empty_repository(branch), root, dirs_exist_ok=True)
        return root
    git(root, "init", "-q", "-b", branch)
    if with_dvc:
        _add_dvc(root)
    return root


@functools.cache
def _empty_repository(branch: str) -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    git(Path(folder), "init", "-q", "-b", branch)
    _add_dvc(Path(folder))
    return Path(folder)


def _add_dvc(root: Path) -> None:
    from dvc.repo import Repo

    with _no_messages():
        Repo.init(str(root)).close()


@contextlib.contextmanager
def _no_messages() -> Iterator[None]:
    # DVC logs to the stream of the test that used it first in this process, which may be closed.
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def commit(root: Path, message: str = "Change") -> None:
    """Commit everything that Git does not ignore."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


@contextlib.contextmanager
def living_dvc() -> Iterator[int]:
    """Run a process that looks like a DVC command during the block; yield its pid."""
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "dvc"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # Until then, its command line may be empty.
            yield process.pid
        finally:
            process.kill()


def hold(root: Path, kind: str, *holders: tuple[str, int]) -> None:
    """Write DVC's lock file, in which processes read or write paths of a project.

    Args:
        root: Folder of the project.
        kind: ``read`` or ``write``.
        holders: Pairs of a path in the project and a pid.
    """
    held = {str(root.resolve() / path): {"pid": pid, "cmd": "dvc repro"} for path, pid in holders}
    content = {kind: {path: [each] for path, each in held.items()} if kind == "read" else held}
    (root / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    (root / ".dvc/tmp/rwlock").write_text(json.dumps(content))


@contextlib.contextmanager
def dvc_repo(root: Path) -> Iterator[Any]:
    """Open a project as DVC's ``Repo``, in its folder as the current one."""
    from dvc.repo import Repo

    with contextlib.chdir(root), _no_messages(), Repo() as repo:
        yield repo


def add_attributes(root: Path) -> None:
    """Write the ``.gitattributes`` of a new project, with its merge drivers."""
    (root / ".gitattributes").write_text(
        files("pixmill").joinpath("project/new/template/_gitattributes").read_text()
    )
