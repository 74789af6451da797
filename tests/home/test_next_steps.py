"""In each situation the right sentence and the right command come first; all are made with real files, Git and DVC."""

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
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
from tests.ports import unused_port
from tests.tiny_project import age, change_param, copy_project, repro
from tests.version_control import PERSON, commit, dvc, git, hold, living_dvc

ID = "0123456789abcdef" * 4


def steps(root: Path) -> list[NextStep]:
    return next_steps(read_project_state(root, with_disk=False))


def has_recorded(root: Path, *paths: str) -> None:
    """Let ``dvc.lock`` name outputs as they are, as if a stage had made them, and commit."""
    for path in paths:
        place = root / path
        record(root, path, folder_md5(place) if place.is_dir() else file_digest(place, "md5"))
    age(root)
    commit(root, "Record")


def record(root: Path, path: str, md5: str) -> None:
    """Let ``dvc.lock`` name another hash of an output, wherever it names it."""
    lock = (root / "dvc.lock").read_text()
    old = re.findall(r"md5: ([0-9a-f]{32}(?:\.dir)?)", lock.rpartition(f"path: {path}\n")[2])[0]
    (root / "dvc.lock").write_text(lock.replace(old, md5))


def progress(project: Path, **values: object) -> None:
    """Leave the progress file of train."""
    me = psutil.Process()
    begun = StageProgress("train", str(project.resolve()), me.pid, me.create_time(), time.time() - 5)
    path = project / ".pixmill" / "progress" / "train-x.json"
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


def champion(root: Path, revision: str | None) -> None:
    """Register a model of a commit in a store of MLflow, and put it into production."""
    from mlflow import MlflowClient

    store = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    store.create_registered_model("pets")
    if revision:
        tags = {"pixmill.commit": git(root, "rev-parse", revision)}
        version = store.create_model_version("pets", str(root / "artifacts" / "train"), tags=tags)
        store.set_registered_model_alias("pets", "champion", version.version)


# Situations: each changes a finished project into another, and returns the folder to look at if that is another one.


def as_it_is(root: Path) -> None: ...


def fresh_clone(root: Path) -> Path:
    storage(root)
    return clone(root)


def fresh_clone_without_storage(root: Path) -> Path:
    remote(root)
    return clone(root)


def params_deleted(root: Path) -> None:
    (root / "params.yaml").unlink()


def lock_removed_from_git(root: Path) -> None:
    git(root, "rm", "-q", "dvc.lock")


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


def gate_in_its_words(root: Path) -> None:
    gate(root)
    said = "the gate stopped the pipeline: 2 critical checks failed\n  cats: 3 of 5; expected 4\n  dogs: 1\nNext: mend"
    progress(root, stage="validate", failed=said, ended=time.time())


def failed(root: Path) -> None:
    change_param(root, "epochs: 3", "'fail: train': 1")
    assert repro(root) != 0


def stop(root: Path) -> None:
    """Remove a result, as DVC does before a stage runs."""
    param(root)
    (root / "metrics/train.json").unlink()


def failed_with_advice(root: Path) -> None:
    stop(root)
    progress(root, failed="weights cannot be downloaded\nNext: dvc repro train", ended=time.time() + 5)


def refused(root: Path) -> None:
    stop(root)
    progress(root, failed="val: expected a number\nNext: edit params.yaml, then: pixmill check", ended=time.time() + 5)


def has_other_code(root: Path) -> None:
    stop(root)
    advice = "pixmill upgrade && dvc repro, or to stay with 0.1.0: pip install pixmill"
    progress(root, failed=f"Pixmill has other code\nNext: {advice}", ended=time.time() + 5)


def failed_and_edited_since(root: Path) -> None:
    failed_with_advice(root)
    progress(root, failed="weights cannot be downloaded\nNext: dvc repro train", ended=time.time() - 5)


def interrupted(root: Path) -> None:
    stop(root)
    progress(root, failed="interrupted", ended=time.time() + 5)


def killed(root: Path) -> None:
    stop(root)
    progress(root, started=1.0)


def killed_and_brought_back(root: Path) -> None:
    killed(root)
    git(root, "checkout", "-q", "metrics", "params.yaml")
    image_added(root)


def running(root: Path) -> None:
    param(root)
    progress(root, what="Fit", count=40, total=120, unit="image")


def running_elsewhere(root: Path) -> None:
    progress(root, root=str(root / ".dvc/tmp/exps/tmp1"), what="Fit")


def dead_dvc(root: Path) -> None:
    hold(root, "write", ("artifacts/train", 2**22 - 1))


