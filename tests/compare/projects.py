"""A small project with results in Git and DVC, as five stages would have left them."""

import contextlib
import json
import os
import subprocess
from pathlib import Path

import pandas as pd

from tests.compare.made_revisions import write_predictions

PIPELINE = """\
stages:
  split:
    cmd: python -m stages.split
    deps: [data, review.csv]
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


def git(root, *words):
    """Run Git as somebody who has a name."""
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in PERSON.items()}
    done = subprocess.run(
        ["git", *words], cwd=root, env={**os.environ, **who}, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


PERSON = {"NAME": "A Person", "EMAIL": "person@example.org"}


@contextlib.contextmanager
def dvc(root):
    """Open the project's DVC repository, which must be that of the current folder."""
    from dvc.repo import Repo

    with contextlib.chdir(root), Repo() as repo:
        yield repo


def start(root: Path) -> None:
    """Make a project without results, and commit it."""
    from dvc.repo import Repo

    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--initial-branch", "main", ".")
    Repo.init(str(root)).close()
    begin(root)


def begin(root: Path) -> None:
    """Write the files that are there before the first run, and commit them."""
    write(root / "dvc.yaml", PIPELINE)
    write(root / ".gitignore", IGNORED)
    write(root / "review.csv", "id,verdict\n")
    write(root / "requirements.txt", "numpy==2.4.0\n")
    write(root / "params.yaml", "split: {salt: a}\ntrain: {epochs: 3}\n")
    write(root / "data" / "coat" / "1.png", "an image")
    with dvc(root) as repo:
        repo.add("data")
    git(root, "add", "-A")
    git(root, "commit", "-m", "Begin")


def produce(root: Path, *, epochs: int, wrong: int) -> None:
    """Write what the stages would: results of a training of some epochs, which mistakes some of eight images."""
    write(root / "params.yaml", f"split: {{salt: a}}\ntrain: {{epochs: {epochs}}}\n")
    labels = ["coat", "dress"] * 4
    manifest = {"id": IDS, "label": labels, "split": "test", "verdict": "keep", "path": [f"{i}.png" for i in IDS]}
    table(root, "split/manifest", manifest)
    table(root, "validate/pairs", {"a": IDS[:1], "b": IDS[1:2], "similarity": [0.99]})
    for image in IDS:
        write(root / "artifacts" / "scrape" / f"{image}.png", f"image {image}")
    write(root / "artifacts" / "train" / "model.weights.h5", f"weights of {epochs}")
    predicted = ["coat" if index < wrong and label == "dress" else label for index, label in enumerate(labels)]
    columns = {"id": IDS, "split": "test", "label": labels, "predicted": predicted, "p_coat": 0.5, "p_dress": 0.5}
    table(root, "evaluate/predictions", {**columns, "loss": 0.7})
    write(root / "plots" / "evaluate" / "full.json", json.dumps({"accuracy": 1 - wrong / 16}))


def record(root: Path, message: str | None = None) -> None:
    """Have DVC record the results, and commit them."""
    with dvc(root) as repo:
        repo.commit(force=True)
    if message:
        git(root, "add", "-A")
        git(root, "commit", "-m", message)


def table(root: Path, name: str, columns: dict[str, object]) -> None:
    path = root / "artifacts" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == "predictions.parquet":
        write_predictions(path, pd.DataFrame(columns))
    else:
        pd.DataFrame(columns).to_parquet(path)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # A link into DVC's cache must not be written through.
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8")
