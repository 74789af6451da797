"""The Git state of a project."""

from pathlib import Path

import pytest

from pixmill.core.repository.file_hashes import FileHashes
from pixmill.project import state
from pixmill.project.next_steps import next_steps
from pixmill.project.state import Repository
from tests.version_control import commit, git, start_repository


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "metrics").mkdir(parents=True)
    (root / "metrics/train.json").write_text("{}")
    (root / "params.yaml").write_text("a: 1\n")
    commit(start_repository(root))
    return root


def read_repository(root: Path) -> Repository:
    with FileHashes(root) as hashes:
        return state.read_repository(root, hashes)


def text(root: Path) -> str:
    return read_repository(root).text


def test_without_git_or_commit(tmp_path: Path) -> None:
    assert text(tmp_path) == "not in Git"
    assert text(start_repository(tmp_path / "new")) == "no commit yet"


def test_the_first_step_is_that_git_can_read_the_repository(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = state.read_project_state(project, stages=False, full=False)
    assert [step.command for step in next_steps(found)] == [
        f"git config --global --add safe.directory {project}"
    ]
    assert "dubious ownership" in found.document()["repository"]["text"]


def test_changed_files_and_results(project: Path) -> None:
    assert text(project) == "nothing changed, results committed, no remote"
    (project / "params.yaml").write_text("a: 2\n")
    for name in ("new folder/ä", "new folder/b", "\n odd"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).touch()
    found = read_repository(project)
    assert found.changed == ("\n odd", "new folder/", "params.yaml")
    assert found.untracked == ("\n odd", "new folder/")
    assert found.text == "3 files changed, results committed, no remote"
    (project / "metrics/train.json").unlink()
    (project / "dvc.lock").touch()
    found = read_repository(project)
    assert found.changed_results == ("dvc.lock", "metrics/train.json")
    assert found.text == "5 files changed, results not committed, no remote"


def test_unpushed_and_unpulled_commits(project: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(project, "remote", "add", "team", str(tmp_path / "origin.git"))
    found = read_repository(project)
    assert (found.remote, found.has_upstream, found.unpushed) == ("team", False, 1)
    git(project, "push", "-q", "-u", "team", "main")
    assert text(project) == "nothing changed, results committed"
    git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "theirs")
    (tmp_path / "theirs/README.md").touch()
    commit(tmp_path / "theirs")
    git(tmp_path / "theirs", "push", "-q")
    git(project, "fetch", "-q")
    (project / "other").touch()
    commit(project)
    assert (
        text(project) == "nothing changed, results committed, 1 commit not pushed, 1 commit to pull"
    )
    git(project, "checkout", "-q", "--detach")
    assert read_repository(project).branch == ""
    # A tag or a branch without an upstream is pushed where a remote has its commits.
    git(project, "checkout", "-q", "-b", "more", "team/main", "--no-track")
    assert read_repository(project).unpushed == 0


@pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
def test_operation_and_conflicts(project: Path, operation: str) -> None:
    git(project, "checkout", "-q", "-b", "other")
    for branch, value in (("other", 3), ("main", 2)):
        git(project, "checkout", "-q", branch)
        (project / "params.yaml").write_text(f"a: {value}\n")
        commit(project)
    with pytest.raises(Exception, match="returned non-zero"):
        git(project, operation, "other")
    found = read_repository(project)
    assert (found.operation, found.conflicts, found.marked) == (
        operation,
        ("params.yaml",),
        ("params.yaml",),
    )
    assert found.text.startswith(f"{operation} in progress, 1 file in conflict, 1 file changed")
    (project / "params.yaml").write_text("a: 4\n")
    git(project, "add", "params.yaml")
    found = read_repository(project)
    assert (found.operation, found.conflicts) == (operation, ())


def test_storage_is_the_default_dvc_remote(project: Path) -> None:
    assert not read_repository(project).has_storage
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text("[core]\n    remote = team\n")
    assert not read_repository(project).has_storage
    (project / ".dvc/config.local").write_text("['remote \"backup\"']\n    url = s3://y\n")
    assert not read_repository(project).has_storage
    (project / ".dvc/config.local").write_text("['remote \"team\"']\n    url = s3://x\n")
    assert read_repository(project).has_storage
