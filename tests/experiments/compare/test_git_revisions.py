"""Names resolve to commits; unknown names have suggestions; defaults are chosen."""

import subprocess

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.repository.git import FIRST_COMMIT
from pixmill.experiments.compare.git_revisions import choose, find
from tests.experiments.compare.projects import write
from tests.version_control import git


def hash_of(root, name):
    return git(root, "rev-parse", f"{name}^{{commit}}")


@pytest.mark.parametrize("name", ["main", "v1", "HEAD", "HEAD~2", "refs/heads/main"])
def test_resolves_git_names(history, name):
    revision = find(history, name)
    assert (revision.name, revision.commit, revision.is_workspace) == (
        name,
        hash_of(history, name),
        False,
    )
    subject = git(history, "log", "-1", "--format=%h %s", name)
    assert revision.title == f"{name} ({subject})"


def test_resolves_experiments(history):
    revision = find(history, "wider")
    (ref,) = git(
        history, "for-each-ref", "--format=%(objectname)", "refs/exps/*/*/wider"
    ).splitlines()
    assert (revision.commit, revision.checkout) == (ref, ref[:10])
    assert revision.title == f"wider ({ref[:7]} DVC experiment)"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stronge", "did you mean stronger?"),
        ("widr", "did you mean wider?"),
        ("worksapce", "did you mean workspace?"),
        ("zzz", "git branch -a, dvc exp list -A"),
        ("-n", "git branch -a, dvc exp list -A"),
        ("--all", "git branch -a, dvc exp list -A"),
        ("main..stronger", "did you mean"),
        ("HEAD:params.yaml", "git branch -a"),
        ("", "git branch -a"),
    ],
)
def test_unknown_name_suggests_similar_ones(history, name, hint):
    with pytest.raises(
        PixmillError, match=f"there is no commit, branch, tag or experiment '{name}'"
    ) as refusal:
        find(history, name)
    assert refusal.value.next.startswith(hint)


def chosen(root, base=None, head=None):
    before, after = choose(root, base, head)
    return before and before.commit, after.name


def test_branch_is_compared_with_merge_base(project):
    left = hash_of(project, "main")
    assert chosen(project) == (left, "workspace")
    assert choose(project, None, None)[0].name == "main"
    git(project, "switch", "main")
    git(project, "commit", "--allow-empty", "-m", "Go on")
    assert chosen(project, None, "stronger") == (left, "stronger")
    git(project, "switch", "stronger")
    before, _ = choose(project, None, None)
    assert (before.commit, before.name) == (left, left[:7])
    assert before.title == f"{left[:7]} (Reproduce the results), where main was left"
    git(project, "switch", "--detach")
    assert chosen(project) == (left, "workspace")


def test_default_base_on_main(project):
    git(project, "switch", "main")
    write(project / "notes.txt", "not an input")
    parent = hash_of(project, "HEAD~1")
    assert chosen(project) == (parent, "HEAD")
    git(project, "switch", "--detach")
    assert chosen(project) == (parent, "HEAD")
    for path in ("params.yaml", "decisions.csv", "plots/evaluate/full.json", "src/new.py"):
        write(project / path, "a: 1\n")
        assert chosen(project) == (hash_of(project, "HEAD"), "workspace"), path
        git(project, "stash", "--include-untracked")
    git(project, "switch", "main")
    git(project, "branch", "-m", "trunk")
    assert chosen(project) == (parent, "HEAD")


def test_prefers_the_remotes_main_branch(clone):
    git(clone, "switch", "-c", "main", "HEAD")
    assert chosen(clone) == (hash_of(clone, "origin/stronger~1"), "HEAD")  # origin/HEAD is stronger
    git(clone, "remote", "set-head", "origin", "main")
    git(clone, "switch", "-c", "more")
    assert chosen(clone) == (hash_of(clone, "origin/main"), "workspace")
    assert chosen(clone, "HEAD~1") == (hash_of(clone, "HEAD~1"), "workspace")
    assert chosen(clone, "HEAD~1", "origin/main") == (hash_of(clone, "HEAD~1"), "origin/main")


def test_first_commit_has_no_base(project):
    git(project, "switch", "--detach", "main~1")
    assert chosen(project) == (None, "HEAD")


@pytest.mark.parametrize("branch", ["main", "stronger"])
def test_shallow_clone_suggests_fetch(history, tmp_path, branch):
    git(tmp_path, "clone", "--depth", "1", "--branch", branch, history.as_uri(), "shallow")
    root = tmp_path / "shallow"
    with pytest.raises(PixmillError, match="this clone") as refusal:
        choose(root, None, None)
    subprocess.run(refusal.value.next, shell=True, cwd=root, check=True, capture_output=True)
    assert chosen(root)[0] == hash_of(history, f"{branch}~1")


def test_unrelated_branch_needs_a_base(project):
    git(project, "switch", "--orphan", "other")
    git(project, "commit", "--allow-empty", "-m", "Begin again")
    with pytest.raises(PixmillError, match="HEAD has no common commit with main") as refusal:
        choose(project, None, None)
    assert refusal.value.next == "name the base: pixmill compare BASE"


def test_without_repository_or_commits(tmp_path, monkeypatch):
    with pytest.raises(PixmillError, match="is not in a Git repository, so it has no 'main'"):
        find(tmp_path, "main")
    with (
        monkeypatch.context() as patch,
        pytest.raises(PixmillError, match="the program git is not on PATH"),
    ):
        patch.setenv("PATH", "")
        find(tmp_path, "main")
    git(tmp_path, "init")
    with pytest.raises(PixmillError, match="there is no commit yet") as refusal:
        choose(tmp_path, None, None)
    assert refusal.value.next == FIRST_COMMIT