def conflict_in_results(root: Path) -> None:
    merge(root, lambda root, number: record(root, "artifacts/train", f"{number:032x}.dir"))


def conflict_in_params(root: Path) -> None:
    merge(root, lambda root, number: change_param(root, "epochs: 3", f"epochs: {number + 3}"))


def conflict_that_was_resolved(root: Path) -> None:
    conflict_in_params(root)
    text = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(re.sub("<{7}.*\n(.*\n)={7}\n.*\n>{7}.*\n", r"\1", text))


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


def conflict_in_pixmill_lock(root: Path) -> None:
    (root / "pixmill.lock").write_text("pixmill: 0\n")
    commit(root)
    merge(root, lambda root, number: (root / "pixmill.lock").write_text(f"pixmill: {number}\n"))


def marks_in_pixmill_lock(root: Path) -> None:
    (root / "pixmill.lock").write_text("<<<<<<< HEAD\npixmill: 1\n=======\npixmill: 2\n>>>>>>> other\n")


def unreadable(root: Path) -> None:
    (root / "dvc.lock").unlink()
    (root / "dvc.lock").mkdir()


def stages_being_written(root: Path) -> None:
    (root / "dvc.yaml").write_text("stages:\n# mine\n")


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
    record(root, "metrics/train.json", file_digest(root / "metrics/train.json", "md5"))


def without_git(root: Path) -> None:
    shutil.rmtree(root / ".git")


def without_a_commit(root: Path) -> None:
    labels(root)
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


def both_have_commits(root: Path) -> None:
    behind(root)
    (root / "notes.md").write_text("mine")
    commit(root)


def detached(root: Path) -> None:
    remote(root)
    git(root, "checkout", "-q", "--detach")
    (root / "README.md").write_text("pets")
    commit(root)


def name_for_no_shell(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/a\xff\x1b\n'.txt")).touch()


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
    (gate_in_its_words, "gate", "The gate of validate failed: cats: 3 of 5; expected 4; and 1 more. See", "dvc repro"),
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
    (refused, "failed", "done: val: expected a number. Next: edit params.yaml, then: pixmill check.", "pixmill check"),
    (has_other_code, "failed", "Next: pixmill upgrade && dvc repro, or to stay", "pixmill upgrade && dvc repro"),
    (failed_and_edited_since, "failed", "downloaded. What it reads was changed since: run again.", "dvc repro"),
    (interrupted, "failed", "train was interrupted.", "dvc repro"),
    (killed, "failed", "train stopped before it was done: it was killed.", "dvc repro"),
    (killed_and_brought_back, "run", "out of date: the images in data/ were changed.", "dvc repro"),
    (running, "running", ": Fit: 40 of 120 images.", None),
    (running_elsewhere, *UP_TO_DATE),
    (dead_dvc, *UP_TO_DATE),
    (
        conflict_in_results,
        "conflict",
        "dvc.lock is in conflict. Take either side: the next run writes it anew.",
        "git checkout --ours dvc.lock && git add dvc.lock && dvc repro",
    ),
    (conflict_in_params, "conflict", "params.yaml is in conflict. Choose the lines that count", "git diff params.yaml"),
    (
        conflict_in_pixmill_lock,
        "conflict",
        "pixmill.lock is in conflict",
        "git checkout --theirs pixmill.lock && pixmill upgrade && git add pixmill.lock",
    ),
    (
        marks_in_pixmill_lock,
        "conflict",
        "pixmill.lock is in conflict",
        "git checkout pixmill.lock && pixmill upgrade && git add pixmill.lock",
    ),
    (
        conflict_that_was_resolved,
        "conflict",
        "params.yaml holds no marks of the conflict. If all is as it should be, tell Git so: add it.",
        "git add params.yaml",
    ),
    (
        conflict_in_images,
        "conflict",
        "both sides changed the images. This puts those of the other side into .pixmill/theirs/; copy from there",
        "git checkout --ours data.dvc && "
        'dvc get "$(git rev-parse --show-toplevel)" "$(git rev-parse --show-prefix)data" '
        "--rev MERGE_HEAD -o .pixmill/theirs",
    ),
    (unreadable, "broken", "Is a directory", "pixmill doctor"),
    (stages_being_written, "broken", "dvc.yaml is missing or has no stages", "git diff dvc.yaml"),
    (malformed_params, "broken", "params.yaml is malformed: ", "pixmill check"),
    (params_deleted, "broken", "params.yaml is missing; the last commit has it.", "git checkout HEAD params.yaml"),
    (lock_removed_from_git, "broken", "dvc.lock is missing; the last commit has it.", "git checkout HEAD dvc.lock"),
    (
        dirty,
        "commit",
        "notes.md and pyproject.toml are changed and not committed.",
        "git add notes.md pyproject.toml && git commit",
    ),
    (new_results, "compare", "The results are new: see what the change did, and whether it", "pixmill compare"),
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
    (without_git, "commit", "The project is not in Git", "git init && git add . && git commit -m Start"),
    (without_a_commit, "commit", "Nothing is committed yet.", "git add . && git commit -m Start"),
    (detached, "push", "1 commit is not pushed, and no branch is checked out: name one.", "git switch -c NAME"),
    (
        name_for_no_shell,
        "commit",
        r"a\udcff\x1b\n'.txt is changed and not",
        r"git add $'a\xff\x1b\x0a\x27.txt' && git commit",
    ),
    (not_pushed, "push", "1 commit is not pushed.", "git push"),
    (not_pushed_with_storage, "push", "1 commit is not pushed.", "dvc push && git push"),
    (new_branch, "push", "1 commit is not pushed.", "git push -u origin more-cats"),
    (behind, "pull", "1 commit of others is not here yet.", "git pull && dvc pull"),
    (both_have_commits, "pull", "1 commit of others is not here yet.", "git pull --no-rebase && dvc pull"),
    (runs_wait, "sync", "2 runs wait to be sent to MLflow.", "pixmill sync"),
    (nothing_promoted, "promote", "No model is in production; that of the last commit can be", "pixmill promote"),
    (promoted, "done", "The results are up to date, committed and in production.", "pixmill serve --open"),
    (promoted_earlier, "promote", "In production is version 1; that of the last commit can be", "pixmill promote"),
    (corrections, "corrections", "2 images that users corrected wait for a review.", "pixmill review --only feedback"),
    (accepted_image_lost, "vanished", "missing from data/: data/dog/feedback-1.jpg.", "pixmill review --restore"),
    (labels, "labels", "3 labels are worth a look: the model finds another likelier.", "pixmill review"),
    (more_images, "more images", "Twice as many images would add about 3.0 points of accuracy", "dvc repro"),
    (undecodable, "images", "1 image does not decode: data/cat/1.jpg. Replace or delete it, then run.", "dvc repro"),
    (undecodable_and_more, "images", "1 image does not decode", "dvc repro"),
    (decision_lost, "vanished", "Missing here, but in the last commit: 1 decision", "git checkout HEAD -- review.csv"),
]


