"""Workspaces with trials of a second, and a fake of ``run_trial``."""

import functools
import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from optuna.trial import TrialState, create_trial
from PIL import Image

from pixmill.core.files.workspace import Workspace
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.core.params import SplitParams, load_params
from pixmill.experiments.sweep.planning import Plan, plan_sweep
from pixmill.experiments.sweep.trial_store import SweepTrial, TrialStore
from pixmill.images.compute import RowLimits
from pixmill.split.packing import pack
from pixmill.train.history import Epoch, Timing
from pixmill.train.trial import Trial

CLASSES = ("blue", "green", "red")
COUNTS = {"train": 90, "val": 60, "test": 24}
SIZE = 16
SPACE = {
    "train.learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
    "train.batch_size": [16, 32],
    "train.augmentation.zoom": {"low": 0.0, "high": 0.2},
}
TRAIN = {
    "model": "cnn",
    "cnn": {"blocks": [{"filters": 4}], "dense": []},
    "epochs": 3,
    "learning_rate": 0.003,
    "batch_size": 32,
    "threads": 2,
}


def write_workspace(
    root: Path, *, space: dict | None = None, train: dict | None = None, **sweep
) -> Workspace:
    """Write params and outputs of split: images of a bright colour, some with random labels."""
    write_images(root)
    write_params(root, space=space, train=train, **sweep)
    return Workspace(root, root)


def write_params(
    root: Path, *, space: dict | None = None, train: dict | None = None, **sweep
) -> None:
    content = {
        "classes": [*CLASSES],
        "scrape": {"snapshot": "2026-11-20"},
        "split": {"image_size": SIZE},
        "train": {**TRAIN, **(train or {})},
        "evaluate": {"draws": 500},
        "sweep": {"space": SPACE if space is None else space, **sweep},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def write_images(root: Path, seed: int = 7) -> None:
    noise = np.random.default_rng(seed)
    rows = []
    for part, count in COUNTS.items():
        for row in range(count):
            pixels = noise.integers(0, 160, (SIZE, SIZE, 3), dtype=np.uint8)
            pixels[..., 2 - (row if noise.random() < 0.85 else noise.integers(3)) % 3] += 90
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            identity = hashlib.sha256(buffer.getvalue()).hexdigest()
            path = root / "artifacts" / "scrape" / "images" / f"{identity}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(buffer.getvalue())
            # Two images of a class are near-duplicates.
            cluster = f"{part} {row // 6} {row % 3}"
            rows.append(
                {
                    "id": identity,
                    "label": CLASSES[row % 3],
                    "split": part,
                    "row": row,
                    "cluster": cluster,
                    "group": cluster,
                    "path": f"images/{identity}.png",
                    "bytes": len(buffer.getvalue()),
                }
            )
    frame = pd.DataFrame(rows).sort_values("id", ignore_index=True)
    for name in SPLIT.names:
        if name not in frame:
            frame[name] = None
    frame["source"] = "folder"
    frame["snapshot"] = "2026-11-20"
    frame["verdict"] = "keep"
    frame["format"] = "PNG"
    frame["width"] = frame["height"] = SIZE
    folder = root / "artifacts" / "split"
    folder.mkdir(parents=True, exist_ok=True)
    pack(
        frame,
        root / "artifacts" / "scrape",
        folder,
        SplitParams(image_size=SIZE),
        RowLimits(60, 1 << 30),
        workers=1,
    )
    write_table(folder / "manifest.parquet", frame, SPLIT)


def make_plan(workspace: Workspace, **given) -> Plan:
    return plan_sweep(workspace, load_params(workspace.root), **given)


def add(store: TrialStore, trial: SweepTrial) -> None:
    """Store a finished trial without a search."""
    study = store.open()
    states = {
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    if trial.answers is not None:
        store.set_answers(len(study.trials), trial.answers)
    known = {"values": dict(trial.values), "key": trial.key, "curves": [*trial.curves]}
    known |= {"reason": trial.reason} if trial.reason else {}
    study.add_trial(create_trial(state=states[trial.state], value=trial.value, user_attrs=known))


class FakeTrial:
    """Replace ``run_trial``: predictions are better the closer the learning rate is to 0.01.

    ``calls`` has the params of all trainings. The result of ``fail`` is raised unless it is
    ``None``. ``val_loss`` computes the validation loss from the training loss. ``splits`` returns
    the splits that a trial predicts.
    """

    def __init__(self):
        self.calls = []
        self.fail = lambda _: None
        self.val_loss = lambda loss: loss
        self.splits = lambda _: ("val",)
        self._read = functools.cache(_rows)

    def __call__(self, folder, params, *, callback, folds, **_):
        self.calls.append(params)
        if error := self.fail(params):
            raise error
        off = abs(np.log10(params.learning_rate) + 2)
        for epoch in range(1, params.epochs + 1):
            loss = 0.2 + off / 3 + 1 / epoch
            record = Epoch(epoch, loss, 0.5, self.val_loss(loss), 1 / (1 + loss), 0.1)
            callback.on_epoch_end(record, Timing(1000 * epoch, 0.1, 9.0))
        manifest = folder / "manifest.parquet"
        splits = ("train", "val") if folds else self.splits(params)
        rows, targets = self._read(manifest, splits, manifest.stat().st_mtime_ns)
        noise = np.random.default_rng(params.batch_size).standard_normal((len(rows), 3))
        logits = 2 * np.eye(3)[targets] + (1.2 + off) * noise
        answers = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        key = hashlib.sha256(repr(params).encode()).hexdigest()[:32]
        return Trial(key, (), params.epochs, rows, targets, answers.astype(np.float32))


def _rows(manifest: Path, splits: tuple[str, ...], _: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows of splits and their targets; the time invalidates the cache."""
    table = read_table(manifest, SPLIT, stage="split")
    rows = pd.concat(
        [table[table["split"] == split].sort_values("row") for split in splits], ignore_index=True
    )
    return rows[["id", "label", "cluster"]], rows["label"].map(CLASSES.index).to_numpy(np.int32)
