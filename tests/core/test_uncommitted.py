"""What no commit holds is named, with the command that commits it."""

from __future__ import annotations

import subprocess

import pytest

from pixmill.core.uncommitted import commit_first, describe_uncommitted, uncommitted


def git(root, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path):
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "data/coat").mkdir(parents=True)
    (tmp_path / "data/coat/a.jpg").write_bytes(b"x" * 100)
    (tmp_path / "data.dvc").write_text("outs:\n- md5: x.dir\n  nfiles: 1\n  size: 100\n  path: data\n")
    (tmp_path / "review.csv").write_text("image,decision,label,by,why\n")
    (tmp_path / ".gitignore").write_text("/data\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    return tmp_path


def test_before_the_first_commit_there_is_nothing_to_go_back_to(project):
    assert uncommitted(project) == []


def test_what_is_committed_needs_no_word(project):
    git(project, "commit", "-qm", "x")
    assert describe_uncommitted(project) is None
    assert commit_first(project, "dvc pull") == "dvc pull"


def test_what_differs_is_committed_first(project):
    git(project, "commit", "-qm", "x")
    (project / "review.csv").write_text("image,decision,label,by,why\nabcdef0123,keep,,,\n")
    command = 'git add review.csv && git commit -m "Add images and decisions"'
    assert commit_first(project, "dvc pull") == f"commit first (review.csv): {command}; then: dvc pull"
    (project / "data/coat/b.jpg").write_bytes(b"y")
    assert describe_uncommitted(project) == (
        "data/ differs from data.dvc, and data.dvc and review.csv differ from the last commit: "
        "dvc exp apply, checkout, pull or another branch may remove the changes",
        'dvc add data && git add data.dvc review.csv && git commit -m "Add images and decisions"',
    )


def test_a_folder_that_is_not_there_is_not_recorded_as_empty(project):
    git(project, "commit", "-qm", "x")
    (project / "data/coat/a.jpg").unlink()
    assert uncommitted(project) == []


def test_a_project_may_lie_below_the_root_of_its_repository(project):
    git(project, "commit", "-qm", "x")
    below = project / "below"
    below.mkdir()
    (below / "review.csv").write_text("x")
    assert uncommitted(below) == ["review.csv"]
    assert uncommitted(project) == []
