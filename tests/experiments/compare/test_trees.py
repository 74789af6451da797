"""Files of a revision from Git, DVC's cache and its remote."""

import shutil

import pytest

from pixmill.experiments.compare.git_revisions import find
from pixmill.experiments.compare.trees import DvcStore, Tree
from tests.experiments.compare.projects import IDS, begin, produce, record, write
from tests.version_control import dvc_repo, git

PREDICTIONS = "artifacts/evaluate/predictions.parquet"
IMAGE = f"artifacts/scrape/{IDS[0]}.png"


def tree(root, name):
    return Tree(DvcStore(root), find(root, name))


def set_remote(root, url):
    with dvc_repo(root) as repo, repo.config.edit("local") as config:
        config["remote"] = {"store": {"url": str(url)}}
        config["core"]["remote"] = "store"


def test_reads_files_without_checkout(project):
    before = {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if ".git" not in path.parts
    }
    for name, text in (
        ("v1", "weights of 3"),
        ("stronger", "weights of 9"),
        ("wider", "weights of 12"),
    ):
        here = tree(project, name)
        assert here.read("artifacts/train/model.weights.h5") == text.encode()
        assert here.read(IMAGE) == f"image {IDS[0]}".encode()
        assert (
            here.read("params.yaml")
            == git(project, "show", f"{here.revision.commit}:params.yaml").encode() + b"\n"
        )
        assert (
            here.read("nothing.txt")
            is here.read("artifacts/evaluate/nothing")
            is here.read("artifacts/no/t")
            is None
        )
        assert here.trouble(PREDICTIONS) is None
    after = {
        path: path.stat().st_mtime_ns for path in project.rglob("*") if ".git" not in path.parts
    }
    assert {path for path in before if after.get(path) != before[path]} <= {
        project / ".dvc" / "tmp"
    }


@pytest.mark.parametrize("name", ["workspace", "v1"])
def test_paths_stay_in_the_project(project, name):
    write(project.parent / "secret", "a secret")
    here = tree(project, name)
    assert here.read("../secret") is here.read(str(project.parent / "secret")) is None
    assert here.read("artifacts/../../secret") is None


def test_workspace_results_match_the_lock(project):
    here = tree(project, "workspace")
    expected = (project / PREDICTIONS).read_bytes()
    write(project / PREDICTIONS, "of another run")
    assert here.read(PREDICTIONS) == expected
    shutil.rmtree(project / "artifacts")
    assert here.read(PREDICTIONS) == expected


def test_remote_does_not_fill_the_cache(history, clone, tmp_path):
    project = shutil.copytree(history, tmp_path / "project", symlinks=True)
    for root in (project, clone):
        set_remote(root, tmp_path / "remote")
    with dvc_repo(project) as repo:
        repo.push(all_commits=True)
    for name in ("origin/main", "HEAD", "workspace"):
        assert tree(clone, name).read(PREDICTIONS) == tree(
            project, name.removeprefix("origin/")
        ).read(PREDICTIONS)
    assert not (clone / ".dvc" / "cache" / "files").exists()
    shutil.rmtree(tmp_path / "remote")
    here = tree(clone, "origin/main")
    assert here.read(PREDICTIONS) is None
    assert here.trouble(PREDICTIONS).startswith(
        "the remote 'store' lacks them or is out of reach; to add them, where "
    )


def test_project_in_a_subfolder(history, tmp_path):
    from dvc.repo import Repo

    root = tmp_path / "all" / "images"
    root.mkdir(parents=True)
    git(root.parent, "init", "--initial-branch", "main")
    Repo.init(str(root), subdir=True).close()
    begin(root)
    produce(root, epochs=3, wrong=4)
    record(root, "Reproduce the results")
    for name in ("HEAD", "workspace"):
        assert tree(root, name).read(PREDICTIONS) == (root / PREDICTIONS).read_bytes()
        assert tree(root, name).md5(PREDICTIONS)
    assert tree(root, "HEAD").read("params.yaml") == (root / "params.yaml").read_bytes()


def test_damaged_cache_file(project):
    here = tree(project, "v1")
    digest = here.md5(PREDICTIONS)
    file = project / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:100])
    assert here.read(PREDICTIONS) is None
    assert f"rm -f {file.relative_to(project)} && git checkout v1" in here.trouble(PREDICTIONS)
