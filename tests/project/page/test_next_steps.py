"""The next steps fit the state, and following them loses nothing."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.decisions import Row, render_rows
from pixmill.core.process.progress import StageProgress
from pixmill.core.repository.dvc import RunningDvc
from pixmill.core.repository.merging import add_drivers
from pixmill.dataset.uncommitted import Uncommitted
from pixmill.experiments.promotion.report import Champion
from pixmill.metrics.growth import Growth
from pixmill.project.findings import Pile
from pixmill.project.next_steps import next_steps
from pixmill.project.stage_states import Reason, StageState
from pixmill.project.state import ProjectState, Repository, read_project_state
from tests.tiny_project import age, change_param, repro
from tests.version_control import PERSON, add_attributes, commit, dvc, dvc_repo, git

STAGES = ("scrape", "validate", "split", "train", "evaluate")

EPOCHS = Reason("param", "train.epochs", "train.epochs is now 5, was 3")

NEW_IMAGES = Reason("dependency", "data", "the images in data/ changed")

LABELS = Reason("dependency", "decisions.csv", "labels and decisions changed")

ALARM = {
    "alarm": True,
    "sentence": "pets version 3: the images differ since 2026-11-17.",
    "advice": "label random images",
    "command": "pixmill watch log --label 60",
    "log": "log",
    "is_answered": False,
}

NO_IMAGES = Reason("output", "data", "data/ is missing")

NO_MODEL = Reason("output", "artifacts/train", "artifacts/train is missing")

RESULTS = ("dvc.lock", "metrics/train.json", "params.yaml", "plots/train/full.json")

REPOSITORY = Repository(
    has_git=True, has_commit=True, branch="main", remote="origin", has_upstream=True
)

DECISIONS = Uncommitted(changed=("decisions.csv",))

EARLIER = Uncommitted(has_earlier_images=True)

FIT = StageProgress(
    "train", "", 1, 0.0, datetime(2026, 1, 1, 9, 30).timestamp(), "Fit", 40, 120, "image"
)

KEEP = 'git commit -m "Record new results"'


def fresh_until(first: str, *reasons: Reason, **found: Any) -> tuple[StageState, ...]:
    """Return stages of which one and the later ones have to run."""
    place = STAGES.index(first)
    after = Reason("stage", first, f"{first} has to run first")
    return (
        *(StageState(name, "fresh") for name in STAGES[:place]),
        StageState(first, **{"status": "stale", "reasons": reasons, **found}),
        *(StageState(name, "stale", (after,)) for name in STAGES[place + 1 :]),
    )


def lacking(*reasons: Reason) -> tuple[StageState, ...]:
    """Return stages that lack only outputs."""
    return tuple(StageState(name, "stale", reasons) for name in STAGES)


def made(**found: Any) -> ProjectState:
    """Return a state with committed results and changes, also of the repository."""
    fields = {name: found.pop(name) for name in [*found] if name in Repository.__dataclass_fields__}
    state = ProjectState(
        Path(), tuple(StageState(name, "fresh") for name in STAGES), replace(REPOSITORY, **fields)
    )
    return replace(state, **found)


def failed(error: str, **found: Any) -> tuple[StageState, ...]:
    return fresh_until("train", EPOCHS, status="failed", error=error, **found)


def in_conflict(*files: str, **found: Any) -> ProjectState:
    return made(conflicts=files, changed=files, operation="merge", **found)


SITUATIONS = {
    "done": made(),
    "promoted": made(is_promoted=True),
    "clone": made(stages=lacking(NO_IMAGES), has_storage=True),
    "clone without storage": made(stages=lacking(NO_IMAGES)),
    "results deleted": made(stages=lacking(NO_MODEL), is_cached=True),
    "results pulled": made(stages=lacking(NO_MODEL), has_storage=True),
    "results nowhere": made(stages=lacking(NO_MODEL)),
    "earlier images": made(stages=lacking(NO_IMAGES), has_storage=True, uncommitted=EARLIER),
    "images merged": made(uncommitted=EARLIER),
    "clone with another param": made(
        stages=(*lacking(NO_MODEL)[:3], *fresh_until("train", EPOCHS, NO_MODEL)[3:]),
        has_storage=True,
    ),
    "param": made(stages=fresh_until("evaluate", EPOCHS)),
    "never run": made(stages=tuple(StageState(name, "never run") for name in STAGES)),
    "images awaited": made(stages=lacking(EPOCHS), awaits_images=True),
    "labels awaited": made(stages=lacking(EPOCHS), awaits_labels=True),
    "gate": made(
        stages=failed(
            "the gate stopped: 2 checks\n  cats: 3 of 5; expected 4\n  dogs: 1\nNext: mend"
        )
    ),
    "failed": made(stages=failed(""), is_cached=True),
    "failed with advice": made(stages=failed("no weights\nNext: dvc repro train")),
    "refused": made(
        stages=failed(
            "val: expected a number\nNext: edit params.yaml, then: pixmill doctor --quick"
        )
    ),
    "other code": made(
        stages=failed("Other code\nNext: pixmill upgrade && dvc repro, or to stay: pip install x")
    ),
    "interrupted": made(stages=failed("interrupted")),
    "running": made(
        stages=fresh_until("train", status="running", progress=FIT), undecodable={"a": "broken"}
    ),
    "sweep": made(
        sweep=replace(FIT, stage="sweep", what="Sweep", unit="trial", note="best 0.8, trial 3"),
        stages=fresh_until("train", EPOCHS),
    ),
    "DVC runs": made(commands=(RunningDvc(1, "dvc add", ("data",), ()),)),
    "conflict in results": in_conflict("dvc.lock"),
    "conflict in params": in_conflict("params.yaml", marked=("params.yaml",)),
    "conflict, resolved": in_conflict("params.yaml"),
    "conflict in pixmill.lock": in_conflict("pixmill.lock"),
    "conflict in images": in_conflict("data.dvc", marked=("data.dvc",)),
    "malformed": made(faults={"stages": "dvc.lock is malformed"}),
    "wrong params": made(
        wrong_params="params.yaml: train.epoch: unknown key", stages=fresh_until("train", EPOCHS)
    ),
    "params deleted": made(deleted=("params.yaml",)),
    "no stages": made(stages=()),
    "dirty": made(changed=("notes.md", "pyproject.toml"), untracked=("notes.md",)),
    "merge under way": made(operation="merge"),
    "new results": made(changed=RESULTS),
    "new images, compared": made(
        changed=RESULTS[:2],
        is_compared=True,
        uncommitted=Uncommitted(unadded="data/ differs from data.dvc"),
    ),
    "decisions": made(changed=DECISIONS.changed, uncommitted=DECISIONS),
    "without Git": replace(made(), repository=Repository(has_git=False)),
    "without a commit": made(has_commit=False, doubtful_labels=3),
    "name for no shell": made(changed=(os.fsdecode(b"a\xff\x1b\n'.txt"),)),
    "not pushed, storage": made(unpushed=2, has_storage=True),
    "new branch": made(unpushed=1, branch="more-cats", has_upstream=False),
    "detached": made(unpushed=1, branch=""),
    "behind": made(behind=1, has_storage=True),
    "both have commits": made(behind=2, unpushed=1),
    "runs wait": made(waiting_runs=2),
    "nothing promoted": made(has_store=True),
    "promoted earlier": made(has_store=True, champion=Champion("pets", 3, "", None)),
    "rolled back": made(
        has_store=True, champion=Champion("pets", 3, "", None), is_rolled_back=True
    ),
    "promotion refused": made(
        has_store=True, champion=Champion("pets", 3, "", None), is_judged=True
    ),
    "server down": made(faults={"model in production": "no answer."}),
    "corrections": made(corrections=2),
    "images lost": made(missing=(["missing from data/: a.jpg"], "pixmill review --restore")),
    "decisions lost": made(
        uncommitted=Uncommitted(changed=("decisions.csv",), missing="1 decision", is_back=True)
    ),
    "alarm": made(
        watched=ALARM,
        has_store=True,
        doubtful_labels=3,
        changed=("notes.md",),
    ),
    "alarm, answered": made(watched={**ALARM, "is_answered": True}),
    "alarm, answered in part": made(
        watched={**ALARM, "is_answered": True}, pile=Pile(20, {"random": 20}, is_begun=True)
    ),
    "no alarm": made(watched={"alarm": False}),
    "labels": made(doubtful_labels=3),
    "several labels": made(task="labels", doubtful_labels=3),
    "unlabelled": made(pile=Pile(100), has_store=True),
    "some of them labelled": made(pile=Pile(60, is_begun=True), has_store=True),
    "unlabelled before the first run": made(
        stages=tuple(StageState(name, "never run") for name in STAGES), pile=Pile(100)
    ),
    "unlabelled since the last run": made(stages=fresh_until("scrape", NEW_IMAGES), pile=Pile(60)),
    "some of these labelled": made(
        stages=(*fresh_until("scrape", NEW_IMAGES)[:1], *fresh_until("validate", LABELS)[1:]),
        pile=Pile(20, is_begun=True),
    ),
    "people were asked": made(
        stages=fresh_until("scrape", NEW_IMAGES), pile=Pile(70, {"random": 60}, is_begun=True)
    ),
    "disputed": made(disputed={"1" * 64: "cat (ada) and dog (bo)"}),
    "large": made(
        changed=("notes.md", "phone/"), untracked=("notes.md", "phone/"), large=("phone/",)
    ),
    "large, before a commit": made(has_commit=False, untracked=("phone/",), large=("phone/",)),
    "images deleted": made(
        changed=("data.dvc", *RESULTS),
        is_compared=True,
        uncommitted=Uncommitted(("data.dvc",), removed="1 image"),
    ),
    "more images": made(growth=Growth(0.03, 0.015, 0.06)),
    "undecodable": made(
        undecodable={"data/cat/1.jpg": "broken"}, stages=fresh_until("train", EPOCHS)
    ),
}


def test_first_step() -> None:
    firsts = {name: next_steps(state)[0] for name, state in SITUATIONS.items()}
    text = "\n".join(f"{name} [{first.kind}]\n{first.text}\n" for name, first in firsts.items())
    assert text == Path(__file__).with_name("first_steps.txt").read_text(encoding="utf-8")


def test_steps_are_ordered_by_urgency() -> None:
    state = made(
        undecodable={"data/cat/1.jpg": "broken"},
        doubtful_labels=1,
        growth=Growth(0.03, 0.015, 0.06),
        series="12 images form 2 series; set group_by",
        changed=RESULTS,
        is_compared=True,
        unpushed=1,
        waiting_runs=1,
    )
    kinds = ["images", "commit", "labels", "push", "sync", "series", "more images"]
    assert [step.kind for step in next_steps(state)] == kinds
    state = replace(state, stages=fresh_until("validate", EPOCHS))
    state = replace(state, repository=replace(state.repository, uncommitted=DECISIONS))
    assert [step.kind for step in next_steps(state)] == [
        "images",
        "run",
        "commit",
        "push",
        "sync",
        "series",
    ]


def test_deleted_image() -> None:
    lost = Uncommitted(changed=("data.dvc",), missing="1 image", is_back=True)
    back, _, keep = next_steps(made(changed=("data.dvc", *RESULTS), uncommitted=lost))
    assert (back.kind, back.command) == (
        "vanished",
        "git checkout HEAD -- data.dvc && dvc checkout data.dvc",
    )
    assert "1 image (if intended: git add data.dvc && git commit)" in back.sentence
    assert keep.command == f"git add data.dvc dvc.lock metrics params.yaml plots && {KEEP}"


def test_deleted_file_is_restored_before_the_commit() -> None:
    gone = Uncommitted(deleted=("decisions.csv",))
    *_, keep = next_steps(
        made(changed=("decisions.csv", *RESULTS), is_compared=True, uncommitted=gone)
    )
    assert keep.command == (
        "git checkout HEAD -- decisions.csv && git add dvc.lock metrics params.yaml plots && "
        f"{KEEP}"
    )


def test_decision_with_images_of_an_earlier_commit() -> None:
    both = replace(DECISIONS, has_earlier_images=True)
    fetch, keep = next_steps(made(stages=lacking(NO_IMAGES), has_storage=True, uncommitted=both))
    assert (fetch.kind, fetch.command) == ("fetch", "dvc pull")
    assert keep.command == 'git add decisions.csv && git commit -m "Add images and decisions"'


# Real situations: each changes a finished project, and returns the folder to read if it is another
# one.


def storage(root: Path) -> Path:
    """Push the project to new remotes of DVC and Git."""
    place = root.parent / "storage"
    with dvc_repo(root) as repo:
        with repo.config.edit() as config:
            config["remote"]["storage"] = {"url": str(place)}
            config["core"]["remote"] = "storage"
        repo.push()
    commit(root, "Add storage")
    remote(root)
    return place


def remote(root: Path) -> None:
    git(root.parent, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(root, "remote", "add", "origin", str(root.parent / "origin.git"))
    git(root, "push", "-q", "-u", "origin", "main")


def clone(root: Path) -> Path:
    git(root.parent, "clone", "-q", str(root.parent / "origin.git"), "clone")
    return root.parent / "clone"


def clone_with_another_param(root: Path) -> Path:
    storage(root)
    there = clone(root)
    change_param(there, "epochs: 3", "epochs: 5")
    return there


def pulled_images(root: Path) -> Path:
    storage(root)
    theirs = clone(root)
    with dvc_repo(theirs) as repo:
        repo.pull()
    (theirs / "data/cat/2.jpg").write_bytes(b"another cat")
    dvc(theirs, "repro", "-q")
    commit(theirs)
    with dvc_repo(theirs) as repo:
        repo.push()
    git(theirs, "push", "-q")
    git(root, "pull", "-q")
    return root


def conflict_in_images(root: Path) -> None:
    def add(root: Path, number: int) -> None:
        (root / f"data/cat/new-{number}.jpg").write_bytes(b"%d" % number)
        with dvc_repo(root) as repo:
            repo.add("data")

    git(root, "checkout", "-q", "-b", "other")
    add(root, 1)
    commit(root)
    git(root, "checkout", "-q", "main")
    with dvc_repo(root) as repo:
        repo.checkout(["data.dvc"])
    add(root, 2)
    commit(root)
    with contextlib.suppress(subprocess.CalledProcessError):
        git(root, "merge", "-q", "other")


def merged_images(root: Path) -> None:
    add_drivers(root)
    add_attributes(root)
    commit(root)
    conflict_in_images(root)


def merged_images_and_ran(root: Path) -> None:
    merged_images(root)
    assert repro(root) == 0


def merged_images_beside_own(root: Path) -> None:
    merged_images(root)
    (root / "data/cat/own.jpg").write_bytes(b"own")


def deleted_image(root: Path) -> None:
    (root / "data/cat/2.jpg").write_bytes(b"no image")
    (root / "data/cat/3.jpg").write_bytes(b"an image")
    assert repro(root) == 0
    age(root)
    commit(root)
    (root / "data/cat/2.jpg").unlink()


def large_export(root: Path) -> None:
    (root / "phone").mkdir()
    (root / "phone/model [int8].tflite").write_bytes(bytes(1_100_000))
    (root / "notes.md").touch()


def first_run(root: Path) -> None:
    """Leave a project whose only commit has no results."""
    git(root, "rm", "-rq", "--cached", "dvc.lock", "metrics", "plots")
    git(root, "commit", "-q", "--amend", "-m", "Start")


def decision(root: Path) -> None:
    row = Row("0123456789abcdef" * 4, answer="drop")
    (root / "decisions.csv").write_text(render_rows([row]))


def decision_lost(root: Path) -> None:
    decision(root)
    assert repro(root) == 0
    age(root)
    commit(root)
    git(root, "checkout", "-q", "HEAD~1", "--", "decisions.csv")
    git(root, "reset", "-q")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("situation", "way"),
    [
        (pulled_images, ["fetch", "done"]),
        (clone_with_another_param, ["run", "compare", "commit", "push", "done"]),
        (conflict_in_images, ["conflict", "fetch", "run", "compare", "commit", "done"]),
        (merged_images, ["fetch", "run", "compare", "commit", "done"]),
        (merged_images_and_ran, ["vanished", "run", "compare", "commit", "done"]),
        (merged_images_beside_own, ["vanished", "run", "compare", "commit", "done"]),
        (decision_lost, ["vanished", "done"]),
        (deleted_image, ["run", "compare", "commit", "done"]),
        (large_export, ["commit", "commit", "done"]),
        (first_run, ["commit", "done"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_following_the_steps_loses_nothing(
    project: Path,
    situation: Callable[[Path], Path | None],
    way: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    root = situation(project) or project
    images = {path.read_bytes() for path in (root / "data").rglob("*.jpg")}
    decisions = set((root / "decisions.csv").read_text().splitlines())
    others = (
        {b"1", b"2"} if "merged" in situation.__name__ or situation is conflict_in_images else set()
    )
    been: list[str] = []
    while been[-1:] != ["done"] and len(been) < len(way) + 1:
        step = next_steps(read_project_state(root))[0]
        been.append(step.kind)
        if step.kind == "compare":
            (root / "reports/compare.html").touch()
        elif step.kind != "done":
            assert step.command is not None
            shell = ["bash", "-ec", step.command]
            environment = {**os.environ, **PERSON, "GIT_EDITOR": "sh -c 'echo Change >> $1' -"}
            subprocess.run(shell, cwd=root, check=True, env=environment, stdin=subprocess.DEVNULL)
        if step.kind == "vanished" and (aside := root.parent / "data-mine/cat/own.jpg").exists():
            aside.rename(root / "data/cat/own.jpg")
        found = {
            path.read_bytes()
            for name in ("data", "../data-mine")
            for path in (root / name).rglob("*.jpg")
        }
        assert images <= found
        assert decisions <= set((root / "decisions.csv").read_text().splitlines())
    assert been == way
    assert images | others <= {path.read_bytes() for path in (root / "data").rglob("*.jpg")}
    assert not git(root, "status", "--porcelain", "data.dvc")


def test_images_of_each_reason_have_a_step_and_an_extra_is_installed() -> None:
    files = {
        "data/cat/1.jpg": "no_decoder",
        "data/cat/2.jpg": "too_many_pixels",
        "data/cat/3.jpg": "no_decoder",
    }
    first, second = (step for step in next_steps(made(undecodable=files)) if step.kind == "images")
    assert first.command is not None
    install, again = first.command.split(" && ", 1)
    assert (install[-7:], again) == ("[heic]'", "dvc repro -s -f validate && dvc repro")
    assert "data/cat/1.jpg, data/cat/3.jpg" in first.sentence
    assert ("validate.max_pixels" in second.sentence, second.command) == (True, "dvc repro")


def test_first_edit_of_contradictory_decisions() -> None:
    """The command alone would fail again, so the sentence names the edit before it."""
    state = made(
        faults={"decisions.csv": "decisions.csv, line 3: expected one answer"},
        fixes={"decisions.csv": "edit line 3 of decisions.csv, then: dvc repro validate"},
    )
    step = next_steps(state)[0]
    assert step.command == "dvc repro validate"
    assert "edit line 3 of decisions.csv" in step.sentence
