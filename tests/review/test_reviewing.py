"""A review from its start to Ctrl-C, and the image that it begins with."""

import getpass
import subprocess

import pytest

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.dataset.inbox import Inbox
from pixmill.review.review_session import Choice
from pixmill.review.reviewing import ReviewProject, default_name
from pixmill.review.serving import ReviewSite
from tests.experiments.compare.evaluated import start
from tests.experiments.compare.projects import record
from tests.review.conftest import jpeg
from tests.version_control import commit


@pytest.fixture
def dropped(project):
    """A project with a dropped image that can be kept."""
    project.add("coat", reason="too_small")
    project.write()
    return project


def test_serves_nothing_without_cases(project, capsys):
    project.fill("coat", 3)
    workspace = project.write()
    assert not ReviewSite(workspace).begin()
    assert not ReviewSite(workspace, only="outliers").begin()
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Nothing to review.", "Nothing to review in outliers."]


def add_feedback(project, content, label):
    inbox = Inbox(project.root / "inbox")
    return inbox.add(
        content, extension=".jpg", prediction={"label": "coat"}, label=label, model={"name": "m"}
    )


def test_reports_malformed_files_of_the_inbox(project, capsys):
    project.add("coat", content=jpeg(900))
    workspace = project.write()
    add_feedback(project, jpeg(900), "coat")
    (project.root / "inbox/corrections/broken").write_bytes(b"broken\n")
    assert not ReviewSite(workspace, only="feedback").begin()
    assert capsys.readouterr().err.splitlines() == [
        "Nothing to review in feedback.",
        "1 file of inbox/corrections/ cannot be read.",
    ]
    assert len(list((project.root / "inbox/corrections").iterdir())) == 1


@pytest.mark.parametrize(
    ("params", "folder", "command"),
    [
        ("source: folder, folder: {layout: fixed}", "data/train", "dvc repro"),
        ("source: bing", "data", "add folder to scrape.source in params.yaml, then: dvc repro"),
    ],
)
def test_next_command_after_feedback(dropped, params, folder, command):
    text = (dropped.root / "params.yaml").read_text()
    (dropped.root / "params.yaml").write_text(text.replace("source: folder", params))
    name = add_feedback(dropped, jpeg(900), "dress")
    shown = ReviewProject(Workspace(dropped.root, dropped.root), dropped.params())
    shown.session.decide(0, [Choice(name, "keep")], "")
    summary = "0 decisions written to review.csv, 1 image accepted into data/, 0 dropped."
    assert shown.end() == (summary, command)  # Without Git, there is nothing to commit.
    assert [path.read_bytes() for path in (dropped.root / folder / "dress").iterdir()] == [
        jpeg(900)
    ]


def test_flips_compare_the_workspace_with_its_base(project, monkeypatch):
    first = project.fill("coat", 12)[0]
    workspace = project.write()
    with (project.root / "params.yaml").open("a") as params:
        params.write("validate: {}\nsplit: {}\ntrain: {}\nevaluate: {}\n")
    start(project.root)
    (project.root / "review.csv").write_text("image,decision,label,by,why\n")
    with pytest.raises(PixmillError, match="HEAD: no predictions: "):
        ReviewProject(workspace, project.params(), only="flips")
    for shares, message in (({}, "Right"), ({first: (0.1, 0.8, 0.1)}, None)):
        project.predict(shares)
        record(project.root)
        if message:
            commit(project.root, message)
    (case,) = (
        case
        for case in ReviewProject(workspace, project.params()).session.cases
        if case.kind == "flips"
    )
    assert project.tables().ids[case.members[0]] == first
    assert case.why == (
        "Labelled 'coat', which the base's model predicted (100%); the model now predicts 'dress' "
        "(80%)."
    )


def test_default_name_is_from_git_or_the_login(tmp_path, monkeypatch):
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("LOGNAME", "maria")
    assert default_name(tmp_path) == getpass.getuser() == "maria"
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "-C", tmp_path, "config", "user.name", "Maria K"], check=True)
    assert default_name(tmp_path) == "Maria K"
    monkeypatch.setenv("PATH", "/nowhere")
    assert default_name(tmp_path) == "maria"


def test_review_from_start_to_end(project):
    name = project.add("coat", reason="too_small")
    shown = ReviewProject(project.write(), project.params(), by="mk")
    assert [case.kind for case in shown.session.cases] == ["dropped"]
    assert shown.remarks == []
    with shown:
        assert shown.session.overview()["by"] == "mk"
        assert shown.previews.get(name).startswith(b"\xff\xd8\xff")
        shown.session.decide(0, [Choice(name, "keep")], "")
    assert shown.previews.get(name) == "closed"
    assert shown.end() == ("1 decision written to review.csv.", "dvc repro")
    project.rows[name] |= {"verdict": "keep", "reason": None}
    done = ReviewProject(project.write(), project.params())
    assert (done.session.cases, done.remarks[0]) == ([], "Nothing to review.")


@pytest.fixture
def three(project):
    """Images that are kept, unreadable, and kept."""
    return project.add("coat"), project.add("shoe", reason="truncated"), project.add("dress")


def test_an_image_is_found_by_its_file_or_id(project, three):
    shown = ReviewProject(project.write(), project.params())
    file = project.root / "artifacts/scrape" / project.rows[three[1]]["path"]
    for name, expected in (
        (three[0], three[0]),
        (three[0][:8].upper(), three[0]),
        (str(file), three[1]),
    ):
        assert shown.find(name) == expected
    (project.root / "other.jpg").write_bytes(b"other")
    for name in ("0" * 8, three[0][:7], "data/c.jpg", str(project.root / "other.jpg")):
        with pytest.raises(PixmillError, match="names 0 images"):
            shown.find(name)


def test_the_tables_are_read_again_after_a_run(project, capsys):
    small = project.add("coat", reason="too_small")
    with ReviewSite(project.write()) as site:
        first = site.load()
        assert site.load() is first
        first.session.decide(0, [Choice(small, "keep")], "")
        project.add("dress", reason="too_small")
        project.write()
        assert len(site.current().session.cases) == 1
        assert len(site.load().session.cases) == 2
        assert capsys.readouterr().err == "1 decision written to review.csv.\n"
        assert site.end() == ["0 decisions written to review.csv."]


def test_starts_with_the_grid_if_only_unlabelled_images_wait(project):
    project.fill("coat", 3)
    workspace = project.write()
    (project.root / "data/unlabelled").mkdir(parents=True)
    (project.root / "data/unlabelled/new.jpg").write_bytes(jpeg(900))
    with ReviewSite(workspace) as site:
        assert site.begin()
        assert site.start == "review/grid/"
    assert not ReviewSite(workspace, only="outliers").begin()
    small = project.add("coat", reason="too_small")
    with ReviewSite(project.write(), image=small[:12]) as site:
        assert site.begin()
        assert site.start == f"review/?image={small}"
