"""In each situation the right sentence and the right command come first; all are made with real files, Git and DVC."""

import contextlib
import dataclasses
import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixmill.core.dvc import folder_md5
from pixmill.core.files import file_digest
from pixmill.core.stage_progress import StageProgress
from pixmill.home.next_steps import NextStep, next_steps
from pixmill.home.project_state import read_project_state
from pixmill.review.decision_log import DecisionLog
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
from tests.tiny_project import age, change_param, repro
from tests.version_control import commit, dvc, git

ID = "0123456789abcdef" * 4


def steps(root: Path) -> list[NextStep]:
    return next_steps(read_project_state(root, with_disk=False))


def has_recorded(root: Path, *paths: str) -> None:
    """Let ``dvc.lock`` name outputs as they are, as if a stage had made them, and commit."""
    lock = (root / "dvc.lock").read_text()
    for path in paths:
        place = root / path
        new = folder_md5(place) if place.is_dir() else file_digest(place, "md5")
        old = lock.partition(f"path: {path}\n")[2].partition("md5: ")[2].partition("\n")[0]
        old = old if old != "md5" else lock.partition(f"path: {path}\n")[2].split("md5: ")[1].partition("\n")[0]
        lock = lock.replace(old, new)
    (root / "dvc.lock").write_text(lock)
    age(root)
    commit(root, "Record")


def progress(root: Path, stage: str = "train", **values: object) -> None:
    """Leave the progress file of a stage."""
    me = psutil.Process()
    begun = StageProgress(stage, str(root.resolve()), me.pid, me.create_time(), time.time() - 5)
    path = root / ".pixmill" / "progress" / f"{stage}-x.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**dataclasses.asdict(begun), **values}))


def table(root: Path, path: str, *rows: dict[str, object]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), root / path)


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


def merge(root: Path, change: Callable[[Path, int], None]) -> None:
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


def champion(root: Path, revision: str | None) -> None:
    """Write MLflow's tables with a model in production, of a commit."""
    with contextlib.closing(sqlite3.connect(root / "mlflow.db")) as store, store:
        store.execute("CREATE TABLE registered_model_aliases (name, alias, version)")
        store.execute("CREATE TABLE model_versions (name, version, creation_time, source, run_id)")
        store.execute("CREATE TABLE model_version_tags (name, version, key, value)")
        if revision:
            store.execute("INSERT INTO registered_model_aliases VALUES ('pets', 'champion', 3)")
            store.execute("INSERT INTO model_versions VALUES ('pets', 3, 1700000000000, '', '')")
            store.execute(
                "INSERT INTO model_version_tags VALUES ('pets', 3, 'pixmill.commit', ?)",
                [git(root, "rev-parse", revision)],
            )


# Situations: each changes a finished project into another, and returns the folder to look at if that is another one.


def as_it_is(root: Path) -> None: ...


def fresh_clone(root: Path) -> Path:
    storage(root)
    return clone(root)


def fresh_clone_without_storage(root: Path) -> Path:
    remote(root)
    return clone(root)


def results_deleted(root: Path) -> None:
    shutil.rmtree(root / "artifacts")


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


def pulled_results(root: Path) -> Path:
    storage(root)
    theirs = clone(root)
    dvc(theirs, "pull", "-q")
    change_param(theirs, "epochs: 3", "epochs: 4")
    dvc(theirs, "repro", "-q")
    commit(theirs)
    git(theirs, "push", "-q")
    git(root, "pull", "-q")
    return root


def clone_with_another_param(root: Path) -> Path:
    there = fresh_clone(root)
    change_param(there, "epochs: 3", "epochs: 5")
    return there


def param(root: Path) -> None:
    change_param(root, "epochs: 3", "epochs: 5")


def new_param(root: Path) -> None:
    change_param(root, "evaluate: {}", "evaluate: {top_k: 2}")


def image_added(root: Path) -> None:
    (root / "data/cat/2.jpg").write_bytes(b"new")


def image_removed(root: Path) -> None:
    (root / "data/cat/1.jpg").unlink()


def code(root: Path) -> None:
    (root / "stages/train.py").write_text("print(1)\n")


def command(root: Path) -> None:
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("stages/split.py split ", "stages/split.py  split "))


def decision(root: Path) -> None:
    with (root / "review.csv").open("a") as file:
        file.write(f"{ID},drop,,,\n")