def name_of(value: object) -> str:
    return getattr(value, "__name__", "")


@pytest.mark.parametrize(("situation", "kind", "sentence", "typed"), SITUATIONS, ids=name_of)
def test_the_first_step_is_what_a_colleague_would_say(
    project: Path, situation: Callable[[Path], Path | None], kind: str, sentence: str, typed: str | None
) -> None:
    first = steps(situation(project) or project)[0]
    assert (first.kind, first.command) == (kind, typed), first
    assert sentence in first.sentence


def test_in_a_new_project_the_pipeline_runs_first(begun: Path, tmp_path: Path) -> None:
    project = copy_project(begun, tmp_path / "new")
    assert [(step.kind, step.command) for step in steps(project)] == [("run", "dvc repro")]
    shutil.rmtree(project / "data")
    (project / "data.dvc").unlink()
    assert steps(project)[0].command == "pixmill data"
    (project / "dvc.yaml").unlink()
    assert steps(project)[0].kind == "broken"


def test_images_come_first_where_none_was_ever_put_into_data(begun: Path, tmp_path: Path) -> None:
    project = copy_project(begun, tmp_path / "new")
    shutil.rmtree(project / "data")
    (project / "data" / "cat").mkdir(parents=True)
    dvc(project, "add", "-q", "data")
    commit(project)
    assert steps(project)[0].sentence == "Nothing has run yet."  # They may come from elsewhere.
    change_param(project, "scrape: {n: 1}", "scrape: {source: folder}")
    assert "put yours into data/" in steps(project)[0].sentence
    (project / "data" / "cat" / "1.jpg").write_bytes(b"cat")
    assert steps(project)[0].sentence == "Nothing has run yet."


