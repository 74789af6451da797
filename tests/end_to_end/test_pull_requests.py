"""Pull requests on a bare repository: the CI jobs, in clones like those of a CI service."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.browser]

WORSE = (("  epochs: 6", "  epochs: 1"), ("learning_rate: 0.001", "learning_rate: 0.0000001"))

_PYTHON = """\
#!/bin/sh
case "$*" in "-m pip"*) echo "the packages should be there" >&2; exit 1;; esac
PYTHONPATH={clone}/src exec {python} "$@"
"""

_STAMP = """\
chmod +x .venv/bin/*
version=$(.venv/bin/python -c 'import sys; print(sys.implementation.name, sys.version.split()[0])')
eval "$(grep ^content= .ci/setup)"
printf '%s in %s: %s' "$version" "$PWD" "$content" >.venv/ready
"""


def give_packages(clone: Path) -> None:
    """Install this interpreter with its packages as a finished `.ci/setup`."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    for name, text in {
        "python": _PYTHON.format(clone=clone, python=sys.executable),
        "dvc": f'#!/bin/sh\nexec {clone}/.venv/bin/python -m dvc "$@"\n',
        "pixmill": (
            f'#!/bin/sh\nexec {clone}/.venv/bin/python -c "from pixmill.cli import main; '
            'main()" "$@"\n'
        ),
    }.items():
        (clone / ".venv" / "bin" / name).write_text(text)
    subprocess.run(["sh", "-euc", _STAMP], cwd=clone, check=True)


class Repository:
    """A bare repository, its author's clone, and a DVC remote with the results of `main`."""

    def __init__(self, folder: Path, finished: Project) -> None:
        self.folder = folder
        self.author = Project(
            Path(shutil.copytree(finished.path, folder / "author", symlinks=True))
        )
        self.author.git("clone", "-q", "--bare", ".", str(folder / "bare.git"))
        self.author.git("remote", "add", "origin", str(folder / "bare.git"))
        self.add_remote(self.author)
        assert self.author.dvc("push", "-q").returncode == 0

    def add_remote(self, clone: Project) -> None:
        done = clone.dvc(
            "remote", "add", "-q", "--local", "-d", "storage", str(self.folder / "storage")
        )
        assert done.returncode == 0, done.stderr

    def push(self, branch: str, *edits: tuple[str, str]) -> None:
        """Push a branch of main with edited params and without results."""
        self.author.git("checkout", "-q", "-B", branch, "main")
        self.author.edit(*edits)
        self.author.commit(f"Change {branch}")
        self.author.git("push", "-q", "-f", "origin", branch)

    def job(self, branch: str, path: Path, *, remote: bool) -> Project:
        """Clone like a CI service: all branches, detached at the merge of main and the branch."""
        self.author.git("clone", "-q", str(self.folder / "bare.git"), str(path))
        clone = Project(path)
        clone.git("checkout", "-q", "--detach", "origin/main")
        clone.git("merge", "-q", "--no-ff", "-m", f"Merge {branch}", f"origin/{branch}")
        give_packages(path)
        if remote:
            self.add_remote(clone)
        return clone


@pytest.fixture(scope="module")
def repository_with_remote(
    finished: Project, tmp_path_factory: pytest.TempPathFactory
) -> Repository:
    return Repository(tmp_path_factory.mktemp("team"), finished)


@pytest.fixture
def new_job(repository_with_remote: Repository, tmp_path: Path) -> Callable[..., Project]:
    jobs = []

    def make(branch: str, *, remote: bool) -> Project:
        jobs.append(branch)
        return repository_with_remote.job(branch, tmp_path / f"job{len(jobs)}", remote=remote)

    return make


def compare(job: Project) -> tuple[int, str, str]:
    """Run the job; return exit status, output and comparison, which must be its summary."""
    head = job.git("rev-parse", "HEAD")
    summary = job.path.parent / f"{job.path.name}.summary"
    done = job.run(".ci/compare", "origin/main", GITHUB_STEP_SUMMARY=str(summary))
    text = (job.path / "reports" / "compare.md").read_text(encoding="utf-8")
    assert summary.read_text(encoding="utf-8") == text
    assert job.git("rev-parse", "HEAD") == head
    return done.returncode, done.stdout + done.stderr, text


def test_worse_model_fails_the_job_without_remote(repository_with_remote, new_job) -> None:
    repository_with_remote.push("worse", *WORSE)
    job = new_job("worse", remote=False)
    # As on a runner that keeps its folder, without the outputs of evaluate: no remote has these
    # images.
    for kept in ("data", "artifacts", "reports", ".dvc/cache"):
        shutil.copytree(
            repository_with_remote.author.path / kept, job.path / kept, dirs_exist_ok=True
        )
    shutil.copy(repository_with_remote.author.path / "mlflow.db", job.path)
    shutil.rmtree(job.path / "artifacts" / "evaluate")
    outs = {out["path"]: out["md5"] for out in job.lock()["stages"]["evaluate"]["outs"]}
    digest = outs["artifacts/evaluate"]
    (job.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).unlink()
    code, printed, text = compare(job)
    assert code == 1, printed
    # Both sides are reproduced.
    assert re.findall(r"Running stage '(\w+)'", printed) == ["evaluate", "train", "evaluate"]
    assert text.startswith("**Worse")
    assert "Gate: fail" in text
    assert "train.learning\\_rate" in text
    assert all(
        (job.path / "reports" / f"compare.{suffix}").stat().st_size for suffix in ("html", "md")
    )


def test_failing_stage_is_reported_with_its_output(repository_with_remote, new_job) -> None:
    repository_with_remote.push("strict", ("    count: 30", "    count: 5000"))
    job = new_job("strict", remote=True)
    code, printed, text = compare(job)
    assert code == 1, printed
    assert "`dvc repro --pull --allow-missing` failed, in stage `validate`" in text
    assert "min_per_class" in text or "5,000" in text
    assert (job.path / "reports" / "validate.html").is_file()


def test_without_images_compares_metrics_and_keeps_uncommitted_files(
    repository_with_remote, new_job
) -> None:
    repository_with_remote.push("seed", ("  seed: 7", "  seed: 8"))
    job = new_job("seed", remote=False)
    code, printed, text = compare(job)
    assert code == 0, printed
    assert "Nothing was reproduced, since the images cannot be had" in text
    assert "dvc pull data.dvc" in text
    assert "not comparable" in text.lower() or "cannot be compared" in text.lower()

    job.edit(("  seed: 8", "  seed: 9"))
    (job.path / "notes.txt").write_text("mine")
    done = job.run(".ci/compare", "origin/main")
    assert done.returncode == 2
    assert "Next: commit them, or run: pixmill compare origin/main" in done.stderr
    assert job.git("status", "--porcelain").split() == ["M", "params.yaml", "??", "notes.txt"]
