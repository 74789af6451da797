"""Git is asked, and whatever it says, or that it says nothing, is no error."""

import os
from pathlib import Path

import pytest

from pixmill.core.repository.git import changed_files, git
from tests.version_control import commit, start_repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return start_repository(tmp_path, branch="trunk")


def test_it_says_what_git_says(project: Path) -> None:
    assert git(project, "symbolic-ref", "--short", "HEAD") == "trunk\n"


def test_what_git_does_not_know_is_nothing(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert git(project, "rev-parse", "--verify", "HEAD") is None
    assert git(tmp_path_factory.mktemp("none"), "status") is None
    assert git(project / "absent", "status") is None


@pytest.mark.linux
def test_a_name_that_is_no_text_is_told_all_the_same(project: Path) -> None:
    name = b"caf\xe9.txt"
    (project / os.fsdecode(name)).touch()
    assert git(project, "status", "--porcelain", "-z") == f"?? {os.fsdecode(name)}\0"


def test_to_look_at_changes_takes_no_lock(project: Path) -> None:
    (project / "file").write_text("x")
    commit(project)
    index = (project / ".git/index").read_bytes()
    os.utime(project / "file", (1e9, 1e9))  # so that Git would note the new time
    assert git(project, "status", "--porcelain") == ""
    assert (project / ".git/index").read_bytes() == index


def test_changed_files_have_their_path_from_the_project(project: Path) -> None:
    below = project / "apps" / "pets"
    below.mkdir(parents=True)
    for name in ("a b", "c", "../other"):
        (below / name).touch()
    assert changed_files(below, "--", ".") == {"./": "??"}
    git(below, "add", "c")
    assert changed_files(below, "--", ".") == {"a b": "??", "c": "A "}
    assert changed_files(below, "--untracked-files=no") == {"c": "A "}
    assert changed_files(project / "absent") is None
