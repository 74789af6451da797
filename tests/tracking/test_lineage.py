"""A run knows its commit, whether anything differed from it, and DVC's hash of what it stands on."""

from __future__ import annotations

import subprocess

import pytest

from pixmill.tracking.lineage import code_tags, data_hashes, data_tags

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
      md5: 33333333333333333333333333333333
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
def repository(tmp_path, monkeypatch):
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A. Person")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "person@example.org")
    (tmp_path / "params.yaml").write_text("classes: []\n")
    (tmp_path / "dvc.lock").write_text(LOCK)
    (tmp_path / "data.dvc").write_text(DATA)
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
    return tmp_path


def test_the_commit_is_named(repository):
    head = subprocess.check_output(["git", "-C", str(repository), "rev-parse", "HEAD"], text=True).strip()
    assert code_tags(repository) == {
        "mlflow.source.git.commit": head,
        "pixmill.commit": head,
        "pixmill.dirty": "false",
    }


@pytest.mark.parametrize("name", ["params.yaml", "stages.py", "src/new.py"])
def test_a_change_of_what_people_write_is_seen(repository, name):
    (repository / name).parent.mkdir(exist_ok=True)
    (repository / name).write_text("other")
    assert code_tags(repository)["pixmill.dirty"] == "true"


@pytest.mark.parametrize("name", ["dvc.lock", "metrics/split.json", "plots/train/curves.csv"])
def test_the_results_of_the_run_itself_are_no_change(repository, name):
    (repository / name).parent.mkdir(exist_ok=True, parents=True)
    (repository / name).write_text("other")
    assert code_tags(repository)["pixmill.dirty"] == "false"


def test_what_git_cannot_tell_is_not_said(repository):
    (repository / ".git" / "index").write_bytes(b"damaged")
    tags = code_tags(repository)
    assert "pixmill.commit" in tags
    assert "pixmill.dirty" not in tags


def test_an_experiment_is_named(repository, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wider-net")
    assert code_tags(repository)["DVC_EXP_NAME"] == "wider-net"


def test_outside_git_and_dvc_there_is_nothing_to_name(tmp_path):
    assert code_tags(tmp_path) == {}
    assert data_hashes(tmp_path) == {}


def test_hashes_are_of_what_the_training_stands_on(repository):
    assert data_hashes(repository) == {
        "artifacts/split": "22222222222222222222222222222222.dir",
        "data": "55555555555555555555555555555555.dir",
    }
    assert data_tags(repository)["pixmill.dvc.data"] == "55555555555555555555555555555555.dir"
