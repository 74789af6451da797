"""The command finds its tables, opens a browser, ends at Ctrl-C and says what comes next."""

import getpass
import subprocess

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.review.review_session import Choice
from pixmill.review.reviewing import review
from pixmill.review.sitting import Ending, Sitting, default_name
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from tests.experiments.compare.evaluated import start
from tests.experiments.compare.projects import record
from tests.experiments.compare.tables import read_here
from tests.review.conftest import jpeg
from tests.version_control import commit


@pytest.fixture
def doubtful(project):
    """A project with an image that may be rescued."""
    project.add("coat", reason="too_small")
    project.write()
    return project


def test_where_nothing_is_in_doubt_nothing_is_served(project, capsys):
    project.fill("coat", 3)
    workspace = project.write()
    review(workspace, project.params(), open_browser=False)
    review(workspace, project.params(), only="outliers", open_browser=False)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Nothing to review.", "Nothing to review in outliers."]


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
        "1 file of inbox/corrections/ cannot be read.",
    ]
    assert len(list((project.root / "inbox/corrections").iterdir())) == 1


@pytest.mark.parametrize(
    ("params", "folder", "then"),
    [
        ("source: folder, folder: {layout: fixed}", "data/train", "dvc repro"),
        ("source: bing", "data", "add folder to scrape.source in params.yaml, then: dvc repro"),
    ],
)
def test_what_to_run_after_feedback_is_told(doubtful, params, folder, then):
    text = (doubtful.root / "params.yaml").read_text()
    (doubtful.root / "params.yaml").write_text(text.replace("source: folder", params))
    name = add_feedback(doubtful, jpeg(900), "dress")
    sitting = Sitting(Workspace(doubtful.root, doubtful.root), doubtful.params())
    sitting.session.decide(0, [Choice(name, "keep")], "")
    said = "0 decisions written to review.csv, 1 image accepted into data/, 0 dropped."
    assert sitting.end() == Ending(said, then)  # Where there is no Git, there is nothing to commit.
    assert [path.read_bytes() for path in (doubtful.root / folder / "dress").iterdir()] == [jpeg(900)]


def test_flips_are_those_of_the_workspace_and_its_base(project, monkeypatch):
    read_here(monkeypatch)
    first = project.fill("coat", 12)[0]
    workspace = project.write()
    with (project.root / "params.yaml").open("a") as params:
        params.write("validate: {}\nsplit: {}\ntrain: {}\nevaluate: {}\n")
    start(project.root)
    (project.root / "review.csv").write_text("image,decision,label,by,why\n")
    with pytest.raises(PixmillError, match="HEAD: no predictions: "):
        Sitting(workspace, project.params(), only="flips")
    for shares, message in (({}, "Right"), ({first: (0.1, 0.8, 0.1)}, None)):
        project.predict(shares)
        record(project.root)
        if message:
            commit(project.root, message)
    (case,) = (case for case in Sitting(workspace, project.params()).cases if case.kind == "flips")
    assert project.material().ids[case.members[0]] == first
    assert case.why == (
        "Labelled 'coat', which the base's model predicted (100%); the model now predicts 'dress' (80%)."
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
