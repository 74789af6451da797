"""A pipeline of two stages with small results in Git, judged from clones that have neither data nor artifacts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

STALE = Path(__file__).parents[2] / ".ci" / "stale.py"

PIPELINE = """\
stages:
  first:
    cmd: python first.py
    deps: [first.py, data]
    params: [first]
    outs: [artifacts/first]
    metrics:
    - metrics/first.json:
        cache: false
  second:
    cmd: python second.py
    deps: [second.py, artifacts/first]
    outs: [artifacts/second]
    metrics:
    - metrics/second.json:
        cache: false
"""

STAGE = """\
from pathlib import Path
Path("artifacts/{name}").mkdir(parents=True)
Path("metrics").mkdir(exist_ok=True)
Path("artifacts/{name}/out").write_text("{name}")
Path("metrics/{name}.json").write_text('{{"n": 1}}')
"""


class Project:
    def __init__(self, root):
        self.root = root

    def run(self, *command):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(command, cwd=self.root, env={**os.environ, "PATH": path}, check=True, capture_output=True)

    def commit(self):
        self.run("git", "add", "--all")
        self.run("git", "-c", "user.name=A", "-c", "user.email=a@b.test", "commit", "--quiet", "--message", "Change")

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def judge(self):
        return subprocess.run([sys.executable, STALE, self.root], capture_output=True, text=True)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """Return a project whose last commit carries the results of a full run."""
    project = Project(tmp_path_factory.mktemp("reproduced"))
    project.run("git", "init", "--quiet")
    project.run("dvc", "init", "--quiet")
    project.write("data/image", "one")
    project.write("dvc.yaml", PIPELINE)
    project.write("params.yaml", "first: {n: 1}\n")
    project.write(".gitignore", "/data\n/artifacts/\n")
    for name in ("first", "second"):
        project.write(f"{name}.py", STAGE.format(name=name))
    project.run("dvc", "add", "--quiet", "data")
    project.run("dvc", "repro", "--quiet")
    project.commit()
    return project


@pytest.fixture
def project(reproduced, tmp_path):
    return Project(shutil.copytree(reproduced.root, tmp_path / "project", symlinks=True))


def test_results_of_a_full_run_are_current_whatever_is_not_committed(project):
    project.write("second.py", "# not committed\n")
    judged = project.judge()
    assert (judged.returncode, judged.stderr) == (0, "")


def test_a_commit_without_its_results_fails_and_names_stage_and_file(project):
    project.write("second.py", "pass\n")
    project.write("params.yaml", "first: {n: 2}\n")
    project.write("metrics/first.json", '{"n": 2}')
    (project.root / "metrics/second.json").unlink()
    project.commit()
    judged = project.judge()
    assert judged.returncode == 1
    for named in (
        "second: second.py modified",
        "first: params.yaml: first modified",
        "first: metrics/first.json modified",
        "second: metrics/second.json deleted",
    ):
        assert named in judged.stderr
    assert "Next: dvc repro" in judged.stderr


def test_new_data_without_its_results_fails(project):
    project.write("data/image", "two")
    project.run("dvc", "add", "--quiet", "data")
    project.commit()
    assert "first: data does not match dvc.lock" in project.judge().stderr


def test_half_a_run_fails(project):
    project.write("first.py", STAGE.format(name="first").replace('"first")', '"other")'))
    project.run("dvc", "repro", "--quiet", "first")
    project.commit()
    assert "second: artifacts/first does not match dvc.lock" in project.judge().stderr


def test_a_pipeline_that_cannot_be_read_fails(project):
    project.write("dvc.yaml", PIPELINE + "oops: [\n")
    project.commit()
    judged = project.judge()
    assert judged.returncode == 1
    assert "dvc.yaml" in judged.stderr
