"""Git is asked; that there is nothing is no answer to an unreadable repository."""

import os
from pathlib import Path

import pytest

from pixmill.core.repository import git as module
from pixmill.core.repository.git import GitError, change, changed_files, git
from tests.version_control import commit, start_repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return start_repository(tmp_path, branch="trunk")


def test_it_says_what_git_says(project: Path) -> None:
    assert git(project, "symbolic-ref", "--short", "HEAD") == "trunk\n"


def test_what_git_does_not_know_is_nothing(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
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


def test_a_repository_of_another_user_is_refused_with_the_command_of_git(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for ask in (
        lambda: git(project, "rev-parse", "HEAD"),
        lambda: change(project, "config", "a.b", "c"),
    ):
        with pytest.raises(GitError, match="dubious ownership") as caught:
            ask()
        assert caught.value.next == f"git config --global --add safe.directory {project}"


def test_a_broken_repository_is_not_a_missing_one(project: Path) -> None:
    (project / ".git/index").write_text("broken")
    assert git(project, "rev-parse", "--verify", "HEAD") is None
    with pytest.raises(GitError, match="cannot read the repository"):
        changed_files(project)
    (project / ".git").rename(project / "moved")
    (project / ".git").write_text("gitdir: /nowhere/worktrees/x")
    (project / "below").mkdir()
    with pytest.raises(GitError, match="/nowhere/worktrees/x") as caught:
        git(project / "below", "show", "HEAD:./data.dvc")
    assert caught.value.next == f"mend that until this works: git -C {project} status"


def test_a_lock_and_a_command_that_hangs_are_errors(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    (project / ".git/index.lock").touch()
    (project / "file").touch()
    with pytest.raises(GitError) as caught:
        change(project, "add", "file")
    assert caught.value.next is not None
    assert caught.value.next.endswith(f"rm {project}/.git/index.lock")
    monkeypatch.setattr(module, "_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(GitError, match="did not end"):
        git(project, "-c", "alias.wait=!exec sleep 2", "wait")
