"""A run knows its commit, whether anything differed, and DVC's hash of its inputs."""

import pytest

from pixmill import __version__
from pixmill.tracking.lineage import code_tags, data_hashes, data_tags, project_id
from tests.version_control import commit, git, start_repository

LOCK = """
schema: '2.0'
stages:
  split:
    cmd: python -m stages.split
    deps:
    - path: artifacts/validate
      hash: md5
      md5: 11111111111111111111111111111111.dir
    outs:
    - path: artifacts/split
      hash: md5
      md5: 22222222222222222222222222222222.dir
      size: 10
    - path: metrics/split.json
      hash: md5
      md5: "33333333333333333333333333333333"
  train:
    cmd: python -m stages.train
    outs:
    - path: artifacts/train
      hash: md5
      md5: 44444444444444444444444444444444.dir
"""
DATA = """
outs:
- md5: 55555555555555555555555555555555.dir
  path: data
"""


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "params.yaml").write_text("classes: []\n")
    (tmp_path / "dvc.lock").write_text(LOCK)
    (tmp_path / "data.dvc").write_text(DATA)
    commit(start_repository(tmp_path))
    return tmp_path


def test_the_commit_is_named(repository):
    head = git(repository, "rev-parse", "HEAD")
    (repository / "pixmill.lock").write_text("pixmill: 0.1.0\n")
    assert code_tags(repository) == {
        "pixmill.version": __version__,
        "mlflow.source.git.commit": head,
        "pixmill.commit": head,
        "pixmill.project": f"{head}:",
        "pixmill.dirty": "true",  # the lock is new
    }


def test_a_project_is_the_same_in_each_clone_and_on_each_branch(repository, tmp_path_factory):
    first = git(repository, "rev-parse", "HEAD")
    mine = project_id(repository)
    assert mine == f"{first}:" == code_tags(repository)["pixmill.project"]
    git(repository, "switch", "-q", "-c", "branch")
    (repository / "new").touch()
    commit(repository)
    other = start_repository(tmp_path_factory.mktemp("other"))
    (other / "foreign").touch()
    commit(other)
    git(repository, "fetch", "-q", str(other), "main")
    git(repository, "merge", "-q", "--allow-unrelated-histories", "-m", "Merge", "FETCH_HEAD")
    assert project_id(repository) == mine
    clone = tmp_path_factory.mktemp("clones")
    git(clone, "clone", "-q", str(repository), "clone")
    git(clone, "clone", "-q", "--depth", "1", repository.as_uri(), "shallow")
    assert project_id(clone / "clone") == mine
    assert project_id(clone / "shallow") is None
    assert "pixmill.project" not in code_tags(clone / "shallow")
    assert project_id(other) != mine


def test_projects_of_one_repository_differ_by_their_folder(repository):
    (repository / "it's apps" / "shoes").mkdir(parents=True)
    assert (
        project_id(repository / "it's apps" / "shoes")
        == f"{project_id(repository)}it%27s%20apps/shoes/"
    )


def test_outside_git_and_dvc_there_is_nothing_to_name(tmp_path):
    assert project_id(tmp_path) is None
    assert project_id(start_repository(tmp_path / "empty")) is None
    assert code_tags(tmp_path) == {"pixmill.version": __version__}
    assert data_hashes(tmp_path) == {}


def test_a_training_ends_with_a_record_where_git_fails_late(repository, capsys):
    (repository / ".git/index").write_text("broken")
    assert code_tags(repository)["pixmill.commit"] == git(repository, "rev-parse", "HEAD")
    assert "pixmill.dirty" not in code_tags(repository)
    assert "warning" in capsys.readouterr().err


def test_hashes_are_of_what_the_training_stands_on(repository):
    assert data_hashes(repository) == {
        "artifacts/split": "22222222222222222222222222222222.dir",
        "data": "55555555555555555555555555555555.dir",
    }
    assert data_tags(repository)["pixmill.dvc.data"] == "55555555555555555555555555555555.dir"
