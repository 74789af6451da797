"""A small project with results of five stages in Git and DVC."""

import json
from pathlib import Path

import pandas as pd

from tests.experiments.compare.made_revisions import write_predictions
from tests.version_control import commit, dvc_repo, start_repository

PIPELINE = """\
stages:
  split:
    cmd: python -m stages.split
    deps: [data, decisions.csv]
    params: [split]
    outs: [artifacts/split, artifacts/validate, artifacts/scrape]
  train:
    cmd: python -m stages.train
    deps: [artifacts/split]
    params: [train]
    outs: [artifacts/train]
  evaluate:
    cmd: python -m stages.evaluate
    deps: [artifacts/split, artifacts/train]
    outs: [artifacts/evaluate]
    metrics:
    - plots/evaluate/full.json:
        cache: false
"""
IGNORED = "/artifacts/\n/data\n/.pixmill/\n/mlflow.db*\n/mlruns/\n"
IDS = [f"{number:064x}" for number in range(8)]


def start(root: Path) -> None:
    """Create and commit a project without results."""
    start_repository(root, with_dvc=True)
    begin(root)


def begin(root: Path) -> None:
    """Write and commit the files of a project before its first run."""
    write(root / "dvc.yaml", PIPELINE)
    write(root / ".gitignore", IGNORED)
    write(root / "decisions.csv", "image,label,answer,split,by,why\n")
    write(root / "requirements.txt", "numpy==2.4.0\n")
    write(root / "params.yaml", "split: {salt: a}\ntrain: {epochs: 3}\n")
    write(root / "data" / "coat" / "1.png", "an image")
    with dvc_repo(root) as repo:
        repo.add("data")
    commit(root, "Begin")


def produce(root: Path, *, epochs: int, wrong: int) -> None:
    """Write outputs of the stages: a training of some epochs, and predictions of eight images."""
    write(root / "params.yaml", f"split: {{salt: a}}\ntrain: {{epochs: {epochs}}}\n")
    labels = ["coat", "dress"] * 4
    manifest = {
        "id": IDS,
        "label": labels,
        "split": "test",
        "verdict": "keep",
        "path": [f"{i}.png" for i in IDS],
    }
    table(root, "split/manifest", manifest)
    table(root, "validate/pairs", {"a": IDS[:1], "b": IDS[1:2], "similarity": [0.99]})
    for image in IDS:
        write(root / "artifacts" / "scrape" / f"{image}.png", f"image {image}")
    write(root / "artifacts" / "train" / "model.weights.h5", f"weights of {epochs}")
    predicted = [
        "coat" if index < wrong and label == "dress" else label
        for index, label in enumerate(labels)
    ]
    columns = {
        "id": IDS,
        "split": "test",
        "label": labels,
        "predicted": predicted,
        "p_coat": 0.5,
        "p_dress": 0.5,
    }
    table(root, "evaluate/predictions", {**columns, "loss": 0.7})
    write(root / "plots" / "evaluate" / "full.json", json.dumps({"accuracy": 1 - wrong / 16}))


def record(root: Path, message: str | None = None) -> None:
    """Record the results with DVC, and commit them."""
    with dvc_repo(root) as repo:
        repo.commit(force=True)
    if message:
        commit(root, message)


def table(root: Path, name: str, columns: dict[str, object]) -> None:
    path = root / "artifacts" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "predictions.parquet":
        write_predictions(path, pd.DataFrame(columns))
    else:
        pd.DataFrame(columns).to_parquet(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Do not write through a link into DVC's cache.
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
