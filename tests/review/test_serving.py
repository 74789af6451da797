"""A review from its start to Ctrl-C, and the image that it begins with."""

import getpass
import subprocess

import pytest

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.params import load_params
from pixmill.dataset.deciding import default_name
from pixmill.dataset.inbox import Inbox
from pixmill.review.case_view import find_row
from pixmill.review.review_session import Session
from pixmill.review.serving import ReviewSite, end_session
from tests.dataset.test_corrections_file import document, write
from tests.experiments.compare.evaluated import start
from tests.experiments.compare.projects import record
from tests.review.conftest import Desk, fill, jpeg
from tests.version_control import commit


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


def test_a_correction_that_arrives_later_is_a_case(project):
    project.add("coat", reason="too_small")
    with ReviewSite(project.write()) as site:
        before = site.load()
        assert site.load() is before
        add_feedback(project, jpeg(900), "dress")
        assert len(site.load().cases) == len(before.cases) + 1


def test_corrections_from_a_file_are_cases(project, tmp_path):
    project.fill("coat", 3)
    images = {"1": jpeg(900), "2": jpeg(901)}
    file = write(tmp_path / "corrections.zip", images, document([*images]))
    with ReviewSite(project.write()) as site:
        assert site.begin(file)
        cases = site.current().cases
    assert [case.kind for case in cases] == ["feedback", "feedback"]
    for case, label in zip(cases, ["'dress'", "none of the classes"], strict=True):
        assert f"garments said 'coat' (75 %); it was corrected to {label}" in case.why


@pytest.mark.parametrize(
    ("params", "folder", "command"),
    [
        ("source: folder, folder: {layout: fixed}", "data/train", "dvc repro"),
        ("source: bing", "data", "add folder to scrape.source in params.yaml, then: dvc repro"),
    ],
)
def test_next_command_after_feedback(project, params, folder, command):
    project.add("coat", reason="too_small")
    project.write()
    text = (project.root / "params.yaml").read_text()
    (project.root / "params.yaml").write_text(text.replace("source: folder", params))
    for part in ("train", "test"):
        (project.root / "data" / part).mkdir(parents=True)
    name = add_feedback(project, jpeg(900), "dress")
    desk = Desk(project.root)
    desk.decide("keep", name)
    # Without Git, there is nothing to commit.
    assert end_session(desk.session)[1] == command
    assert [path.read_bytes() for path in (project.root / folder / "dress").iterdir()] == [
        jpeg(900)
    ]


def test_flips_compare_the_workspace_with_its_base(project):
    first = project.fill("coat", 12)[0]
    workspace = project.write()
    with (project.root / "params.yaml").open("a") as params:
        params.write("validate: {}\nsplit: {}\ntrain: {}\nevaluate: {}\n")
    start(project.root)
    project.decisions.write_text("image,label,answer,split,by,why\n")
    params = load_params(project.root)
    with pytest.raises(PixmillError, match="HEAD: no predictions: "):
        Session(workspace, params, by="mk", only="flips")
    for shares, message in (({}, "Right"), ({first: (0.1, 0.8, 0.1)}, None)):
        project.predict(shares)
        record(project.root)
        if message:
            commit(project.root, message)
    session = Session(workspace, params, by="mk")
    (case,) = (case for case in session.cases if case.kind == "flips")
    assert session.images.ids[case.members[0]] == first
    assert "base's model predicted (100 %); the model now predicts 'dress' (80 %)" in case.why


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


def _write(project):
    return project.write().root


def test_an_image_is_found_by_its_file_or_id(project):
    names = project.add("coat"), project.add("shoe", reason="truncated"), project.add("dress")
    session = Desk(_write(project)).session
    file = project.root / "artifacts/scrape" / project.rows[names[1]]["path"]
    for name, expected in (
        (names[0], names[0]),
        (names[0][:8].upper(), names[0]),
        (str(file), names[1]),
    ):
        assert session.images.ids[find_row(session, name)] == expected
    (project.root / "other.jpg").write_bytes(b"other")
    for name in ("0" * 8, names[0][:7], "data/c.jpg", str(project.root / "other.jpg")):
        with pytest.raises(PixmillError, match="names no image"):
            find_row(session, name)


def test_the_tables_are_read_again_after_a_run(project, capsys):
    project.add("coat", reason="too_small")
    with ReviewSite(project.write()) as site:
        first = site.load()
        assert site.load() is first
        project.add("dress", reason="too_small")
        project.write()
        assert len(site.current().cases) == 1
        assert len(site.load().cases) == 2
        assert capsys.readouterr().err == "0 images decided.\n"
        assert site.end() == ["0 images decided."]


def test_starts_with_the_grid_if_only_unlabelled_images_wait(project):
    project.fill("coat", 3)
    workspace = project.write()
    fill(project.root, "unlabelled/new.jpg")
    with ReviewSite(workspace) as site:
        assert site.begin()
        assert site.start == "review/#scope=unlabelled"
    assert not ReviewSite(workspace, only="outliers").begin()
    small = project.add("coat", reason="too_small")
    with ReviewSite(project.write(), image=small[:12]) as site:
        assert site.begin()
        assert site.start == f"review/?image={small}"


def test_refuses_to_start_beside_decisions_of_an_earlier_version(project):
    name = project.add("coat", reason="too_small")
    workspace = project.write()
    old = project.root / "review.csv"
    old.write_text("image,decision,label,by,why\n")
    ReviewSite(workspace).load()
    old.write_text(f"image,decision,label,by,why\n{name},drop,,mk,\n")
    with pytest.raises(DataError) as caught:
        ReviewSite(workspace).begin()
    assert caught.value.next == "pixmill upgrade"
    old.unlink()
    (project.root / "inbox").mkdir(exist_ok=True)
    (project.root / "inbox/decided.jsonl").write_text(f'{{"image":"{name}","branch":""}}\n')
    with pytest.raises(DataError) as caught:
        ReviewSite(workspace).begin()
    assert caught.value.next == "pixmill upgrade"
