"""A decision is known to be lost, committed, or replaced by the person, whatever became of ``review.csv``."""

import pytest

from pixmill.core.errors import DataError
from pixmill.review import review_file as ledger_module
from pixmill.review.decision_log import DecisionLog
from pixmill.review.examining import examine
from pixmill.review.feedback import InboxLedger, WithInbox
from pixmill.review.restoring import restore
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from pixmill.validate.decisions import Decision
from tests.review.conftest import CLASSES, jpeg
from tests.version_control import git, start_repository

HEADER = "image,decision,label,by,why\n"


@pytest.fixture
def name(project):
    """The id of the image that is decided on, in a project whose one commit drops it by the name of its file."""
    name = project.add("coat")
    project.write()
    project.review.write_text(f"{HEADER}data/coat/0000.jpg,drop,,mk,dark\n")
    start_repository(project.root)
    git(project.root, "add", "review.csv")
    git(project.root, "commit", "-qm", "x")
    return name


@pytest.fixture
def journal(project):
    return DecisionLog(Inbox(project.root / "inbox"), project.root)


@pytest.fixture
def decide(project, name, journal):
    def decide(*decisions):
        ledger = project.ledger(project.material())
        desk = InboxLedger(ledger, WithInbox(project.material(), (), CLASSES), project.root, journal)
        for decision in decisions:
            desk.change({name: decision})
        return desk

    return decide


def keep(name, why=""):
    return Decision(0, name, "keep", "", "mk", why)


def lost(journal):
    return [
        (item.branch, item.before and item.before[1], item.after and item.after[1]) for item in examine(journal).lost
    ]


@pytest.mark.parametrize("taken_back", [False, True])
def test_a_line_that_is_as_before_was_lost_and_comes_back(project, name, journal, decide, taken_back):
    decide(None if taken_back else keep(name, " it  is "))
    assert lost(journal) == []
    git(project.root, "checkout", "review.csv")
    assert lost(journal) == [("main", "drop", None if taken_back else "keep")]
    restore(project.write(), project.params())
    assert project.lines() == ([] if taken_back else [f"{name},keep,,mk,it is"])
    assert lost(journal) == []


def test_a_line_that_is_committed_or_edited_is_forgotten(project, name, journal, decide):
    desk = decide(keep(name))
    desk.release()
    assert len(journal.read()[1]) == 1
    git(project.root, "commit", "-qam", "y")
    desk.release()
    assert journal.read() == ({}, {})
    decide(Decision(0, name, "relabel", "shoe", "mk", ""))
    project.review.write_text(f"{HEADER}{name},relabel,dress,mk,\n")
    assert lost(journal) == []
    desk.release()
    assert journal.read() == ({}, {})


def test_of_several_changes_the_first_line_and_the_last_count(project, name, journal, decide):
    decide(keep(name), Decision(0, name, "relabel", "shoe", "mk", ""), keep(name))
    git(project.root, "checkout", "review.csv")
    assert lost(journal) == [("main", "drop", "keep")]


def test_a_decision_of_another_branch_is_no_loss_once_it_is_committed_there(project, name, journal, decide):
    git(project.root, "checkout", "-qb", "other")
    decide(keep(name))
    git(project.root, "commit", "-qam", "y")
    git(project.root, "checkout", "-q", "main")
    assert lost(journal) == []


def test_a_decision_is_noted_before_it_is_written(project, name, journal, decide, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ledger_module, "write_text", interrupt)
    with pytest.raises(KeyboardInterrupt):
        decide(keep(name))
    assert lost(journal) == [("main", "drop", "keep")]


def test_an_image_without_a_sound_copy_is_named(project, name, journal, capsys):
    journal.accept(name, project.root / "data/coat/a.jpg", b"x", 1)
    with pytest.raises(DataError, match=r"no sound copy: data/coat/a\.jpg"):
        restore(project.write(), project.params())
    assert "1 accepted image of branch main missing from data/" in capsys.readouterr().err


def test_what_has_no_class_on_this_branch_is_not_restored(project, name, journal, capsys):
    git(project.root, "checkout", "-qb", "hats")
    other = "0" * 64
    dark = ("data/coat/0000.jpg", "drop", "", "mk", "dark")
    journal.change({name: (dark, (name, "relabel", "hat", "mk", "")), other: (None, (other, "keep", "", "mk", ""))})
    content = jpeg(900)
    image = journal.inbox.add(
        content, correction_of(content, extension=".jpg", prediction={}, label="hat", model={"name": "m"})
    )
    journal.accept(image, project.root / "data/train/hat/a.jpg", content, 1)
    git(project.root, "checkout", "-q", "main")
    with pytest.raises(DataError, match=r"no sound copy: data/train/hat/a\.jpg and .* relabel hat") as refused:
        restore(project.write(), project.params())
    assert refused.value.next.startswith("git checkout hats, then: pixmill review --restore")
    assert "Restored: 0 images, 1 decision.\n" in capsys.readouterr().err
    assert len(project.lines()) == 2
    assert not (project.root / "data").exists()
    assert len(lost(journal)) == 1