def test_the_steps_come_in_the_order_of_a_colleague(project: Path) -> None:
    storage(project)
    more_images(project)
    table(project, "artifacts/evaluate/labels.parquet", {"id": ID, "suggested": "dog"})
    table(project, "artifacts/validate/manifest.parquet", {"image_url": "data/cat/1.jpg", "reason": "broken"})
    has_recorded(project, "artifacts/evaluate", "artifacts/validate")
    (project / "metrics/evaluate.json").write_text("{ }")
    record(project, "metrics/evaluate.json", file_digest(project / "metrics/evaluate.json", "md5"))
    runs_wait(project)
    kinds = ["images", "labels", "more images", "commit", "push", "sync"]
    assert [step.kind for step in steps(project)] == kinds
    (project / "review.csv").write_text(f"image,decision,label,by,why\n{ID[:12]},keep,,,\n")
    assert [step.kind for step in steps(project)] == ["images", "run", "commit", "push", "sync"]


def test_an_image_that_was_deleted_may_be_meant(project: Path) -> None:
    image_removed(project)
    assert repro(project) == 0
    back, _, keep = steps(project)
    assert (back.kind, back.command) == ("vanished", "git checkout HEAD -- data.dvc && dvc checkout data.dvc")
    assert "1 image (if that is meant: git add data.dvc && git commit)" in back.sentence
    assert keep.command == f"git add data.dvc dvc.lock metrics plots && {KEEP}"


def test_two_projects_in_one_repository_have_a_state_each(finished: Path, begun: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for name, source in (("one", finished), ("two", begun)):
        copy_project(source, both / name)
        shutil.rmtree(both / name / ".git")
    git(both, "init", "-q", "-b", "main")
    commit(both)
    running(both / "one")
    assert steps(both / "one")[0].kind == "running"
    assert steps(both / "two")[0].sentence == "Nothing has run yet."
    shutil.rmtree(both / "one/.pixmill")
    git(both, "checkout", "-q", ".")
    (both / "two/notes.md").write_text("x")
    assert steps(both / "one")[0].kind == "done"
    (both / "one/notes.md").write_text("x")
    assert steps(both / "one")[0].command == "git add notes.md && git commit"


def test_a_repository_above_that_has_nothing_of_the_project_keeps_nothing(finished: Path, tmp_path: Path) -> None:
    project = copy_project(finished, tmp_path / "above" / "pets")
    shutil.rmtree(project / ".git")
    git(tmp_path / "above", "init", "-q")
    (tmp_path / "above/README.md").touch()
    git(tmp_path / "above", "add", "README.md")
    git(tmp_path / "above", "commit", "-q", "-m", "Start")
    state = read_project_state(project)
    assert (state.repository.text, next_steps(state)[0].command) == (
        "no commit yet",
        "git add . && git commit -m Start",
    )
    (tmp_path / "above/.gitignore").write_text("*\n")
    assert read_project_state(project).repository.text == "not in Git"
    assert steps(project)[0].command == "git init && git add . && git commit -m Start"


def test_a_decision_beside_images_of_an_earlier_commit_undoes_nothing(project: Path) -> None:
    pulled_images(project)
    decision(project)
    fetch, keep, *_ = steps(project)
    assert fetch.kind == "fetch"
    assert keep.command == 'git add review.csv && git commit -m "Add images and decisions"'


def test_a_stage_that_runs_without_a_progress_file_is_found_by_what_dvc_holds(project: Path) -> None:
    with living_dvc() as pid:
        hold(project, "write", ("artifacts/train", pid))
        assert steps(project) == [NextStep("running", "train is running.", None)]
        hold(project, "write", ("data", pid))
        assert steps(project) == [NextStep("running", "DVC is at work in this project.", None)]
    assert steps(project)[0].kind == "done"


@pytest.mark.slow
def test_a_server_that_is_down_is_told_and_stops_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{unused_port()}")
    (step,) = steps(project)
    assert (step.kind, step.command) == ("promote", "pixmill doctor")
    assert "Which model is in production is unknown: " in step.sentence
    param(project)
    assert steps(project)[0].command == "dvc repro"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("situation", "way"),
    [
        (conflict_in_results, ["conflict", "commit", "done"]),
        (pulled_images, ["fetch", "done"]),
        (results_deleted_and_a_new_image, ["fetch", "done"]),
        (fresh_clone, ["fetch", "done"]),
        (clone_with_another_param, ["run", "compare", "commit", "push", "done"]),
        (image_added, ["run", "compare", "commit", "done"]),
        (not_pushed_with_storage, ["push", "done"]),
        (behind, ["pull", "done"]),
        (both_have_commits, ["pull", "push", "done"]),
        (name_for_no_shell, ["commit", "done"]),
        (conflict_that_was_resolved, ["conflict", "run", "compare", "commit", "done"]),
        (conflict_in_images, ["conflict", "conflict", "run", "compare", "commit", "done"]),
        (decision_lost, ["vanished", "done"]),
    ],
    ids=name_of,
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
        step = steps(root)[0]
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
