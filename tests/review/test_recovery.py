"""Lost decisions of this branch are named and restored; committed ones are forgotten."""

import json

import pytest

from pixmill.core.errors import DataError
from pixmill.core.params import load_params
from pixmill.core.repository.git import GitError
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.inbox import Inbox
from pixmill.review.recovery import release, restore
from tests.review.conftest import Desk, jpeg
from tests.version_control import git, start_repository

HEADER = "image,label,answer,split,by,why\n"


@pytest.fixture
def name(project):
    """Id of an image that the only commit drops."""
    name = project.add("coat")
    project.write()
    project.decisions.write_text(f"{HEADER}{name},,drop,,mk,dark\n")
    start_repository(project.root)
    git(project.root, "add", "decisions.csv")
    git(project.root, "commit", "-qm", "x")
    return name


@pytest.fixture
def accepted(project, name):
    """Id of a correction that was accepted as a coat."""
    inbox = Inbox(project.root / "inbox")
    image = inbox.add(jpeg(900), extension=".jpg", prediction={}, label="coat", model={})
    Desk(project.root).decide("keep", image)
    return image


def put_back(project):
    return restore(project.write(), load_params(project.root))


def test_restores_an_accepted_image_with_its_label(project, name, accepted, capsys):
    (file,) = (project.root / "data/coat").iterdir()
    file.unlink()
    git(project.root, "checkout", "-q", "decisions.csv")
    put_back(project)
    assert "Restored: 1 image, 1 decision." in capsys.readouterr().err
    assert file.read_bytes() == jpeg(900)
    assert (accepted, "yes", "coat", "") in project.said()


def test_forgets_committed_rows(project, name):
    Desk(project.root).decide("keep", name)
    table = DecisionTable(project.root)
    release(table)
    assert len(table.actions()) == 1
    git(project.root, "commit", "-qam", "y")
    release(table)
    assert table.actions() == []


def test_restores_nothing_unless_git_can_be_read(project, name, accepted, monkeypatch):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError):
        put_back(project)


def test_names_images_without_an_intact_copy(project, name, accepted, capsys):
    next((project.root / "data/coat").iterdir()).unlink()
    next((project.root / "inbox/corrections").iterdir()).unlink()
    with pytest.raises(DataError, match=r"no intact copy: 1 accepted image missing from data/"):
        put_back(project)


def test_does_not_restore_undeclared_labels(project, name):
    Desk(project.root).decide("relabel", name, label="hat")
    git(project.root, "checkout", "-q", "decisions.csv")
    (project.root / "params.yaml").unlink()
    with pytest.raises(DataError, match="yes hat"):
        put_back(project)
    assert project.said() == {(name, "keep", "", "")}


@pytest.mark.parametrize("place", ["data/coat/../../coat/b.jpg", "data/coat/b.jpg"])
def test_restores_nothing_out_of_data(project, name, accepted, tmp_path, place):
    """A pull request may contain the log, and links."""
    file = next((project.root / "data/coat").iterdir())
    file.unlink()
    (home := tmp_path / "home").mkdir()
    file.parent.rmdir()
    file.parent.symlink_to(home)
    log = project.root / "inbox/decided.jsonl"
    record = json.loads(log.read_text())
    record["accepted"]["file"] = place
    log.write_text(f"{json.dumps(record)}\n")
    with pytest.raises(DataError, match="leads out of"):
        put_back(project)
    assert not [*home.iterdir()]