def new_dependency(root: Path) -> None:
    text = (root / "dvc.yaml").read_text()
    (root / "dvc.yaml").write_text(text.replace("deps: [stages/split.py", "deps: [stages/split.py, params.yaml"))


def gate(root: Path) -> None:
    change_param(root, "strict: false", "strict: true")
    assert repro(root) != 0


def gate_and_edited_since(root: Path) -> None:
    gate(root)
    later = time.time() + 5
    change_param(root, "strict: true", "strict: false")
    os.utime(root / "params.yaml", (later, later))


def failed(root: Path) -> None:
    change_param(root, "epochs: 3", "'fail: train': 1")
    assert repro(root) != 0


def failed_with_advice(root: Path) -> None:
    param(root)
    progress(root, failed="weights cannot be downloaded\nNext: dvc repro train", ended=time.time() + 5)


def interrupted(root: Path) -> None:
    param(root)
    progress(root, failed="interrupted", ended=time.time() + 5)


def killed(root: Path) -> None:
    param(root)
    progress(root, started=1.0)


def running(root: Path) -> None:
    param(root)
    progress(root, what="Fit", count=40, total=120, unit="image")


def running_elsewhere(root: Path) -> None:
    progress(root, root=str(root / ".dvc/tmp/exps/tmp1"), what="Fit")


def dead_dvc(root: Path) -> None:
    held = {"write": {str(root.resolve() / "artifacts/train"): {"pid": 2**22 - 1, "cmd": "dvc repro"}}}
    (root / ".dvc/tmp/rwlock").write_text(json.dumps(held))


def conflict_in_results(root: Path) -> None:
    def change(root: Path, number: int) -> None:
        shutil.copy(root / "dvc.lock", root / "dvc.lock.old")
        text = (root / "dvc.lock.old").read_text()
        (root / "dvc.lock.old").unlink()
        md5 = text.partition("path: artifacts/train\n")[2].split("md5: ")[1].split("\n")[0]
        (root / "dvc.lock").write_text(text.replace(md5, f"{number:032x}.dir"))

    merge(root, change)


def conflict_in_params(root: Path) -> None:
    merge(root, lambda root, number: change_param(root, "epochs: 3", f"epochs: {number + 3}"))


def conflict_in_pixmill_lock(root: Path) -> None:
    (root / "pixmill.lock").write_text("<<<<<<< HEAD\npixmill: 1\n=======\npixmill: 2\n>>>>>>> other\n")


def malformed_params(root: Path) -> None:
    (root / "params.yaml").write_text("classes: [")


def dirty(root: Path) -> None:
    (root / "notes.md").write_text("later")
    (root / "pyproject.toml").write_text("[project]\nname = 'pets'\nversion = '2'\n")


def new_results(root: Path) -> None:
    param(root)
    assert repro(root) == 0


def new_results_compared(root: Path) -> None:
    new_results(root)
    (root / "reports/compare.html").touch()


def new_images_compared(root: Path) -> None:
    image_added(root)
    assert repro(root) == 0
    (root / "reports/compare.html").touch()
    (root / "notes.md").write_text("mine alone")


def other_machine(root: Path) -> None:
    (root / "metrics/train.json").write_text("{}")
    commit(root)
    has_recorded(root, "metrics/train.json")
    (root / "metrics/train.json").write_text("{ }")
    text = (root / "dvc.lock").read_text()
    (root / "dvc.lock").write_text(text.replace(file_of(b"{}"), file_of(b"{ }")))


def file_of(content: bytes) -> str:
    import hashlib

    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def without_git(root: Path) -> None:
    shutil.rmtree(root / ".git")


def without_a_commit(root: Path) -> None:
    git(root, "update-ref", "-d", "HEAD")


def not_pushed(root: Path) -> None:
    remote(root)
    (root / "README.md").write_text("pets")
    commit(root)


def not_pushed_with_storage(root: Path) -> None:
    storage(root)
    (root / "README.md").write_text("pets")
    commit(root)


def new_branch(root: Path) -> None:
    not_pushed(root)
    git(root, "checkout", "-q", "-b", "more-cats")


def behind(root: Path) -> None:
    storage(root)
    theirs = clone(root)
    (theirs / "README.md").write_text("pets")
    commit(theirs)
    git(theirs, "push", "-q")
    git(root, "fetch", "-q")


def runs_wait(root: Path) -> None:
    for name in ("1", "2", ".part-3"):
        (root / ".pixmill/record" / name).mkdir(parents=True)
        (root / ".pixmill/record" / name / "run.json").write_text("{}")


