"""Decisions are recognized as lost, committed or replaced; lost ones are restored."""

import json

import pytest

from pixmill.core.errors import DataError
from pixmill.core.repository.git import GitError
from pixmill.dataset.decision_log import DecisionLog
from pixmill.dataset.inbox import Inbox
from pixmill.review import review_file as review_file_module
from pixmill.review.feedback import DecisionStore, ReviewImages
from pixmill.review.recovery import check_decisions, restore
from pixmill.validate.decisions import Decision
from tests.review.conftest import CLASSES, jpeg
from tests.version_control import git, start_repository

HEADER = "image,decision,label,by,why\n"


@pytest.fixture
def name(project):
    """Id of an image that the only commit drops by its file name."""
    name = project.add("coat")
    project.write()
    project.review.write_text(f"{HEADER}data/coat/0000.jpg,drop,,mk,dark\n")
    start_repository(project.root)
    git(project.root, "add", "review.csv")
    git(project.root, "commit", "-qm", "x")
    return name


@pytest.fixture
def log(project):
    return DecisionLog(Inbox(project.root / "inbox"), project.root)


@pytest.fixture
def decide(project, name, log):
    def decide(*decisions):
        review_file = project.review_file(project.tables())
        store = DecisionStore(
            review_file, ReviewImages(project.tables(), (), CLASSES), project.root, log
        )
        for decision in decisions:
            store.change({name: decision})
        return store

    return decide


def keep(name, why=""):
    return Decision(0, name, "keep", "", "mk", why)


def lost(log):
    return [
        (item.branch, item.before and item.before[1], item.after and item.after[1])
        for item in check_decisions(log).lost
    ]


@pytest.mark.parametrize("cleared", [False, True])
def test_restores_reverted_lines(project, name, log, decide, cleared):
    decide(None if cleared else keep(name, " it  is "))
    assert lost(log) == []
    git(project.root, "checkout", "review.csv")
    assert lost(log) == [("main", "drop", None if cleared else "keep")]
    restore(project.write(), project.params())
    assert project.lines() == ([] if cleared else [f"{name},keep,,mk,it is"])
    assert lost(log) == []


def test_restores_nothing_unless_git_can_be_read(project, log, monkeypatch):
    start_repository(project.root)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GitError):
        restore(project.write(), project.params())


def test_forgets_committed_and_edited_lines(project, name, log, decide):
    store = decide(keep(name))
    store.release()
    assert len(log.read()[1]) == 1
    git(project.root, "commit", "-qam", "y")
    store.release()
    assert log.read() == ({}, {})
    decide(Decision(0, name, "relabel", "shoe", "mk", ""))
    project.review.write_text(f"{HEADER}{name},relabel,dress,mk,\n")
    assert lost(log) == []
    store.release()
    assert log.read() == ({}, {})


def test_several_changes_of_a_line_are_merged(project, name, log, decide):
    decide(keep(name), Decision(0, name, "relabel", "shoe", "mk", ""), keep(name))
    git(project.root, "checkout", "review.csv")
    assert lost(log) == [("main", "drop", "keep")]


def test_decisions_committed_on_another_branch_are_not_lost(project, name, log, decide):
    git(project.root, "checkout", "-qb", "other")
    decide(keep(name))
    git(project.root, "commit", "-qam", "y")
    git(project.root, "checkout", "-q", "main")
    assert lost(log) == []


def test_logs_decisions_before_writing_them(project, name, log, decide, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(review_file_module, "write_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decide(keep(name))
    assert lost(log) == [("main", "drop", "keep")]


def test_names_images_without_an_intact_copy(project, name, log, capsys):
    log.accept(name, project.root / "data/coat/a.jpg", b"x", 1)
    with pytest.raises(DataError, match=r"no intact copy: data/coat/a\.jpg"):
        restore(project.write(), project.params())
    assert "1 accepted image of branch main missing from data/" in capsys.readouterr().err


def test_restores_nothing_through_a_link_out_of_data(project, name, log, tmp_path):
    content = jpeg(900)
    image = log.inbox.add(content, extension=".jpg", prediction={}, label="coat", model={})
    log.accept(image, project.root / "data/coat/a.jpg", content, 1)
    (home := tmp_path / "home").mkdir()
    (project.root / "data").mkdir(exist_ok=True)
    (project.root / "data/coat").symlink_to(home)
    with pytest.raises(DataError, match="leads out of"):
        restore(project.write(), project.params())
    assert not [*home.iterdir()]


@pytest.mark.parametrize("earlier", [False, True])
def test_restores_nothing_by_a_path_out_of_data(project, name, log, earlier):
    content = jpeg(900)
    image = log.inbox.add(content, extension=".jpg", prediction={}, label="coat", model={})
    log.accept(image, project.root / "data/coat/a.jpg", content, 1)
    (outside := project.root / "coat/b.jpg").parent.mkdir()
    record = json.loads(log.path.read_text())
    if earlier:
        outside.write_bytes(content)
        record["earlier"] = ["coat/b.jpg"]
    else:
        record["file"] = "data/coat/../../coat/b.jpg"
    log.path.write_text(json.dumps(record))
    with pytest.raises(DataError, match="leads out of"):
        restore(project.write(), project.params())
    assert outside.exists() == earlier
    assert not (project.root / "data/coat/a.jpg").exists()


def test_does_not_restore_undeclared_labels(project, name, log, capsys):
    git(project.root, "checkout", "-qb", "hats")
    other = "0" * 64
    dark = ("data/coat/0000.jpg", "drop", "", "mk", "dark")
    log.change(
        {
            name: (dark, (name, "relabel", "hat", "mk", "")),
            other: (None, (other, "keep", "", "mk", "")),
        }
    )
    content = jpeg(900)
    image = log.inbox.add(
        content, extension=".jpg", prediction={}, label="hat", model={"name": "m"}
    )
    log.accept(image, project.root / "data/train/hat/a.jpg", content, 1)
    git(project.root, "checkout", "-q", "main")
    with pytest.raises(
        DataError, match=r"no intact copy: data/train/hat/a\.jpg and .* relabel hat"
    ) as refused:
        restore(project.write(), project.params())
    assert refused.value.next.startswith("git checkout hats, then: pixmill review --restore")
    assert "Restored: 0 images, 1 decision.\n" in capsys.readouterr().err
    assert len(project.lines()) == 2
    assert not (project.root / "data").exists()
    assert len(lost(log)) == 1
