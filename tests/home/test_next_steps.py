"""In each situation the right sentence and the right command come first; who follows them loses nothing."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.dvc import RunningDvc
from pixmill.core.stage_progress import StageProgress
from pixmill.home.next_steps import next_steps
from pixmill.home.project_state import ProjectState, read_project_state
from pixmill.metrics.growth import Growth
from pixmill.registry.report import Champion
from pixmill.state.repository import Repository
from pixmill.state.stage_states import Reason, StageState
from pixmill.state.uncommitted import Uncommitted
from tests.tiny_project import age, change_param, repro
from tests.version_control import PERSON, commit, dvc, git

STAGES = ("scrape", "validate", "split", "train", "evaluate")

EPOCHS = Reason("param", "train.epochs", "train.epochs is now 5, was 3")

NO_IMAGES = Reason("output", "data", "data/ is not here")

NO_MODEL = Reason("output", "artifacts/train", "artifacts/train is not here")

RESULTS = ("dvc.lock", "metrics/train.json", "params.yaml", "plots/train/full.json")

REPOSITORY = Repository(has_git=True, has_commit=True, branch="main", remote="origin", has_upstream=True)

DECISIONS = Uncommitted(changed=("review.csv",))

KEEP = 'git commit -m "Record new results"'


def fresh_until(first: str, *reasons: Reason, **found: Any) -> tuple[StageState, ...]:
    """Return stages of which one has to run, and those after it."""
    place = STAGES.index(first)
    after = Reason("stage", first, f"{first} has to run first")
    return (
        *(StageState(name, "fresh") for name in STAGES[:place]),
        StageState(first, **{"status": "stale", "reasons": reasons, **found}),
        *(StageState(name, "stale", (after,)) for name in STAGES[place + 1 :]),
    )


def lacking(*reasons: Reason) -> tuple[StageState, ...]:
    """Return stages of which nothing but results is amiss."""
    return tuple(StageState(name, "stale", reasons) for name in STAGES)


def made(**found: Any) -> ProjectState:
    """Return the state of a project with committed results, but for what is given; fields of Git by their names."""
    fields = {name: found.pop(name) for name in [*found] if name in Repository.__dataclass_fields__}
    state = ProjectState(Path(), tuple(StageState(name, "fresh") for name in STAGES), replace(REPOSITORY, **fields))
    return replace(state, **found)


def failed(error: str, **found: Any) -> tuple[StageState, ...]:
    return fresh_until("train", EPOCHS, status="failed", error=error, **found)


def gate(error: str = "", **found: Any) -> tuple[StageState, ...]:
    return fresh_until("validate", status="gate failed", error=error, checks=("min_per_class",), **found)


def at_work() -> tuple[StageState, ...]:
    progress = StageProgress("train", "", 1, 0.0, 0.0, "Fit", 40, 120, "image")
    return fresh_until("train", status="running", progress=progress)


def in_conflict(*files: str, **found: Any) -> ProjectState:
    return made(conflicts=files, changed=files, operation="merge", **found)


SITUATIONS: dict[str, tuple[ProjectState, str, str, str | None]] = {
    "done": (made(), "done", "The results are up to date and committed. Try the model", "pixmill serve --open"),
    "promoted": (made(is_promoted=True), "done", "committed and in production.", "pixmill serve --open"),
    "clone": (
        made(stages=lacking(NO_IMAGES), has_storage=True),
        "fetch",
        "not here (data/ is not here); fetch them from your team's storage.",
        "dvc pull",
    ),
    "clone without storage": (
        made(stages=lacking(NO_IMAGES)),
        "fetch",
        "The images of data.dvc are not here, and DVC knows no storage: name your team's.",
        "dvc remote add -d storage URL && dvc pull",
    ),
    "results deleted": (
        made(stages=lacking(NO_MODEL), is_cached=True),
        "fetch",
        "(artifacts/train is not here), but in DVC's cache.",
        "dvc checkout",
    ),
    "results deleted beside new decisions": (
        made(stages=lacking(NO_MODEL), is_cached=True, changed=DECISIONS.changed, uncommitted=DECISIONS),
        "fetch",
        "but in DVC's cache.",
        'git add review.csv && git commit -m "Add images and decisions" && dvc checkout',
    ),
    "results pulled": (
        made(stages=lacking(NO_MODEL), has_storage=True),
        "fetch",
        "fetch them from your team's storage, or if it lacks them: dvc repro.",
        "dvc pull",
    ),
    "results nowhere": (made(stages=lacking(NO_MODEL)), "run", "DVC knows no storage to fetch them from.", "dvc repro"),
    "earlier images": (
        made(stages=lacking(NO_IMAGES), has_storage=True, uncommitted=Uncommitted(has_earlier_images=True)),
        "fetch",
        "data/ has the images of an earlier commit, as after `git pull`.",
        "dvc pull",
    ),
    "clone with another param": (
        made(stages=(*lacking(NO_MODEL)[:3], *fresh_until("train", EPOCHS, NO_MODEL)[3:]), has_storage=True),
        "run",
        "train and evaluate are out of date: train.epochs is now 5, was 3, and 1 more.",
        "dvc pull && dvc repro",
    ),
    "param": (made(stages=fresh_until("evaluate", EPOCHS)), "run", "evaluate is out of date: train.ep", "dvc repro"),
    "never run": (
        made(stages=tuple(StageState(name, "never run") for name in STAGES)),
        "run",
        "Nothing has run yet.",
        "dvc repro",
    ),
    "new stage": (made(stages=fresh_until("train", status="never run")), "run", "train has never run", "dvc repro"),
    "no images": (made(stages=lacking(EPOCHS), has_images=False), "fetch", "There are no images: put", "pixmill data"),
    "images awaited": (
        made(stages=lacking(EPOCHS), awaits_images=True),
        "fetch",
        "no images yet: put yours",
        "dvc repro",
    ),
    "gate": (made(stages=gate()), "gate", "The gate of validate failed: min_per_class. See reports/v", "dvc repro"),
    "gate in its words": (
        made(stages=gate("stopped: 2 checks\n  cats: 3 of 5; expected 4\n  dogs: 1\nNext: mend")),
        "gate",
        "The gate of validate failed: cats: 3 of 5; expected 4; and 1 more. See",
        "dvc repro",
    ),
    "gate, edited": (made(stages=gate(is_changed=True)), "gate", "What it reads was changed since: run", "dvc repro"),
    "failed": (
        made(stages=failed(""), way_back="dvc checkout artifacts/train"),
        "failed",
        "train stopped before it was done. The results of the run before come back by: dvc checkout artifacts/train",
        "dvc repro",
    ),
    "failed with advice": (
        made(stages=failed("no weights\nNext: dvc repro train")),
        "failed",
        "train stopped before it was done: no weights.",
        "dvc repro train",
    ),
    "failed, edited": (
        made(stages=failed("no weights\nNext: dvc repro train", is_changed=True)),
        "failed",
        "no weights. What it reads was changed since: run again.",
        "dvc repro",
    ),
    "refused": (
        made(stages=failed("val: expected a number\nNext: edit params.yaml, then: pixmill check")),
        "failed",
        "val: expected a number. Next: edit params.yaml, then: pixmill check.",
        "pixmill check",
    ),
    "other code": (
        made(stages=failed("Other code\nNext: pixmill upgrade && dvc repro, or to stay: pip install pixmill")),
        "failed",
        "Next: pixmill upgrade && dvc repro, or to stay",
        "pixmill upgrade && dvc repro",
    ),
    "interrupted": (made(stages=failed("interrupted")), "failed", "train was interrupted.", "dvc repro"),
    "running": (made(stages=at_work(), undecodable=("a",)), "running", ": Fit: 40 of 120 images.", None),
    "DVC runs": (made(commands=(RunningDvc(1, "dvc add", ("data",), ()),)), "running", "DVC is at work in this", None),
    "DVC reads": (
        made(commands=(RunningDvc(1, "dvc push", (), ("data",)),)),
        "done",
        "up to date",
        "pixmill serve --open",
    ),
    "conflict in results": (
        in_conflict("dvc.lock", unmerged=("dvc.lock",)),
        "conflict",
        "dvc.lock is in conflict. Take either side: the next run writes it anew.",
        "git checkout --ours dvc.lock && git add dvc.lock && dvc repro",
    ),
    "conflict in params": (
        in_conflict("params.yaml", "dvc.lock", marked=("params.yaml",)),
        "conflict",
        "params.yaml is in conflict. Choose the lines that count",
        "git diff params.yaml",
    ),
    "conflict, resolved": (
        in_conflict("params.yaml", unmerged=("params.yaml",)),
        "conflict",
        "params.yaml holds no marks of the conflict. If all is as it should be, tell Git so: add it.",
        "git add params.yaml",
    ),
    "conflict in pixmill.lock": (
        in_conflict("pixmill.lock", unmerged=("pixmill.lock",)),
        "conflict",
        "pixmill.lock is in conflict",
        "git checkout --theirs pixmill.lock && pixmill upgrade && git add pixmill.lock",
    ),
    "marks in pixmill.lock": (
        in_conflict("pixmill.lock", marked=("pixmill.lock",)),
        "conflict",
        "pixmill.lock is in conflict",
        "git checkout pixmill.lock && pixmill upgrade && git add pixmill.lock",
    ),
    "conflict in images": (
        in_conflict("data.dvc", marked=("data.dvc",)),
        "conflict",
        "both sides changed the images. This puts those of the other side into .pixmill/theirs/; copy from there",
        "git checkout --ours data.dvc && "
        'dvc get "$(git rev-parse --show-toplevel)" "$(git rev-parse --show-prefix)data" '
        "--rev MERGE_HEAD -o .pixmill/theirs",
    ),
    "unreadable": (made(faults={"stages": "Is a directory: dvc.lock"}), "broken", "Is a directory", "pixmill doctor"),
    "malformed": (made(faults={"stages": "dvc.lock is malformed"}), "broken", "dvc.lock is malf", "git diff dvc.lock"),
    "malformed params": (made(faults={"stages": "params.yaml is malformed: x"}), "broken", ": x.", "pixmill check"),
    "params deleted": (made(deleted=("params.yaml",)), "broken", "is missing", "git checkout HEAD params.yaml"),
    "no stages": (made(stages=()), "broken", "dvc.yaml is missing or has no stages", "git diff dvc.yaml"),
    "no pipeline": (made(stages=(), has_pipeline=False), "broken", "dvc.yaml is missing", "git checkout dvc.yaml"),
    "dirty": (
        made(changed=("notes.md", "pyproject.toml"), untracked=("notes.md",)),
        "commit",
        "notes.md and pyproject.toml are changed and not committed.",
        "git add notes.md pyproject.toml && git commit",
    ),
    "merge under way": (made(operation="merge"), "commit", "A merge is", "git add . && git merge --continue"),
    "new results": (made(changed=RESULTS), "compare", "The results are new: see what the change", "pixmill compare"),
    "new results, compared": (
        made(changed=(*RESULTS, "notes.md"), untracked=("notes.md",), is_compared=True),
        "commit",
        "The results are new. A commit keeps them.",
        f"git add dvc.lock metrics params.yaml plots && {KEEP}",
    ),
    "new images, compared": (
        made(changed=RESULTS[:2], is_compared=True, uncommitted=Uncommitted(unadded="2 new images")),
        "commit",
        "The results are new. A commit keeps them.",
        f"dvc add data && git add data.dvc dvc.lock metrics && {KEEP}",
    ),
    "other machine": (
        made(changed=RESULTS[:2], is_equal=True, way_back="git checkout dvc.lock"),
        "commit",
        "dvc.lock and metrics/train.json differ from the committed ones, although images, params and code are the same",
        f"git add dvc.lock metrics && {KEEP}",
    ),
    "decisions": (
        made(changed=DECISIONS.changed, uncommitted=DECISIONS),
        "commit",
        "review.csv differs from the last commit",
        'git add review.csv && git commit -m "Add images and decisions"',
    ),
    "without Git": (
        replace(made(), repository=Repository(has_git=False)),
        "commit",
        "The project is not in Git",
        "git init && git add . && git commit -m Start",
    ),
    "without a commit": (
        made(has_commit=False, doubtful_labels=3),
        "commit",
        "Nothing is committed yet.",
        "git add . && git commit -m Start",
    ),
    "name for no shell": (
        made(changed=(os.fsdecode(b"a\xff\x1b\n'.txt"),)),
        "commit",
        r"a\udcff\x1b\n'.txt is changed and not",
        r"git add $'a\xff\x1b\x0a\x27.txt' && git commit",
    ),
    "not pushed": (made(unpushed=1), "push", "1 commit is not pushed.", "git push"),
    "not pushed, storage": (made(unpushed=2, has_storage=True), "push", "2 commits are not", "dvc push && git push"),
    "new branch": (
        made(unpushed=1, branch="more-cats", has_upstream=False),
        "push",
        "1 commit is not pushed.",
        "git push -u origin more-cats",
    ),
    "detached": (made(unpushed=1, branch=""), "push", "and no branch is checked out: name", "git switch -c NAME"),
    "behind": (made(behind=1, has_storage=True), "pull", "1 commit of others is not here", "git pull && dvc pull"),
    "both have commits": (made(behind=2, unpushed=1), "pull", "2 commits of others are not", "git pull --no-rebase"),
    "runs wait": (made(waiting_runs=2), "sync", "2 runs wait to be sent to MLflow.", "pixmill sync"),
    "nothing promoted": (made(has_store=True), "promote", "No model is in production; that of", "pixmill promote"),
    "promoted earlier": (
        made(has_store=True, champion=Champion("pets", 3, "", None)),
        "promote",
        "In production is version 3; that of the last commit can be",
        "pixmill promote",
    ),
    "server down": (
        made(faults={"model in production": "no answer."}),
        "promote",
        "Which model is in production is unknown: no answer.",
        "pixmill doctor",
    ),
    "corrections": (
        made(corrections=2),
        "corrections",
        "2 images that users corrected wait for a review.",
        "pixmill review --only feedback",
    ),
    "images lost": (
        made(missing=(["missing from data/: a.jpg"], "pixmill review --restore")),
        "vanished",
        "missing from data/: a.jpg.",
        "pixmill review --restore",
    ),
    "decisions lost": (
        made(uncommitted=Uncommitted(changed=("review.csv",), missing="1 decision", is_back=True)),
        "vanished",
        "Missing here, but in the last commit: 1 decision",
        "git checkout HEAD -- review.csv",
    ),
    "labels": (made(doubtful_labels=3), "labels", "3 labels are worth a look: the model", "pixmill review"),
    "more images": (
        made(growth=Growth(0.03, 0.015, 0.06)),
        "more images",
        "Twice as many images would add about 3.0 points of accuracy",
        "dvc repro",
    ),
    "undecodable": (
        made(undecodable=("data/cat/1.jpg",), stages=fresh_until("train", EPOCHS)),
        "images",
        "1 image does not decode: data/cat/1.jpg. Replace or delete it, then run.",
        "dvc repro",
    ),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_first_step_is_what_a_colleague_would_say(name: str) -> None:
    state, kind, sentence, typed = SITUATIONS[name]
    first = next_steps(state)[0]
    assert (first.kind, first.command) == (kind, typed), first
    assert sentence in first.sentence


def test_the_steps_come_in_the_order_of_a_colleague() -> None:
    state = made(
        undecodable=("data/cat/1.jpg",),
        doubtful_labels=1,
        growth=Growth(0.03, 0.015, 0.06),
        changed=RESULTS,
        is_equal=True,
        unpushed=1,
        waiting_runs=1,
    )
    kinds = ["images", "labels", "more images", "commit", "push", "sync"]
    assert [step.kind for step in next_steps(state)] == kinds
    state = replace(state, stages=fresh_until("validate", EPOCHS))
    state = replace(state, repository=replace(state.repository, uncommitted=DECISIONS))
    assert [step.kind for step in next_steps(state)] == ["images", "run", "commit", "push", "sync"]


def test_an_image_that_was_deleted_may_be_meant() -> None:
    lost = Uncommitted(changed=("data.dvc",), missing="1 image", is_back=True)
    back, _, keep = next_steps(made(changed=("data.dvc", *RESULTS), uncommitted=lost))
    assert (back.kind, back.command) == ("vanished", "git checkout HEAD -- data.dvc && dvc checkout data.dvc")
    assert "1 image (if that is meant: git add data.dvc && git commit)" in back.sentence
    assert keep.command == f"git add data.dvc dvc.lock metrics params.yaml plots && {KEEP}"


def test_a_decision_beside_images_of_an_earlier_commit_undoes_nothing() -> None:
    both = replace(DECISIONS, has_earlier_images=True)
    fetch, keep = next_steps(made(stages=lacking(NO_IMAGES), has_storage=True, uncommitted=both))
    assert (fetch.kind, fetch.command) == ("fetch", "dvc pull")
    assert keep.command == 'git add review.csv && git commit -m "Add images and decisions"'


# Real situations: each changes a finished project into another, and returns the folder to look at if that is another.


def record(root: Path, path: str, md5: str) -> None:
    """Let ``dvc.lock`` name another hash of an output, wherever it names it."""
    lock = (root / "dvc.lock").read_text()
    old = re.findall(r"md5: ([0-9a-f]{32}(?:\.dir)?)", lock.rpartition(f"path: {path}\n")[2])[0]
    (root / "dvc.lock").write_text(lock.replace(old, md5))


def storage(root: Path) -> Path:
    """Give the project a remote of DVC and one of Git, with all that it has."""
    place = root.parent / "storage"
    dvc(root, "remote", "add", "-q", "-d", "storage", str(place))
    dvc(root, "push", "-q")
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


def merge(root: Path, change: Callable[[Path, int], object]) -> None:
    """Merge two branches that change the same lines."""
    git(root, "checkout", "-q", "-b", "other")
    change(root, 1)
    commit(root)
    git(root, "checkout", "-q", "main")
    change(root, 2)
    commit(root)
    with contextlib.suppress(subprocess.CalledProcessError):
        git(root, "merge", "-q", "other")
    assert "<<<<<<<" in git(root, "diff")


def clone_with_another_param(root: Path) -> Path:
    storage(root)
    there = clone(root)
    change_param(there, "epochs: 3", "epochs: 5")
    return there


def results_deleted_and_a_new_image(root: Path) -> None:
    shutil.rmtree(root / "artifacts" / "train")
    (root / "data.dvc").write_text((root / "data.dvc").read_text() + "desc: pets\n")


def pulled_images(root: Path) -> Path:
    storage(root)
    theirs = clone(root)
    dvc(theirs, "pull", "-q")
    (theirs / "data/cat/2.jpg").write_bytes(b"another cat")
    dvc(theirs, "repro", "-q")
    commit(theirs)
    dvc(theirs, "push", "-q")
    git(theirs, "push", "-q")
    git(root, "pull", "-q")
    return root


def both_have_commits(root: Path) -> None:
    behind(root)
    (root / "notes.md").write_text("mine")
    commit(root)


def behind(root: Path) -> None:
    storage(root)
    theirs = clone(root)
    (theirs / "README.md").write_text("pets")
    commit(theirs)
    git(theirs, "push", "-q")
    git(root, "fetch", "-q")


def conflict_in_results(root: Path) -> None:
    merge(root, lambda root, number: record(root, "artifacts/train", f"{number:032x}.dir"))


def conflict_in_images(root: Path) -> None:
    def add(root: Path, number: int) -> None:
        (root / f"data/cat/new-{number}.jpg").write_bytes(b"%d" % number)
        dvc(root, "add", "-q", "data")

    git(root, "checkout", "-q", "-b", "other")
    add(root, 1)
    commit(root)
    git(root, "checkout", "-q", "main")
    dvc(root, "checkout", "-q", "data.dvc")
    add(root, 2)
    commit(root)
    with contextlib.suppress(subprocess.CalledProcessError):
        git(root, "merge", "-q", "other")


def name_for_no_shell(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/a\xff\x1b\n'.txt")).touch()


def decision(root: Path) -> None:
    with (root / "review.csv").open("a") as file:
        file.write(f"{'0123456789abcdef' * 4},drop,,,\n")


def decision_lost(root: Path) -> None:
    decision(root)
    assert repro(root) == 0
    age(root)
    commit(root)
    git(root, "checkout", "-q", "HEAD~1", "--", "review.csv")
    git(root, "reset", "-q")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("situation", "way"),
    [
        (conflict_in_results, ["conflict", "commit", "done"]),
        (pulled_images, ["fetch", "done"]),
        (results_deleted_and_a_new_image, ["fetch", "done"]),
        (clone_with_another_param, ["run", "compare", "commit", "push", "done"]),
        (both_have_commits, ["pull", "push", "done"]),
        (name_for_no_shell, ["commit", "done"]),
        (conflict_in_images, ["conflict", "conflict", "run", "compare", "commit", "done"]),
        (decision_lost, ["vanished", "done"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_who_follows_the_steps_arrives_and_loses_nothing(
    project: Path, situation: Callable[[Path], Path | None], way: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    root = situation(project) or project
    images = {path.read_bytes() for path in (root / "data").rglob("*.jpg")}
    decisions = set((root / "review.csv").read_text().splitlines())
    been: list[str] = []
    while been[-1:] != ["done"] and len(been) < len(way) + 1:
        step = next_steps(read_project_state(root, with_disk=False))[0]
        been.append(step.kind)
        if step.kind == "compare":
            (root / "reports/compare.html").touch()
        elif step.kind != "done":
            assert step.command is not None
            shell = ["bash", "-ec", step.command]
            environment = {**os.environ, **PERSON, "GIT_EDITOR": "sh -c 'echo Change >> $1' -"}
            subprocess.run(shell, cwd=root, check=True, env=environment, stdin=subprocess.DEVNULL)
        assert images <= {path.read_bytes() for path in (root / "data").rglob("*.jpg")}
        assert decisions <= set((root / "review.csv").read_text().splitlines())
    assert been == way
