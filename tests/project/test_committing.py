"""A commit takes exactly the files of the list, as its command does."""

from pathlib import Path

import pytest

from pixmill.core.errors import PixmillError
from pixmill.project.committing import find_commit, make_commit
from pixmill.project.state import read_project_state
from tests.tiny_project import change_param, copy_project, repro
from tests.version_control import PERSON, git


@pytest.fixture
def root(tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    return copy_project(tiny_project, tmp_path / "pets")


def commit(root: Path, message: str = "Why") -> set[str]:
    """Commit, and return the committed files."""
    state = read_project_state(root, full=False)
    found = find_commit(state)
    assert found is not None
    make_commit(state, found.paths, message)
    assert git(root, "log", "-1", "--format=%s").strip() == message
    return {*git(root, "show", "--format=", "--name-only", "-z").split("\0")} - {""}


def test_results_with_their_params_but_no_other_files(root: Path) -> None:
    change_param(root, "epochs: 3", "epochs: 4")
    assert find_commit(read_project_state(root, full=False)).paths == ("params.yaml",)
    (root / "data/cat/2.jpg").write_bytes(b"another")
    assert repro(root) == 0
    (root / "notes: 'mine'.txt").write_text("mine")
    done = commit(root, '-m: a "quoted" $(message)')
    assert {"params.yaml", "dvc.lock", "data.dvc", "metrics/train.json"} <= done
    assert "notes: 'mine'.txt" not in done
    assert commit(root) == {"notes: 'mine'.txt"}
    assert find_commit(read_project_state(root, full=False)) is None
    (root / "cats.csv").write_text("url\n")  # a list that params.yaml may name
    assert commit(root) == {"cats.csv"}


def test_images_and_decisions(root: Path) -> None:
    (root / "data/cat/2.jpg").write_bytes(b"another")
    (root / "staged.txt").write_text("mine")
    git(root, "add", "staged.txt")
    change_param(root, "epochs: 3", "epochs: 4")
    assert commit(root) == {"data.dvc"}
    assert "M params.yaml" in git(root, "status", "--porcelain")
    assert "A  staged.txt" in git(root, "status", "--porcelain")


def test_first_commit_leaves_out_large_files(root: Path) -> None:
    git(root, "update-ref", "-d", "HEAD")
    git(root, "rm", "-rq", "--cached", ".")
    (root / "large.bin").write_bytes(bytes(20 << 20))
    done = commit(root)
    assert {"dvc.yaml", "params.yaml", "stages/train.py"} <= done
    assert "large.bin" not in done


def test_refusals_commit_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = git(root, "rev-parse", "HEAD")
    (root / "$(one).txt").write_text("1")
    state = read_project_state(root, full=False)
    assert (
        find_commit(state).command == "git add '$(one).txt' && git commit"
    )  # a shell runs nothing of it
    with pytest.raises(PixmillError, match="other files"):
        make_commit(state, ["two.txt"], "Why")
    with pytest.raises(PixmillError, match="message"):
        make_commit(state, ["$(one).txt"], " ")
    hook = root / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho 'the hook says no'\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PixmillError, match="the hook says no"):
        make_commit(state, ["$(one).txt"], "Why")
    hook.unlink()
    for name in PERSON:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git(root, "config", "user.useConfigOnly", "true")
    with pytest.raises(PixmillError, match=r"user\.email"):
        make_commit(state, ["$(one).txt"], "Why")
    (root / ".git/MERGE_HEAD").write_text(before)
    with pytest.raises(PixmillError, match="merge is in progress"):
        make_commit(read_project_state(root, full=False), ["$(one).txt"], "Why")
    assert git(root, "rev-parse", "HEAD") == before
