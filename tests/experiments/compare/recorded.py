"""Add experiments and runs without trainings."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow import MlflowClient

from pixmill.core.params import parse_params
from tests.experiments.compare.made_revisions import make_predictions, write_predictions
from tests.experiments.compare.projects import record
from tests.version_control import git

PIPELINE = """\
stages:
  train: {cmd: "true", params: [train], outs: [artifacts/train]}
  evaluate:
    cmd: "true"
    deps: [artifacts/train]
    outs: [artifacts/evaluate]
    metrics: [{plots/evaluate/full.json: {cache: false}}]
"""
HEAD = (
    "classes: [coat, shirt, sneaker]\nscrape: {snapshot: '2026-11-20'}\nevaluate: {draws: 1000}\n"
)
TRUTH = np.arange(240) % 3
BASELINE = "1" * 40


def answers(wrong: int, *, test: int = 10, shift: int = 0, split: str = "", **over) -> pd.DataFrame:
    """Return predictions that are wrong on some validation and test images.

    ``split`` names another validation split, of other images.
    """
    parts = []
    for part, first, mistakes in (("val", shift, wrong), ("test", 0, test)):
        place = np.arange(len(TRUTH))
        wrongly = (place >= first) & (place < first + mistakes)
        ids = [f"{part}{split if part == 'val' else ''}-{number:05d}" for number in place]
        predicted = np.where(wrongly, (TRUTH + 1) % 3, TRUTH)
        parts.append(make_predictions(TRUTH, predicted, ids=ids, split=part, **over))
    return pd.concat(parts, ignore_index=True)


def lock(code: str) -> str:
    """Return the ``dvc.lock`` that a first evaluation logs: without stage evaluate."""
    deps = [{"path": "src/pixmill/train", "md5": hashlib.md5(code.encode()).hexdigest()}]
    return json.dumps({"schema": "2.0", "stages": {"train": {"cmd": "true", "deps": deps}}})


def add_experiment(root: Path, name: str, train: str, table: pd.DataFrame) -> None:
    """Add an experiment as DVC does: a commit of results outside of branches."""
    fill(root, train, table, f"weights of {name}")
    record(root, name)
    git(root, "update-ref", f"refs/exps/{BASELINE[:2]}/{BASELINE[2:]}/{name}", "HEAD")
    git(root, "reset", "-q", "--hard", "HEAD~1")


def fill(folder: Path, train: str, table: pd.DataFrame, weights: str) -> None:
    """Write the outputs of the stages."""
    for path in ("artifacts/train", "artifacts/evaluate", "plots/evaluate"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(f"{HEAD}train: {train}\n")
    file = folder / "artifacts" / "train" / "model.weights.h5"
    file.unlink(missing_ok=True)  # It may be a link into DVC's cache.
    file.write_text(weights)
    write_predictions(folder / "artifacts" / "evaluate" / "predictions.parquet", table)
    (folder / "plots" / "evaluate" / "full.json").write_text(
        json.dumps({"accuracy": 0.9, "n": len(TRUTH)})
    )


def add_run(
    client: MlflowClient,
    files: Path,
    name: str,
    train: str,
    table: pd.DataFrame | None,
    *,
    project: str | None = None,
    experiment: str = "0",
    weights: str = "",
    started: int = 0,
    code: str | None = "one",
    within: str = "",
    resolved: bool = True,
) -> str:
    """Add a run; with ``params.json`` only if ``resolved``, since earlier versions recorded none.

    ``within`` names the experiment that it ran in.
    """
    digest = hashlib.md5((weights or f"{name} {train} {started}").encode()).hexdigest()
    tags = {"pixmill.weights": digest, "pixmill.commit": "0" * 40}
    tags |= {"DVC_EXP_NAME": within} if within else {}
    made = client.create_run(
        experiment, started * 1000, tags | ({"pixmill.project": project} if project else {}), name
    )
    client.log_metric(made.info.run_id, "test_n", len(TRUTH))
    folder = files / made.info.run_id
    folder.mkdir(parents=True)
    text = f"{HEAD}train: {train}\n"
    (folder / "params.yaml").write_text(text)
    if resolved:
        (folder / "params.json").write_text(
            json.dumps(parse_params(text).model_dump(mode="json", by_alias=True))
        )
    if code:
        (folder / "dvc.lock").write_text(lock(code))
    if table is not None:
        (folder / "predictions").mkdir()
        write_predictions(folder / "predictions" / "predictions.parquet", table)
    client.log_artifacts(made.info.run_id, str(folder))
    client.set_terminated(made.info.run_id, end_time=started * 1000 + 60_000)
    return made.info.run_id
