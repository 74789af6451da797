"""The command finds its tables, opens a browser, ends at Ctrl-C and says what comes next."""

import getpass
import os
import signal
import subprocess
import time

import psutil
import pytest

from pixmill.cli import main
from pixmill.core.errors import PixmillError
from pixmill.review.reviewing import review
from pixmill.review.sitting import default_name
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from tests.compare.evaluated import start
from tests.compare.projects import record
from tests.review.conftest import jpeg
from tests.version_control import commit, git


@pytest.fixture
def doubtful(project):
    """A project with an image that may be rescued."""
    project.add("coat", reason="too_small")
    project.write()
    return project


def test_it_serves_until_ctrl_c_and_leaves_no_process(doubtful, begin):
    sitting = begin(doubtful.root, "--no-open")
    assert sitting.first.startswith("1 case to review at http://127.0.0.1:")
    assert sitting.visitor.ask("")[0] == 200
    assert sitting.visitor.ask(f"image/{next(iter(doubtful.rows))}")[0] == 200
    children = psutil.Process(sitting.pid).children(recursive=True)
    code, told = sitting.end()
    assert (code, told.splitlines()[1:]) == (0, ["", "0 decisions written to review.csv."])
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_sigterm_ends_it_as_ctrl_c_does(doubtful, begin):
    sitting = begin(doubtful.root, "--no-open")
    name = next(iter(doubtful.rows))
    sitting.decide(0, name, "keep")
    children = psutil.Process(sitting.pid).children(recursive=True)
    os.kill(sitting.pid, signal.SIGTERM)
    code, told = sitting.end()
    assert (code, told.splitlines()[1:]) == (0, ["", "1 decision written to review.csv.", "Next: dvc repro"])
    _, alive = psutil.wait_procs(children, timeout=60)
    assert alive == []


def test_it_opens_a_browser_at_its_address(doubtful, begin, tmp_path):
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.part && mv {seen}.part {seen}\n')
    browser.chmod(0o755)
    sitting = begin(doubtful.root, BROWSER=f"{browser} %s")
    deadline = time.monotonic() + 60
    while not seen.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert seen.read_text().strip() == sitting.address


def test_what_is_missing_is_told_with_the_command(doubtful, monkeypatch, capsys):
    monkeypatch.chdir(doubtful.root)
    (doubtful.root / "artifacts/validate/manifest.parquet").unlink()
    with pytest.raises(SystemExit) as stop:
        main(["review", "--no-open"])
    assert stop.value.code == 1
    assert capsys.readouterr().err.endswith("manifest.parquet is missing\nNext: dvc repro validate\n")


def test_a_malformed_line_is_told_at_the_start(doubtful, monkeypatch, capsys):
    monkeypatch.chdir(doubtful.root)
    doubtful.review.write_text("image,decision,label,by,why\nx\n")
    with pytest.raises(SystemExit) as stop:
        main(["review", "--no-open"])
    assert stop.value.code == 1
    assert "review.csv, line 2: expected 5 values" in capsys.readouterr().err