def nothing_promoted(root: Path) -> None:
    champion(root, None)


def promoted(root: Path) -> None:
    champion(root, "HEAD")


def promoted_earlier(root: Path) -> None:
    new_results(root)
    commit(root)
    champion(root, "HEAD~1")


def corrections(root: Path) -> None:
    told = {"prediction": {"label": "cat"}, "label": "dog", "model": {"name": "m"}}
    for image in (b"one", b"two"):
        Inbox(root / "inbox").add(image, correction_of(image, extension=".jpg", **told))


def accepted_image_lost(root: Path) -> None:
    told = {"prediction": {"label": "cat"}, "label": "dog", "model": {"name": "m"}}
    inbox = Inbox(root / "inbox")
    name = inbox.add(b"image", correction_of(b"image", extension=".jpg", **told))
    DecisionLog(inbox, root).accept(name, root / "data/dog/feedback-1.jpg", b"image", 1)


def labels(root: Path) -> None:
    rows = [{"id": f"{n:064x}", "suggested": "dog" if n < 3 else None} for n in range(5)]
    table(root, "artifacts/evaluate/labels.parquet", *rows)
    has_recorded(root, "artifacts/evaluate")


def more_images(root: Path) -> None:
    change_param(root, "helps: false", "helps: true")
    assert repro(root) == 0
    age(root)
    commit(root)


def undecodable(root: Path) -> None:
    rows = [("data/cat/1.jpg", "truncated"), ("data/gone.jpg", "broken"), ("https://a.test/1.jpg", "broken")]
    rows += [("data/dog/1.jpg", "duplicate_pixels:0")]
    path = "artifacts/validate/manifest.parquet"
    table(root, path, *({"image_url": url, "reason": reason} for url, reason in rows))
    has_recorded(root, "artifacts/validate")


def undecodable_and_more(root: Path) -> None:
    undecodable(root)
    param(root)


def decision_lost(root: Path) -> None:
    decision(root)
    assert repro(root) == 0
    age(root)
    commit(root)
    git(root, "checkout", "-q", "HEAD~1", "--", "review.csv")
    git(root, "reset", "-q")


UP_TO_DATE = ("done", "The results are up to date and committed. Try the model on an image.", "pixmill serve --open")
OLD = "out of date: train.epochs is now 5, was 3"
KEEP = 'git commit -m "Record new results"'

