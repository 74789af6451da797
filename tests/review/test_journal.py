"""A decision is known to be lost, committed, or replaced by the person, whatever became of ``review.csv``."""

from __future__ import annotations

import subprocess

import pytest

from pixmill.review.feedback import Feedback, InboxLedger
from pixmill.review.journal import Journal, examine
from pixmill.review.restoring import restore
from pixmill.serve.inbox import Inbox, correction_of
from pixmill.validate.decisions import Decision
from tests.review.conftest import jpeg

HEADER = "image,decision,label,by,why\n"


def git(root, *words):
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    subprocess.run(command, cwd=root, check=True, capture_output=True)


@pytest.fixture
def name(project):
    """The id of the image that is decided on, in a project whose one commit drops it by the name of its file."""
    name = project.add("coat")
    project.write()
    project.review.write_text(f"{HEADER}data/coat/0000.jpg,drop,,mk,dark\n")
    git(project.root, "init", "-qb", "main")
    git(project.root, "add", "review.csv")
    git(project.root, "commit", "-qm", "x")
    return name


@pytest.fixture
def journal(project):
    return Journal(Inbox(project.root / "inbox"), project.root)


@pytest.fixture
def decide(project, name, journal):
    def decide(*decisions):
        ledger = project.ledger(project.material())
        desk = InboxLedger(ledger, journal.inbox, Feedback((), (), (), ()), project.material(), project.root, journal)
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
    project.review.write_text(f"{HEADER}{name[:8]},relabel,dress,mk,\n")
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


def test_nothing_is_restored_where_nothing_is_lost(project, name, decide, capsys):
    decide(keep(name))
    restore(project.write(), project.params())
    assert capsys.readouterr().err.startswith("Nothing to restore: ")


def test_another_folder_is_emptied_into_the_inbox(project, journal):
    other = Inbox(project.root / "other")
    told = [
        correction_of(jpeg(seed), extension=".jpg", prediction={"label": "coat"}, label=label, model={"name": "m"})
        for seed, label in ((1, "dress"), (1, "shoe"), (2, "coat"), (3, "coat"))
    ]
    for item, seed in zip(told, (1, 1, 2, 3), strict=True):
        other.add(jpeg(seed), item)
    journal.inbox.add(jpeg(1), told[0])  # As a move that was killed leaves it.
    other.drop(told[2].id)
    journal.inbox.drop(told[3].id)
    assert other.move_to(journal.inbox) == (1, 0)
    ((entry,), _) = journal.inbox.entries()
    assert [item.label for item in entry.corrections] == ["shoe", "dress"]
    assert other.entries() == ([], 0)
    assert not list((other.folder / "images").iterdir())
