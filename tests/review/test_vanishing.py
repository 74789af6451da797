"""Decisions survive DVC and Git commands that remove uncommitted files."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.cli import main
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.dataset.inbox import Inbox
from pixmill.review.recovery import restore
from pixmill.review.serving import ReviewSite
from tests.review.conftest import Project, Review, jpeg
from tests.version_control import dvc_repo, start_repository

pytestmark = pytest.mark.slow

PIPELINE = """\
stages:
  count:
    cmd: find data -type f | wc -l > count.txt
    deps: [data, decisions.csv]
    params: [scrape]
    outs: [count.txt]
"""

ACCEPTED = [hashlib.sha256(jpeg(900 + number)).hexdigest() for number in range(12)]


def run(root, *command):
    """Run DVC or Git, and return the output."""
    words = (
        [sys.executable, "-m", *command]
        if command[0] == "dvc"
        else ["git", "-c", "user.name=a", *command[1:]]
    )
    environ = os.environ | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "user.email",
        "GIT_CONFIG_VALUE_0": "a@b",
    }
    done = subprocess.run(
        words, cwd=root, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def follow(root, output):
    """Run the commit command in a message."""
    (command,) = {
        line.removeprefix("Next: ").split(", then: ")[0]
        for line in output.splitlines()
        if " commit " in line
    }
    environ = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    names = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    subprocess.run(
        ["bash", "-ec", command], cwd=root, env=environ | names, check=True, capture_output=True
    )


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """A project with a remote, an experiment, and twelve corrections in its inbox."""
    folder = tmp_path_factory.mktemp("committed")
    project = Project(folder / "project")
    project.root.mkdir()
    for number in range(4):
        name = project.add("coat", content=jpeg(number), reason="too_small" if number else None)
        (project.root / "data/coat").mkdir(parents=True, exist_ok=True)
        shutil.copy(
            project.root / "artifacts/scrape" / project.rows[name]["path"],
            project.root / "data/coat",
        )
    project.write()
    with (project.root / "params.yaml").open("a") as params:
        params.write("validate: {}\nsplit: {}\ntrain: {}\nevaluate: {}\n")
    project.decisions.write_text("image,label,answer,split,by,why\n")
    (project.root / "dvc.yaml").write_text(PIPELINE)
    (project.root / ".gitignore").write_text(
        "/data\n/inbox/\n/artifacts/\n/.pixmill/\n/count.txt\n"
    )
    root = start_repository(project.root, with_dvc=True)
    (root / ".dvc/config").write_text(
        "[core]\n    remote = storage\n['remote \"storage\"']\n    url = ../../remote\n"
    )
    with dvc_repo(root) as repo:
        repo.add("data")
    run(root, "dvc", "repro", "-q")
    run(root, "git", "add", "-A")
    run(root, "git", "commit", "-qm", "Begin")
    with dvc_repo(root) as repo:
        repo.push()
    run(root, "dvc", "exp", "run", "--temp", "-n", "other", "-S", "scrape.snapshot=2026-11-21")
    inbox = Inbox(root / "inbox")
    for number in range(12):
        correction = {
            "prediction": {"label": "coat", "confidence": 0.6},
            "label": "dress",
            "model": {"name": "m"},
        }
        inbox.add(jpeg(900 + number), extension=".jpg", **correction)
    return project


def decide(project):
    """Start a review, accept the twelve images, and keep three dropped ones."""
    running = Review(project.root, "--no-open")
    assert running.address, running.end()
    for case in running.cases():
        (image,) = case["images"]
        if image["verdict"] == "new" or image["reason"]:
            running.decide(case["number"], image["id"], "keep")
    return running


def copied(project, folder):
    shutil.copytree(project.root.parent, folder / "copy", symlinks=True)
    copy = Project(folder / "copy/project")
    copy.rows = project.rows
    return copy


@pytest.fixture(scope="module")
def decided(committed, tmp_path_factory):
    """The project after a review that ended with Ctrl-C, and the output of the review."""
    project = copied(committed, tmp_path_factory.mktemp("decided"))
    running = decide(project)
    code, output = running.end()
    assert code == 0
    return project, output


@pytest.fixture
def project(decided, tmp_path):
    return copied(decided[0], tmp_path)


def in_data(project):
    return {
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (project.root / "data").rglob("*.jpg")
    }


def checked(project, monkeypatch, capsys):
    """Return the output of `pixmill doctor --quick`."""
    monkeypatch.chdir(project.root)
    capsys.readouterr()
    with contextlib.suppress(SystemExit):  # Classes without images are an error.
        main(["doctor", "--quick"])
    return capsys.readouterr().out


def assert_restored(project):
    assert set(ACCEPTED) <= in_data(project)
    assert len(project.said()) == 15


@pytest.mark.parametrize(
    "commands",
    [
        [("dvc", "exp", "apply", "other"), ("dvc", "gc", "-w", "-f")],
        [("git", "checkout", "-q", "."), ("dvc", "pull", "-q", "-f")],
    ],
    ids=["apply and gc", "pull"],
)
def test_restores_lost_decisions(project, monkeypatch, capsys, commands):
    for command in commands:
        run(project.root, *command)
    assert not set(ACCEPTED) & in_data(project)
    assert project.said() == set()
    before = (in_data(project), project.decisions.read_bytes())
    output = checked(project, monkeypatch, capsys)
    assert "12 accepted images missing from data/: data/dress/feedback-" in output
    assert "15 decisions missing from decisions.csv: " in output
    assert "Next: pixmill review --restore" in output
    assert not ReviewSite(Workspace(project.root, project.root), only="feedback").begin()
    assert "12 accepted images missing from data/" in capsys.readouterr().err
    assert (
        in_data(project),
        project.decisions.read_bytes(),
    ) == before  # Nothing is restored automatically.
    restore(Workspace(project.root, project.root), load_params(project.root))
    output = capsys.readouterr().err
    assert "Restored: 12 images, 15 decisions." in output
    assert_restored(project)
    follow(project.root, output)
    assert run(project.root, "git", "status", "--porcelain", "data.dvc", "decisions.csv") == ""


def test_committed_decisions_leave_the_inbox(project, decided, monkeypatch, capsys):
    assert "commit" in checked(project, monkeypatch, capsys)
    follow(project.root, decided[1])
    assert "commit" not in checked(project, monkeypatch, capsys)
    next((project.root / "inbox/corrections").iterdir()).unlink()  # The log still knows it.
    assert not ReviewSite(Workspace(project.root, project.root), only="feedback").begin()
    assert Inbox(project.root / "inbox").entries() == ([], 0)
    assert (project.root / "inbox/decided.jsonl").read_text() == ""
    run(project.root, "dvc", "exp", "apply", "other")
    run(
        project.root,
        "git",
        "checkout",
        "-q",
        "main",
        "--",
        "data.dvc",
        "decisions.csv",
        "params.yaml",
        "dvc.lock",
    )
    run(project.root, "dvc", "checkout", "-q")
    assert set(ACCEPTED) <= in_data(project)
    assert len(project.said()) == 15
