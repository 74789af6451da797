"""Finished, idle and abandoned scratch is stale; journals and backups stay."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from pixmill.project.disk.cleaning import stale_scratch
from pixmill.train.checkpoints import Checkpoint, Checkpoints, pin
from tests.project.disk.test_usage import write

DAY = 86_400


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / ".pixmill"


def age(path: Path, days: float) -> Path:
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


def names(home: Path) -> set[str]:
    return {path.relative_to(home).as_posix() for path in stale_scratch(home)}


def test_old_finished_trainings_are_stale(tmp_path: Path, scratch: Path) -> None:
    folder = scratch / "train" / "checkpoints"
    state = {"kernel": np.ones(2)}
    for days, (key, finished) in enumerate(
        [("newest", True), ("done", True), ("killed", False), ("lone", None)]
    ):
        main = Checkpoints(folder / f"{key}.npz")
        main.within("fold-1").save(Checkpoint([], [], state, state, finished=True))
        age(folder / f"{key}.fold-1.npz", days)
        if finished is not None:
            main.save(Checkpoint([], [], state, state, finished=finished))
            age(folder / f"{key}.npz", days)
    age(write(folder / "damaged.npz", 9), 5)
    stem = ".pixmill/train/checkpoints"
    assert names(tmp_path) == {f"{stem}/done.npz", f"{stem}/done.fold-1.npz"}
    assert (folder / "damaged.npz").exists(), "an unreadable file may be an unfinished training"


def test_idle_caches_are_stale(tmp_path: Path, scratch: Path) -> None:
    for folder, suffix in (
        ("train/features", "sqlite"),
        ("train/features", "tflite"),
        ("validate", "sqlite"),
    ):
        for name, days in (("last", 30), ("older", 31)):
            age(write(scratch / folder / f"{name}.{suffix}", 9), days)
    older = {
        f".pixmill/{name}"
        for name in (
            "train/features/older.sqlite",
            "train/features/older.tflite",
            "validate/older.sqlite",
        )
    }
    assert names(tmp_path) == older
    age(scratch / "validate" / "older.sqlite", 6)
    age(scratch / "validate" / "last.sqlite", 0)
    assert names(tmp_path) == older - {".pixmill/validate/older.sqlite"}


def test_abandoned_files_are_stale(tmp_path: Path, scratch: Path) -> None:
    for name in (
        "scrape/journal/journal.db",
        "scrape/journal/pictures/a",
        "record/1-train-0/run.json",
        "use/params-0.yaml",
        "predict/models/m/labels.json",
        "review/review.lock",
        "predict/.part-new",
    ):
        write(scratch / name, 9)
    for path in scratch.rglob("*"):
        if path.name != ".part-new":
            age(path, 400)
    assert names(tmp_path) == set()
    age(write(scratch / "predict" / ".part-old", 9), 2)
    write(scratch / "plots" / "index.html", 9)
    write(tmp_path / ".dvc" / "tmp" / "exps" / "standalone" / "tmpx" / "dvc.yaml", 9)
    write(tmp_path / ".dvc" / "tmp" / "exps" / "celery" / "broker", 9)
    assert names(tmp_path) == {
        ".pixmill/predict/.part-old",
        ".pixmill/plots",
        ".dvc/tmp/exps/standalone/tmpx",
    }


def test_pinned_trainings_stay(tmp_path: Path, scratch: Path) -> None:
    folder = scratch / "train" / "checkpoints"
    for days, key in enumerate(("newest", "best", "applied", "done")):
        for name in (key, f"{key}.fold-1"):
            Checkpoints(folder / f"{name}.npz").save(
                Checkpoint([], [], {}, {"kernel": np.ones(2)}, finished=True)
            )
            age(folder / f"{name}.npz", days)
    pin(folder, "sweep", ["best"])
    pin(folder, "applied", ["applied"])
    write(scratch / "sweep" / "0123456789abcdef" / "trial-00000.npz", 9)
    assert names(tmp_path) == {
        ".pixmill/train/checkpoints/done.npz",
        ".pixmill/train/checkpoints/done.fold-1.npz",
    }