def test_where_nothing_is_in_doubt_nothing_is_served(project, capsys):
    project.fill("coat", 3)
    workspace = project.write()
    review(workspace, project.params(), open_browser=False)
    review(workspace, project.params(), only="outliers", open_browser=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "Nothing to review."
    assert "Labels have not been checked yet." in lines[1]
    assert lines[-1] == "Nothing to review in outliers."


def test_an_inbox_that_is_not_there_is_said(project):
    project.fill("coat", 3)
    with pytest.raises(PixmillError, match="elsewhere does not exist"):
        review(project.write(), project.params(), inbox=project.root / "elsewhere", open_browser=False)


def add_feedback(project, content, label):
    inbox = Inbox(project.root / "inbox")
    told = {"extension": ".jpg", "prediction": {"label": "coat"}, "label": label, "model": {"name": "m"}}
    return inbox.add(content, correction_of(content, **told))


def test_what_of_the_inbox_is_not_shown_is_told(project, capsys):
    project.add("coat", content=jpeg(900))
    workspace = project.write()
    add_feedback(project, jpeg(900), "coat")
    (project.root / "inbox/corrections/broken").write_bytes(b"broken\n")
    review(workspace, project.params(), only="feedback", open_browser=False)
    assert capsys.readouterr().err.splitlines() == [
        "Nothing to review in feedback.",
        f"Skipped 1 object of {project.root / 'inbox/corrections'}/ that cannot be read as one.",
    ]
    assert len(list((project.root / "inbox/corrections").iterdir())) == 1


@pytest.mark.parametrize(
    ("params", "folder", "told"),
    [
        (
            "source: folder",
            "data",
            "Next: dvc repro",
        ),
        ("source: folder, folder: {layout: fixed}", "data/train", "Next: dvc repro"),
        ("source: bing", "data", "Next: set scrape.source: [bing, folder] in params.yaml, then: dvc repro"),
    ],
)
def test_what_to_run_after_feedback_is_told(doubtful, begin, params, folder, told):
    text = (doubtful.root / "params.yaml").read_text()
    (doubtful.root / "params.yaml").write_text(text.replace("source: folder", params))
    name = add_feedback(doubtful, jpeg(900), "dress")
    sitting = begin(doubtful.root, "--no-open")
    sitting.decide(0, name, "keep")
    code, said = sitting.end()
    *_, empty, moved, last = said.splitlines()
    assert (code, empty) == (0, "")
    assert moved == (
        "1 image accepted into data/, 0 dropped. The inbox keeps them until a commit's data.dvc holds them."
    )
    assert last == told  # Where there is no Git, there is nothing to commit.
    assert [path.read_bytes() for path in (doubtful.root / folder / "dress").iterdir()] == [jpeg(900)]


def test_flips_are_those_of_the_workspace_and_its_base(project, begin, capsys):
    first = project.fill("coat", 12)[0]
    workspace = project.write()
    with (project.root / "params.yaml").open("a") as params:
        params.write("validate: {}\nsplit: {}\ntrain: {}\nevaluate: {}\n")
    start(project.root)
    (project.root / "review.csv").write_text("image,decision,label,by,why\n")
    review(workspace, project.params(), only="flips", open_browser=False)
    assert capsys.readouterr().err.startswith("Nothing to review in flips. HEAD: no predictions: ")
    for shares, message in (({}, "Right"), ({first: (0.1, 0.8, 0.1)}, None)):
        project.predict(shares)
        record(project.root)
        if message:
            commit(project.root, message)
    sitting = begin(project.root, "--no-open")
    (case,) = (case for case in sitting.cases() if case["kind"] == "flips")
    assert case["images"][0]["id"] == first
    assert case["why"] == (
        "Labelled 'coat', which the base's model predicted (100%); the model now predicts 'dress' (80%)."
    )


def test_where_there_is_no_base_there_are_no_flips_and_why(project, capsys):
    workspace, params = project.write(), project.params()
    with pytest.raises(PixmillError, match="is in no Git repository"):
        review(workspace, params, only="flips", open_browser=False)
    git(project.root, "init", "-qb", "main")
    commit(project.root, "Begin")
    review(workspace, params, only="flips", open_browser=False)
    assert capsys.readouterr().err == (
        "Nothing to review in flips. There is nothing to compare with: this is the first commit.\n"
    )


def test_who_sits_here_is_told_by_git_or_by_the_login(tmp_path, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("LOGNAME", "maria")
    assert default_name(tmp_path) == getpass.getuser() == "maria"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "user.name", "Maria K"], check=True)
    assert default_name(tmp_path) == "Maria K"
    monkeypatch.setenv("PATH", "/nowhere")
    assert default_name(tmp_path) == "maria"
