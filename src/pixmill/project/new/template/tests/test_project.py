"""Project checks in addition to `pixmill doctor --quick`."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from pixmill.core.install.pyproject import read_project
from pixmill.core.params import load_params

ROOT = Path(__file__).resolve().parent.parent
METRICS = ROOT / "metrics" / "evaluate.json"


def test_params_are_valid() -> None:
    load_params(ROOT)


def test_plugins_can_be_imported() -> None:
    for kind, plugins in read_project(ROOT).plugins.items():
        for name, target in plugins.items():
            assert EntryPoint(name, target, f"pixmill.{kind}").load()


@pytest.mark.skipif(not METRICS.exists(), reason="the pipeline has not run yet")
def test_model_is_better_than_guessing() -> None:
    metrics = json.loads(METRICS.read_text(encoding="utf-8"))
    name = "accuracy" if "accuracy" in metrics else "mean_average_precision"
    assert metrics[f"{name}_low"] > metrics[f"baseline_{name.removeprefix('mean_')}"]
