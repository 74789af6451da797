""".ci/stale.py on a pipeline of two stages with small results in Git, in clones without data and artifacts."""

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
        subprocess.run(
            command,
            cwd=self.root,
            env={**os.environ, "PATH": path},
            check=True,
            capture_output=True,
        )

    def commit(self):
        self.run("git", "add", "--all")
        self.run(
            "git",
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b.test",
            "commit",
            "--quiet",
            "--message",
            "Change",
        )

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def check(self):
        return subprocess.run([sys.executable, STALE, self.root], capture_output=True, text=True)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory):
    """A project whose last commit has the results of a full run."""
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


def test_full_run_is_current_despite_uncommitted_changes(project):
    project.write("second.py", "# not committed\n")
    done = project.check()
    assert (done.returncode, done.stderr) == (0, "")


def test_commit_without_results_fails(project):
    project.write("second.py", "pass\n")
    project.write("params.yaml", "first: {n: 2}\n")
    project.write("metrics/first.json", '{"n": 2}')
    (project.root / "metrics/second.json").unlink()
    project.commit()
    done = project.check()
    assert done.returncode == 1
    for line in (
        "second: second.py modified",
        "first: params.yaml: first modified",
        "first: metrics/first.json modified",
        "second: metrics/second.json deleted",
    ):
        assert line in done.stderr
    assert "Next: dvc repro" in done.stderr


def test_new_data_without_results_fails(project):
    project.write("data/image", "two")
    project.run("dvc", "add", "--quiet", "data")
    project.commit()
    assert "first: data does not match dvc.lock" in project.check().stderr


def test_partial_run_fails(project):
    project.write("first.py", STAGE.format(name="first").replace('"first")', '"other")'))
    project.run("dvc", "repro", "--quiet", "first")
    project.commit()
    assert "second: artifacts/first does not match dvc.lock" in project.check().stderr


def test_malformed_pipeline_fails(project):
    project.write("dvc.yaml", PIPELINE + "oops: [\n")
    project.commit()
    done = project.check()
    assert done.returncode == 1
    assert "dvc.yaml" in done.stderr
