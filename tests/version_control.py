"""Git and DVC, typed in a folder by somebody who has a name."""

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
from pathlib import Path
from typing import Any

import pytest

__all__ = ["PERSON", "commit", "dvc", "dvc_repo", "git", "hold", "living_dvc", "start_repository"]

PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "A Person"), ("EMAIL", "person@example.org"))
}
"""Variables of the environment by which Git knows who commits; a machine may know of nobody."""


_HERE = {"add", "checkout", "config", "init", "remote"}
"""What DVC does in this process."""


def git(root: Path, *words: str) -> str:
    """Return what Git prints, without the line's end."""
    return _run(root, "git", *words)


def dvc(root: Path, *words: str) -> str:
    """Return what DVC prints, without the line's end.

    It takes a second to start, so this process does itself what prints nothing, runs no stage and asks nobody else.
    """
    command = [sys.executable, "-m", "dvc", *words]
    if words[0] not in _HERE:
        return _run(root, *command)
    from dvc.cli import main

    with pytest.MonkeyPatch.context() as patch:
        for name, value in PERSON.items():
            patch.setenv(name, value)
        patch.chdir(root)
        # What it says would come from this process from then on.
        if status := main([*words, "--quiet"]):
            raise subprocess.CalledProcessError(status, command)
    return ""


def _run(root: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=root, env=os.environ | PERSON, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def start_repository(root: Path, *, branch: str = "main", with_dvc: bool = False) -> Path:
    """Make a Git repository, and one of DVC in it if asked for, and return the folder, made if need be."""
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

    # What it says goes to the stream of the test that used DVC first in this process, which may be closed.
    logging.disable(logging.INFO)
    try:
        Repo.init(str(root)).close()
    finally:
        logging.disable(logging.NOTSET)


def commit(root: Path, message: str = "Change") -> None:
    """Commit everything that Git does not ignore."""
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)


@contextlib.contextmanager
def living_dvc() -> Iterator[int]:
    """Return the number of a process that looks like a DVC command while the block lasts."""
    command = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", "dvc"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # Before, its command line may be empty.
            yield process.pid
        finally:
            process.kill()


def hold(root: Path, kind: str, *holders: tuple[str, int]) -> None:
    """Note, as DVC does, that processes read or write paths of a project.

    Args:
        root: The project's folder.
        kind: ``read`` or ``write``.
        holders: A path in the project and the number of a process each.
    """
    held = {str(root.resolve() / path): {"pid": pid, "cmd": "dvc repro"} for path, pid in holders}
    content = {kind: {path: [each] for path, each in held.items()} if kind == "read" else held}
    (root / ".dvc/tmp").mkdir(parents=True, exist_ok=True)
    (root / ".dvc/tmp/rwlock").write_text(json.dumps(content))


@contextlib.contextmanager
def dvc_repo(root: Path) -> Iterator[Any]:
    """Open a project as DVC's own ``Repo``, which must be that of the current folder."""
    from dvc.repo import Repo

    with contextlib.chdir(root), Repo() as repo:
        yield repo
