"""Decisions of earlier versions become rows, at any time, and none is ignored."""

import contextlib
import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from pixmill.core.decisions import read_rows
from pixmill.core.errors import PixmillError
from pixmill.core.repository.merging import add_drivers, merge_again
from pixmill.dataset.deciding import DecisionTable
from pixmill.project.doctor import run_check
from pixmill.project.new.upgrading import apply_upgrade, plan_upgrade
from pixmill.project.next_steps import next_steps
from pixmill.project.state import read_project_state
from tests.version_control import commit, git, start_repository

PARAMS = "classes: [coat, a/b, shoe]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"
OLD = "image,decision,label,by,why\n"
NEW = "image,label,answer,split,by,why\n"
PIPELINE = """# review.csv: what people decided
stages:
  scrape: {cmd: scrape, deps: [data]}
  validate:
    cmd: validate review.csv  # ours
    deps:
    - artifacts/scrape
    - review.csv
"""


def id_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


A, B, C, D, E = map(id_of, "abcde")


class Project:
    """A project of an earlier version, with files that people edited.

    Args:
        root: Its folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = start_repository(root)
        self.write("dvc.yaml", PIPELINE)
        self.write(".gitattributes", "* -text\nreview.csv merge=union\n*.png binary\n")
        self.write("params.yaml", PARAMS)
        self.write(".gitignore", "/data\n/inbox/\n/.pixmill/\n")
        self.write("review.csv", OLD)
        commit(self.root)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def log(self, *records: dict[str, object]) -> None:
        lines = (json.dumps({"image": A, "branch": "main"} | each) for each in records)
        self.write("inbox/decided.jsonl", "".join(f"{line}\n" for line in lines))

    def upgrade(self) -> None:
        apply_upgrade(self.root, plan_upgrade(self.root))

    @property
    def rows(self) -> list[str]:
        return (self.root / "decisions.csv").read_text().removeprefix(NEW).splitlines()

    def files(self) -> dict[str, bytes]:
        paths = (path for path in self.root.rglob("*") if ".git" not in path.parts)
        return {str(path): path.read_bytes() for path in paths if path.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "shoes")


def move(text: str, file: str, *, split: str = "train", label: str = "") -> dict[str, object]:
    """Return the logged label of an image that was moved from data/unlabelled/."""
    cells = {"file_name": file.removeprefix("data/"), "label": label, "split": split}
    earlier = [f"data/unlabelled/{Path(file).name}"]
    md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return {
        "image": id_of(text),
        "file": file,
        "md5": md5,
        "corrections": 0,
        "earlier": earlier,
        "cells": cells,
    }


def test_all_decisions_become_rows(project: Project) -> None:
    for name, text in (
        ("coat/a.jpg", "a"),
        ("a-b-c14cddc0/b.jpg", "b"),
        ("unlabelled/c.jpg", "c"),
        ("coat/feedback-1.jpg", "d"),
        ("shoe/e.jpg", "e"),
    ):
        project.write(f"data/{name}", text)
    correction = move("d", "data/coat/feedback-1.jpg") | {
        "corrections": 2,
        "earlier": [],
        "cells": {},
    }
    project.log(
        move("a", "data/coat/a.jpg", split="test"),
        move("b", "data/a-b-c14cddc0/b.jpg", label="a/b"),
        move("c", "data/shoe/c.jpg"),  # a checkout undid it
        correction,
        {"image": E, "before": None, "after": [E, "relabel", "coat", "ann", ""]},
        {"image": "f" * 64, "before": None, "after": ["f" * 64, "drop", "", "ann", ""]},  # lost
    )
    project.write(
        "review.csv",
        f"{OLD}data/shoe/e.jpg,relabel,coat,ann,\n{'1' * 64},drop,,ann,blurred\n22222222,keep,,,\n",
    )
    project.write(".pixmill/review/actions.jsonl", "{}\n")
    images = {name: data for name, data in project.files().items() if "/data/" in name}
    project.upgrade()
    assert project.rows == sorted(
        [
            f"{A},coat,yes,test,,",
            f"{B},a/b,yes,train,,",
            f"{D},coat,yes,,,",
            f"{E},,keep,,ann,",
            f"{E},coat,yes,,ann,",
            f"{'1' * 64},,drop,,ann,blurred",
            "22222222,,keep,,,",
        ]
    )
    files = project.files()
    assert images.items() <= files.items()
    assert not [name for name in files if name.endswith(("review.csv", "actions.jsonl"))]
    changed = PIPELINE.replace("- review.csv", "- decisions.csv")
    assert (project.root / "dvc.yaml").read_text() == changed
    merged = "* -text\ndecisions.csv merge=pixmill-decisions\n*.png binary\n"
    assert (project.root / ".gitattributes").read_text() == merged
    table = DecisionTable(project.root)
    assert {change.key for change in table.lost()} == {(C, "shoe"), ("f" * 64, "")}
    accepted = [each.accepted for each in table.actions() if each.accepted]
    assert [each.corrections for each in accepted] == [2]
    project.write("review.csv", OLD)
    project.upgrade()
    assert project.files() == files


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("dvc.yaml", PIPELINE.replace("- review.csv", "- data.dvc")),
        ("dvc.yaml", PIPELINE.replace("  validate:", "  check:")),
        ("decisions.csv", "date,decision\n2026-11-01,use DVC\n"),
        ("review.csv", f"{OLD}{A},perhaps,,,\n"),
        ("inbox/decided.jsonl", '{"image":"' + A + '"}\n'),
    ],
)
def test_nothing_is_converted_if_something_cannot_be(
    project: Project, name: str, text: str
) -> None:
    project.write("review.csv", f"{OLD}{A},drop,,,\n")
    project.write(name, text)
    before = project.files()
    with pytest.raises(PixmillError) as caught:
        project.upgrade()
    assert caught.value.next
    assert project.files() == before


def test_checks_and_home_name_the_upgrade(project: Project) -> None:
    project.write("review.csv", f"{OLD}{A},drop,,,\n")
    (step, *_) = next_steps(read_project_state(project.root, full=False))
    assert step.command == "pixmill upgrade"
    assert ("bad", "pixmill upgrade") in [
        (each.status, each.next) for each in run_check("data", project.root)
    ]


def decide(project: Project, *lines: str) -> None:
    project.write("review.csv", OLD + "".join(f"{line}\n" for line in sorted(lines)))
    commit(project.root)


def branch_from_before(project: Project, number: int) -> None:
    """Upgrade on main, and add, change and delete a row on a branch from before."""
    others = [f"{id_of(str(each))},drop,,ann,many others do not change" for each in range(number)]
    decide(project, f"{A},drop,,,", f"{B},drop,,,", f"{C},keep,,,", *others)
    git(project.root, "checkout", "-qb", "before")
    decide(project, f"{A},keep,,,", f"{C},keep,,,", f"{D},relabel,coat,,", *others)
    git(project.root, "checkout", "-q", "main")
    project.upgrade()
    kept = [row for row in project.rows if not row.startswith(C)]  # since the upgrade
    project.write("decisions.csv", NEW + "".join(f"{row}\n" for row in [*kept, f"{E},,drop,,,"]))
    commit(project.root)


MERGED = [f"{A},,keep,,,", f"{D},,keep,,,", f"{D},coat,yes,,,", f"{E},,drop,,,"]


@pytest.mark.parametrize("number", [0, 40], ids=["deleted", "followed as renamed"])
@pytest.mark.parametrize("branches", [("main", "before"), ("before", "main")], ids=str)
def test_merges_a_branch_from_before(
    project: Project, number: int, branches: tuple[str, str]
) -> None:
    branch_from_before(project, number)
    add_drivers(project.root)
    ours, theirs = branches
    git(project.root, "checkout", "-q", ours)
    with contextlib.suppress(subprocess.CalledProcessError):
        git(project.root, "merge", "-q", theirs, "-m", "Merge")
    for _ in range(2):
        state = read_project_state(project.root, full=False)
        if state.repository.conflicts and next_steps(state)[0].command == "pixmill doctor --fix":
            merge_again(project.root, state.repository.conflicts)
        elif state.repository.conflicts:
            assert next_steps(state)[0].command == "pixmill upgrade"
            (project.root / "review.csv").unlink()  # does not resolve the conflict
            project.upgrade()
    if git(project.root, "status", "--porcelain"):
        commit(project.root)
    rows = [row for row in project.rows if "many others" not in row]
    assert rows == sorted(MERGED)
    assert len(project.rows) == len(MERGED) + number
    assert not git(project.root, "status", "--porcelain")
    assert not (project.root / "review.csv").exists()


def test_old_commit_and_forward(project: Project) -> None:
    branch_from_before(project, 0)
    rows = project.rows
    git(project.root, "checkout", "-q", "main~1")
    assert not (project.root / "decisions.csv").exists()
    project.upgrade()
    assert {row.image for row in read_rows(project.root / "decisions.csv")} == {A, B, C}
    git(project.root, "checkout", "-qf", "main")
    assert project.rows == rows
    # Without a common ancestor, the rows of both stay.
    git(project.root, "checkout", "before", "--", "review.csv")
    project.upgrade()
    assert {*rows, *MERGED, f"{C},,keep,,,"} == {*project.rows}
