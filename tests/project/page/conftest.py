"""A copy of the tiny project for each test."""

import dataclasses
import json
import time
from pathlib import Path

import psutil
import pytest

from pixmill.core.process.progress import StageProgress
from tests.tiny_project import copy_project


def progress(project: Path, **values: object) -> None:
    """Leave the progress file of train."""
    me = psutil.Process()
    begun = StageProgress("train", str(project.resolve()), me.pid, me.create_time(), time.time() - 5)
    path = project / ".pixmill" / "progress" / "train-x.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**dataclasses.asdict(begun), **values}))


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path) -> Path:
    return copy_project(tiny_project, tmp_path / "pets")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