SITUATIONS: list[tuple[Callable[[Path], Path | None], str, str, str | None]] = [
    (as_it_is, *UP_TO_DATE),
    (fresh_clone, "fetch", "not here (data/ is not here); fetch them from your team's storage.", "dvc pull"),
    (
        fresh_clone_without_storage,
        "fetch",
        "The images of data.dvc are not here, and DVC knows no storage: name your team's.",
        "dvc remote add -d storage URL && dvc pull",
    ),
    (results_deleted, "fetch", "(artifacts/scrape is not here), but in DVC's cache.", "dvc checkout"),
    (
        results_deleted_and_a_new_image,
        "fetch",
        "(artifacts/train is not here), but in DVC's cache.",
        'git add data.dvc && git commit -m "Add images and decisions" && dvc checkout',
    ),
    (pulled_images, "fetch", "data/ has the images of an earlier commit, as after `git pull`.", "dvc pull"),
    (pulled_results, "fetch", "(artifacts/train is not that of the last run); fetch them", "dvc pull"),
    (clone_with_another_param, "run", OLD, "dvc pull && dvc repro"),
    (param, "run", f"train and evaluate are {OLD}.", "dvc repro"),
    (new_param, "run", "evaluate is out of date: evaluate.top_k was changed.", "dvc repro"),
    (image_added, "run", "scrape, validate, split, train and evaluate are out of date: the images in", "dvc repro"),
    (image_removed, "run", "out of date: the images in data/ were changed.", "dvc repro"),
    (code, "run", "train and evaluate are out of date: stages/train.py was changed.", "dvc repro"),
    (command, "run", "split, train and evaluate are out of date: its command in dvc.yaml was changed.", "dvc repro"),
    (decision, "run", "validate, split, train and evaluate are out of date: review.csv was changed.", "dvc repro"),
    (new_dependency, "run", "out of date: params.yaml is a new dependency in dvc.yaml.", "dvc repro"),
    (gate, "gate", "The gate of validate failed: min_per_class. See reports/validate.html, mend", "dvc repro"),
    (gate_and_edited_since, "gate", "min_per_class. What it reads was changed since: run again.", "dvc repro"),
    (
        failed,
        "failed",
        "train stopped before it was done. The results of the run before come back by: dvc checkout artifacts/train",
        "dvc repro",
    ),
    (
        failed_with_advice,
        "failed",
        "train stopped before it was done: weights cannot be downloaded.",
        "dvc repro train",
    ),
    (interrupted, "failed", "train was interrupted.", "dvc repro"),
    (killed, "failed", "train stopped before it was done: it was killed.", "dvc repro"),
    (running, "running", ": Fit: 40 of 120 images.", None),
    (running_elsewhere, *UP_TO_DATE),
    (dead_dvc, *UP_TO_DATE),
    (
        conflict_in_results,
        "conflict",
        "dvc.lock is in conflict. Take either side: the next run writes it anew.",
        "git checkout --ours dvc.lock && dvc repro",
    ),
    (conflict_in_params, "conflict", "params.yaml is in conflict. Choose the lines that count", "git diff params.yaml"),
    (
        conflict_in_pixmill_lock,
        "conflict",
        "pixmill.lock is in conflict",
        "git checkout --theirs pixmill.lock && pixmill upgrade",
    ),
    (malformed_params, "broken", "params.yaml is malformed: ", "pixmill check"),
    (
        dirty,
        "commit",
        "notes.md and pyproject.toml are changed and not committed.",
        "git add notes.md pyproject.toml && git commit",
    ),
    (new_results, "compare", "The results are new: see what the change did, and whether it", "pixmill compare HEAD"),
    (
        new_results_compared,
        "commit",
        "The results are new. A commit keeps them.",
        f"git add dvc.lock metrics params.yaml plots && {KEEP}",
    ),
    (
        new_images_compared,
        "commit",
        "The results are new. A commit keeps them.",
        f"git add data.dvc dvc.lock metrics plots && {KEEP}",
    ),
    (
        other_machine,
        "commit",
        "dvc.lock and metrics/train.json differ from the committed ones, although images, params and code are the same",
        f"git add dvc.lock metrics && {KEEP}",
    ),
    (without_git, "commit", "The project is not in Git", "git init && git add -A && git commit -m Start"),
    (without_a_commit, "commit", "Nothing is committed yet.", "git add -A && git commit -m Start"),
    (not_pushed, "push", "1 commit is not pushed.", "git push"),
    (not_pushed_with_storage, "push", "1 commit is not pushed.", "dvc push && git push"),
    (new_branch, "push", "1 commit is not pushed.", "git push -u origin more-cats"),
    (behind, "pull", "1 commit of others are not here yet.", "git pull && dvc pull"),
    (runs_wait, "sync", "2 runs wait to be sent to MLflow.", "pixmill sync"),
    (nothing_promoted, "promote", "No model is in production; that of the last commit can be", "pixmill promote"),
    (promoted, "done", "The results are up to date and committed and in production.", "pixmill serve --open"),
    (promoted_earlier, "promote", "In production is version 3; that of the last commit can be", "pixmill promote"),
    (corrections, "corrections", "2 images that users corrected wait for a review.", "pixmill review --only feedback"),
    (accepted_image_lost, "vanished", "missing from data/: data/dog/feedback-1.jpg.", "pixmill review --restore"),
    (labels, "labels", "3 labels are worth a look: the model finds another likelier.", "pixmill review"),
    (more_images, "more images", "Twice as many images would add about 3.0 points of accuracy", "dvc repro"),
    (undecodable, "images", "1 image does not decode: data/cat/1.jpg. Replace or delete it, then run.", "dvc repro"),
    (undecodable_and_more, "images", "1 image does not decode", "dvc repro"),
    (decision_lost, "vanished", "Missing here, but in the last commit: 1 decision", "git checkout HEAD -- review.csv"),
]


@pytest.mark.parametrize(
    ("situation", "kind", "sentence", "typed"), SITUATIONS, ids=lambda x: getattr(x, "__name__", "")
)
def test_the_first_step_is_what_a_colleague_would_say(
    project: Path, situation: Callable[[Path], Path | None], kind: str, sentence: str, typed: str | None
) -> None:
    first = steps(situation(project) or project)[0]
    assert (first.kind, first.command) == (kind, typed), first
    assert sentence in first.sentence
