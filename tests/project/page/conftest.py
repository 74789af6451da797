"""A copy of the tiny project for each test."""

import dataclasses
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pixmill.core.process.progress import StageProgress
from tests.tiny_project import copy_project


def progress(project: Path, **values: object) -> None:
    """Leave the progress file of train."""
    me = psutil.Process()
    begun = StageProgress(
        "train", str(project.resolve()), me.pid, me.create_time(), time.time() - 5
    )
    path = project / ".pixmill" / "progress" / "train-x.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**dataclasses.asdict(begun), **values}))


def draw(path: Path, shade: int) -> str:
    """Write an image, and return its id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (200, 100), (shade, 0, 0)).save(path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write(path: Path, content: object) -> None:
    """Write a JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def record(root: Path, accuracy: float) -> None:
    """Write the headline of an evaluation."""
    metrics = {
        "accuracy": accuracy,
        "accuracy_low": accuracy - 0.1,
        "accuracy_high": accuracy + 0.1,
    }
    write(root / "metrics/evaluate.json", metrics)


def evaluate(root: Path, rows: list[tuple[Any, ...]]) -> None:
    """Write an evaluation: id, split, label, prediction and loss of each image."""
    table = [
        dict(zip(("id", "split", "label", "predicted", "loss"), row, strict=True)) for row in rows
    ]
    write_rows(root / "artifacts/evaluate/predictions.parquet", table)
    labels = [row["label"] for row in table if row["split"] == "test"]
    scores = {label: {"f1": 0.5, "support": labels.count(label)} for label in sorted({*labels})}
    write(root / "plots/evaluate/full.json", {"per_class": scores})


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Path:
    return copy_project(tiny_project, tmp_path / "pets")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
