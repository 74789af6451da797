"""Labels of the grid are kept at once: in the folders of data/, its table, and review.csv."""

import contextlib
import errno
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from pixmill.core.errors import DataError, StorageError
from pixmill.core.files.workspace import Workspace
from pixmill.core.metadata import Facts, read_metadata
from pixmill.core.params import load_params
from pixmill.review.grid.labels import ChangedError, Labels
from pixmill.review.grid.pile import Pile
from pixmill.review.grid.suggesting import DROPPED
from pixmill.review.recovery import check_decisions, restore
from pixmill.review.review_tables import load_tables
from tests.review.conftest import Project, jpeg
from tests.version_control import dvc_repo, git, start_repository
from tests.waiting import until

PARAMS = "classes: [coat, dress, shoe]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"


class Desk:
    """A project with unlabelled images, and a process that labels them.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not (root / "params.yaml").exists():
            (root / "params.yaml").write_text(PARAMS)
        self.open()

    def open(self) -> None:
        """Start again."""
        workspace = Workspace(self.root, self.root)
        params = load_params(self.root)
        tables = load_tables(self.root) if (self.root / "artifacts").exists() else None
        self.pile = Pile(workspace, params, tables)
        self.labels = Labels(workspace, params, self.pile)

    def rows(self, *names: str) -> list[int]:
        return [row for row, name in enumerate(self.pile.names) if Path(name).name in names]

    def give(self, label: str, *names: str, window: str = "one", **options: Sequence[int]) -> None:
        version = self.pile.version
        self.labels.give(
            self.rows(*names), label, by="ann", window=window, version=version, **options
        )

    def files(self) -> set[str]:
        return {
            path.relative_to(self.root / "data").as_posix()
            for path in self.root.glob("data/**/*.jpg")
        }


def fill(root: Path, *names: str) -> None:
    for number, name in enumerate(names):
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number + 100))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    fill(tmp_path, *(f"unlabelled/{letter}.jpg" for letter in "abcd"), "unlabelled/deep/e.jpg")
    return Desk(tmp_path)


def test_moves_a_labelled_image_with_its_facts(desk: Desk) -> None:
    (desk.root / "data/metadata.csv").write_text(
        "file_name,author,patient\nunlabelled/a.jpg,Jane,p1\n"
    )
    desk.give("coat", "a.jpg", "e.jpg")
    assert desk.files() == {
        "coat/a.jpg",
        "coat/e.jpg",
        "unlabelled/b.jpg",
        "unlabelled/c.jpg",
        "unlabelled/d.jpg",
    }
    assert read_metadata(desk.root / "data") == {
        "coat/a.jpg": Facts(split="train", author="Jane"),
        "coat/e.jpg": Facts(split="train"),
    }
    assert "p1" in (desk.root / "data/metadata.csv").read_text()
    desk.open()
    assert sorted(desk.pile.labels, key=str) == [None, None, None, "coat", "coat"]


def test_random_sample_measures(desk: Desk) -> None:
    fill(desk.root, *(f"unlabelled/{number}.jpg" for number in range(30)))
    desk.open()
    names = [Path(name).name for name in desk.pile.names]
    desk.give("coat", *names[:30], sample=range(30))
    desk.give("dress", *names[30:], sample=range(30))
    desk.give("shoe", names[0])  # its split stays
    facts = read_metadata(desk.root / "data")
    splits = [each.split for each in facts.values()]
    assert (splits.count("test"), splits.count("val")) == (20, 10)
    assert {facts[f"coat/{name}"].split for name in names[1:3]} == {
        "test",
        "val",
    }  # of the first ones
    assert {facts[f"dress/{name}"].split for name in names[30:]} == {"train"}
    assert facts[f"shoe/{names[0]}"].split != "train"


# As macOS names files, as a copy is often named, and not in UTF-8.
@pytest.mark.parametrize("name", ["a.jpg", "cafe\u0301.jpg", "a [1].jpg", "\udcff.jpg"])
def test_undoes(desk: Desk, name: str) -> None:
    (desk.root / "data/unlabelled/a.jpg").rename(desk.root / "data/unlabelled" / name)
    desk.open()
    desk.pile.identify(range(5))
    before = desk.files()
    desk.give("coat", name)
    row = desk.pile.rows_of(str(desk.pile.ids[desk.pile.labels.index("coat")]))
    desk.labels.give(
        [*row, *desk.rows("b.jpg")], "shoe", by="ann", window="one", version=desk.pile.version
    )
    desk.labels.drop(desk.rows("c.jpg"), by="ann", window="one", version=desk.pile.version)
    assert desk.labels.undoable("one") == 3
    for left in (2, 1, 0):
        assert desk.labels.undo(by="ann", window="one")
        assert desk.labels.undoable("one") == left
    assert not desk.labels.undo(by="ann", window="one")
    assert desk.files() == before
    assert not read_metadata(desk.root / "data")
    assert desk.pile.labels == [None] * 5
    assert (desk.root / "review.csv").read_text().splitlines()[1:] == []
    assert not desk.labels._log.read()[0]


def test_others_are_told_and_not_overwritten(desk: Desk) -> None:
    other = Desk(desk.root)  # another process
    seen = other.pile.version
    desk.give("coat", "a.jpg", "b.jpg")
    other.labels.refresh()
    assert [(each.by, each.images) for each in other.labels.others("two")] == [("ann", 2)]
    assert other.pile.labels[other.pile.row("data/coat/a.jpg") or 0] == "coat"
    rows = other.rows("a.jpg", "c.jpg")
    with pytest.raises(ChangedError, match="ann changed 1"):
        other.labels.give(rows, "shoe", by="bob", window="two", version=seen)
    assert "unlabelled/c.jpg" in desk.files()
    other.labels.give(rows, "shoe", by="bob", window="two", version=other.pile.version)
    with pytest.raises(ChangedError):
        desk.labels.undo(by="ann", window="one")
    assert {"shoe/a.jpg", "shoe/c.jpg", "coat/b.jpg"} <= desk.files()
    assert not desk.labels.others("two") or desk.labels.others("one")[0].by == "bob"


def test_shows_new_files(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(desk.root, "unlabelled/f.jpg")
    (desk.root / "data/unlabelled/a.jpg").unlink()
    monkeypatch.setattr(desk.labels, "_next_look", 0)
    desk.labels.refresh()
    until(lambda: desk.labels._found is not None)
    assert len(desk.pile) == 5
    desk.labels.refresh()
    assert desk.rows("f.jpg") == [5]
    assert desk.pile.labels[desk.rows("a.jpg")[0]] == DROPPED


def test_keeps_files_of_equal_names(desk: Desk) -> None:
    fill(desk.root, *(f"{folder}/a.jpg" for folder in ("shoe", "coat", "unlabelled/deep")))
    before = {path.read_bytes() for path in desk.root.glob("data/**/*.jpg")}
    desk.open()
    desk.give("coat", "a.jpg")
    assert sum(name.startswith("coat/") for name in desk.files()) == 4
    assert {path.read_bytes() for path in desk.root.glob("data/**/*.jpg")} == before


def test_a_new_class_joins_the_params(desk: Desk) -> None:
    desk.give("cat / dog", "a.jpg")
    assert load_params(desk.root).classes == ("coat", "dress", "shoe", "cat / dog")
    desk.open()
    assert "cat / dog" in desk.pile.labels


def test_undo_withdraws_a_new_class_without_images(desk: Desk) -> None:
    before = (desk.root / "params.yaml").read_text()
    desk.give("hat", "a.jpg")
    desk.give("hat", "b.jpg")
    desk.labels.undo(by="ann", window="one")
    assert "hat" in load_params(desk.root).classes
    desk.labels.undo(by="ann", window="one")
    assert (desk.root / "params.yaml").read_text() == before
    assert "hat" not in desk.labels.classes


def test_undo_keeps_an_edit_of_the_params(desk: Desk) -> None:
    desk.give("hat", "a.jpg")
    path = desk.root / "params.yaml"
    path.write_text(edited := path.read_text() + "# mine\n")
    desk.labels.undo(by="ann", window="one")
    assert path.read_text() == edited


def test_a_source_reads_the_labelled_images(desk: Desk) -> None:
    (desk.root / "params.yaml").write_text(PARAMS.replace("source: folder", "source: openverse"))
    desk.open()
    desk.give("coat", "a.jpg")
    assert load_params(desk.root).scrape.sources_of("coat") == ("openverse", "folder")
    assert load_params(desk.root).scrape.sources_of("shoe") == ("openverse",)


def test_images_of_the_last_run_are_decided_in_review_csv(project: Project) -> None:
    first = project.add("coat")
    second = project.add("dress")
    project.write()
    fill(project.root, "unlabelled/a.jpg")
    desk = Desk(project.root)
    desk.labels.give(desk.pile.rows_of(first), "shoe", by="ann", window="one", version=0)
    desk.labels.drop(desk.pile.rows_of(second), by="ann", window="one", version=desk.pile.version)
    assert project.lines() == sorted([f"{first},relabel,shoe,ann,", f"{second},drop,,ann,"])
    desk.open()
    assert [desk.pile.labels[desk.pile.rows_of(name)[0]] for name in (first, second)] == [
        "shoe",
        DROPPED,
    ]
    desk.labels.give(
        desk.pile.rows_of(first), "coat", by="ann", window="one", version=desk.pile.version
    )
    assert f"{first},keep,,ann," in project.lines()


def test_no_source_is_asked_for_a_new_class_of_relabelled_images(project: Project) -> None:
    name = project.add("coat")
    project.write()
    fill(project.root, "unlabelled/a.jpg")
    desk = Desk(project.root)
    desk.labels.give(desk.pile.rows_of(name), "hat", by="ann", window="one", version=0)
    assert load_params(project.root).scrape.sources_of("hat") == ()
    desk.give("hat", "a.jpg")  # an image in data/, which the source folder reads
    assert load_params(project.root).scrape.sources_of("hat") == ("folder",)


def test_dropped_images_stay_hidden_until_labelled(desk: Desk) -> None:
    desk.labels.drop(desk.rows("a.jpg"), by="ann", window="one", version=desk.pile.version)
    desk.open()
    desk.pile.identify(range(5))
    assert [desk.pile.labels[row] for row in desk.rows("a.jpg", "b.jpg")] == [DROPPED, None]
    assert "unlabelled/a.jpg" in desk.files()
    desk.give("coat", "a.jpg")
    desk.open()
    desk.pile.identify(range(5))
    assert [desk.pile.labels[row] for row in desk.rows("a.jpg")] == ["coat"]


def test_a_fixed_split_gets_images_into_its_folders(desk: Desk) -> None:
    fill(desk.root, "train/coat/t.jpg", "test/coat/u.jpg")
    (desk.root / "params.yaml").write_text(
        PARAMS.replace("source: folder", "source: folder, folder: {layout: fixed}")
    )
    desk.open()
    desk.give("shoe", "a.jpg")
    assert "train/shoe/a.jpg" in desk.files()
    desk.open()
    assert {desk.pile.names[row]: desk.pile.labels[row] for row in desk.rows("a.jpg", "t.jpg")} == {
        "data/train/coat/t.jpg": "coat",
        "data/train/shoe/a.jpg": "shoe",
    }


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, "full", "metadata.csv")


def test_an_interrupted_undo_is_completed_by_the_next_action(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    (desk.root / "data/unlabelled/a.jpg").rename(desk.root / "data/unlabelled/a [1].jpg")
    desk.open()
    before = desk.files()
    desk.give("coat", "a [1].jpg")
    with monkeypatch.context() as patch:
        patch.setattr("pixmill.review.grid.labels.Journal.finish", fail)
        with pytest.raises(StorageError):
            desk.labels.undo(by="ann", window="one")
    desk.give("shoe", "b.jpg")
    assert desk.files() == before - {"unlabelled/b.jpg"} | {"shoe/b.jpg"}
    assert [item.file for item in desk.labels._log.read()[0].values()] == ["data/shoe/b.jpg"]


@pytest.mark.parametrize("method", ["MetadataTable.change", "Journal.finish"])
def test_a_failed_action_is_completed_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    other = Desk(desk.root)
    before = desk.files()
    with monkeypatch.context() as patch:
        patch.setattr(f"pixmill.review.grid.labels.{method}", fail)
        with pytest.raises(StorageError):
            desk.give("coat", "a.jpg")
    fill(desk.root, "unlabelled/0.jpg", "unlabelled/a.jpg")  # a new file of the old name
    other.give("shoe", "b.jpg", window="two")
    desk.give("dress", "c.jpg")
    gone = {f"unlabelled/{letter}.jpg" for letter in "bc"}
    new = {"coat/a.jpg", "shoe/b.jpg", "dress/c.jpg", "unlabelled/0.jpg"}
    assert desk.files() == before - gone | new
    assert {*read_metadata(desk.root / "data")} == {*new} - {"unlabelled/0.jpg"}
    assert [desk.labels.undoable(window) for window in ("one", "two")] == [2, 1]
    assert (desk.root / "data/coat/a.jpg").read_bytes() == jpeg(100)


def test_a_malformed_journal_is_named(desk: Desk) -> None:
    desk.give("coat", "a.jpg")
    (journal,) = desk.root.glob(".pixmill/review/*.jsonl")
    journal.write_bytes(b'{"key": 1}\n')
    with pytest.raises(DataError, match="journal"):
        desk.open()
    journal.unlink()
    desk.open()
    assert "coat/a.jpg" in desk.files()


BELOW = "data/coat/a.jpg"


@pytest.mark.parametrize(
    ("source", "target", "undoes"),
    [
        (BELOW, "data/../secret.txt", "x"),
        (BELOW, "data/out/secret.txt", "x"),
        (BELOW, "{root}/secret.txt", "x"),
        ("data/../secret.txt", BELOW, ""),
        ("data/out/secret.txt", BELOW, ""),
        ("{root}/secret.txt", BELOW, ""),
        ("secret.txt", BELOW, "x"),
        (BELOW, 1, "x"),
    ],
    ids=range(8),
)
def test_a_journal_of_others_moves_nothing_into_or_out_of_data(
    desk: Desk, source: str, target: str, undoes: str
) -> None:
    desk.give("coat", "a.jpg")
    (desk.root / "secret.txt").write_text("secret")
    (desk.root / "data/out").symlink_to(desk.root)
    (journal,) = desk.root.glob(".pixmill/review/*.jsonl")
    action = json.loads(journal.read_text().splitlines()[0])
    ((name, md5, *_, before, after),) = action["items"]
    files = [
        str(file).format(root=desk.root) if isinstance(file, str) else file
        for file in (source, target)
    ]
    rows = {str(file).removeprefix("data/"): [None, None] for file in files}
    action |= {"items": [[name, md5, *files, before, after]], "cells": rows, "undoes": undoes}
    journal.write_text(f"{json.dumps(action)}\n")
    with pytest.raises(DataError) as caught:
        desk.open()
    assert str(journal) in str(caught.value.next)
    assert (desk.root / "secret.txt").read_text() == "secret"
    assert (desk.root / BELOW).read_bytes() == jpeg(100)
    journal.unlink()  # as the message says
    desk.open()


@pytest.mark.parametrize("kind", ["undo", "twice"])
def test_a_journal_of_others_overwrites_no_image(desk: Desk, kind: str) -> None:
    desk.give("coat", "a.jpg", "b.jpg")
    (journal,) = desk.root.glob(".pixmill/review/*.jsonl")
    action = json.loads(journal.read_text().splitlines()[0])
    one, two = action["items"]
    if kind == "undo":
        action |= {"items": [[*one[:2], one[3], "data/unlabelled/c.jpg", *one[4:]]], "undoes": "x"}
    else:
        action["items"] = [
            [*item[:2], item[3], "data/coat/new.jpg", *item[4:]] for item in (one, two)
        ]
    journal.write_text(f"{json.dumps(action | {'cells': {}})}\n")
    before = sorted((desk.root / "data" / name).read_bytes() for name in desk.files())
    with pytest.raises(ChangedError) if kind == "undo" else contextlib.nullcontext():
        desk.open()
    assert sorted((desk.root / "data" / name).read_bytes() for name in desk.files()) == before
    journal.write_text("[" * 100_000 + "\n")
    with pytest.raises(DataError, match="malformed"):
        desk.open()


def test_a_journal_that_is_a_link_is_not_written(desk: Desk) -> None:
    desk.give("coat", "a.jpg")
    (journal,) = desk.root.glob(".pixmill/review/*.jsonl")
    (other := desk.root / "profile").write_text("{}\nno newline")
    for target in (other, desk.root / "new"):
        journal.unlink()
        journal.symlink_to(target)
        with pytest.raises(DataError, match="journal"):
            desk.open()
    assert other.read_text() == "{}\nno newline"


def test_restores_labels_that_a_checkout_undid(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    root = start_repository(desk.root, with_dvc=True)
    (root / ".gitignore").write_text("/data\n/inbox/\n/.pixmill/\n")
    (root / "data/unlabelled/deep/c.jpg").write_bytes(jpeg(7))  # another image of that name
    with dvc_repo(root) as repo:
        repo.add("data")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Begin")
    desk.give("coat", "a.jpg", "b.jpg", sample=desk.rows("a.jpg"))
    desk.give("shoe", "b.jpg", "c.jpg")
    files = desk.files()
    facts = read_metadata(root / "data")
    # Its bytes at the unlabelled place are in the commit, its label is not.
    assert (
        len(check_decisions(desk.labels._log).missing + check_decisions(desk.labels._log).accepted)
        == 0
    )
    with dvc_repo(root) as repo:
        repo.checkout("data", force=True)
    assert "coat/a.jpg" not in desk.files()
    desk.open()
    assert "3 labelled images of branch main missing" in desk.labels.remarks[0]
    restore(Workspace(root, root), load_params(root))
    assert (desk.files(), read_metadata(root / "data")) == (files, facts)
    with dvc_repo(root) as repo:
        repo.add("data")
    git(root, "commit", "-qam", "Label")
    desk.open()
    desk.give("dress", "a.jpg")  # after the commit, unknown to it
    with dvc_repo(root) as repo:
        repo.checkout("data", force=True)
    assert [item.file for item in check_decisions(desk.labels._log).missing] == ["data/dress/a.jpg"]
    restore(Workspace(root, root), load_params(root))
    with dvc_repo(root) as repo:
        repo.add("data")
    git(root, "commit", "-qam", "Correct")
    desk.open()
    assert not desk.labels.remarks
    assert not desk.labels._log.read()[0]  # the commit holds all


def test_ends_with_a_summary_and_the_commit(desk: Desk) -> None:
    root = start_repository(desk.root, with_dvc=True)
    git(root, "commit", "-q", "--allow-empty", "-m", "Begin")
    git(root, "add", "params.yaml")
    git(root, "commit", "-qm", "Params")
    desk.give("coat", "a.jpg", "b.jpg")
    desk.give("shoe", "a.jpg")
    desk.labels.drop(desk.rows("c.jpg"), by="ann", window="one", version=desk.pile.version)
    desk.give("coat", "d.jpg")
    desk.labels.undo(by="ann", window="one")  # does not count
    summary, command = desk.labels.end()
    assert summary == "2 images labelled, 1 dropped."
    assert command is not None
    assert command.startswith("dvc add data && git add data.dvc review.csv && git commit")
    assert command.endswith("dvc repro")
