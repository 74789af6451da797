"""Output, reports and exit codes of `pixmill compare`."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pixmill import load_project
from tests.command import run_pixmill
from tests.experiments.compare.made_revisions import write_predictions
from tests.experiments.compare.projects import record
from tests.version_control import git, start_repository

PARAMS = {
    "classes": ["boot", "coat"],
    "scrape": {"source": "folder", "snapshot": "2026-11-20"},
    "validate": {},
    "split": {},
    "train": {},
    "evaluate": {"draws": 200},
    "compare": {"min": {"accuracy": 0.5}},
}
IMAGES = 60
OUT = Path("artifacts/evaluate")
WEIGHTS = Path("artifacts/train/model.weights.h5")


def evaluate(root: Path, branch: str, *, wrong: int) -> None:
    """Commit the results of a model with some errors on a branch."""
    labels = np.array(["boot", "coat"])[np.arange(IMAGES) % 2]
    ids = [f"{place:064x}" for place in range(IMAGES)]
    boot = np.where((labels == "boot") ^ (np.arange(IMAGES) < wrong), 0.8, 0.2)
    table = pd.DataFrame(
        {
            "id": ids,
            "split": "test",
            "label": labels,
            "predicted": np.where(boot > 0.5, "boot", "coat"),
        }
    )
    table = table.assign(p_boot=boot, p_coat=1 - boot, loss=0.3)
    (root / OUT).mkdir(parents=True, exist_ok=True)
    write_predictions(root / OUT / "predictions.parquet", table)
    accuracy = 1 - wrong / IMAGES
    limits = {"accuracy_low": accuracy - 0.05, "accuracy_high": accuracy + 0.05}
    metrics = {
        "accuracy": accuracy,
        "macro_f1": accuracy,
        "log_loss": 0.4,
        "ece": 0.1,
        "n": IMAGES,
        **limits,
    }
    (root / "plots" / "evaluate").mkdir(parents=True, exist_ok=True)
    (root / "plots" / "evaluate" / "full.json").write_text(json.dumps(metrics))
    (root / WEIGHTS).parent.mkdir(exist_ok=True)
    (root / WEIGHTS).unlink(missing_ok=True)  # It may be a link into DVC's cache.
    (root / WEIGHTS).write_text(branch)
    outs = [str(OUT), str(WEIGHTS.parent)]
    (root / "dvc.yaml").write_text(
        yaml.safe_dump({"stages": {"evaluate": {"cmd": branch, "outs": outs}}})
    )
    git(root, "checkout", "-q", "-B", branch)
    record(root, f"Train {branch}")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose branch `worse` has a model worse than that of `main`."""
    root = start_repository(tmp_path_factory.mktemp("project"), with_dvc=True)
    (root / ".gitignore").write_text("/artifacts/\n/reports/\n/.pixmill/\n/mlflow.db*\n")
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    evaluate(root, "worse", wrong=40)
    evaluate(root, "main", wrong=4)
    return root


@pytest.fixture
def project(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The project, as the current folder, without reports."""
    monkeypatch.chdir(trained)
    yield trained
    for path in (trained / "reports").glob("*"):
        path.unlink()


def test_failing_gate_exits_1_and_writes_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pixmill("compare", "main", "worse", "--gate") == 1
    output = capsys.readouterr()
    assert output.out.startswith(
        "Worse, notably on class boot (accuracy 0.93 → 0.33, p < 0.001) and class coat"
    )
    assert "\nGate: fail " in output.out
    assert output.out.endswith("\nWritten: reports/compare.html, reports/compare.md\n")
    assert "gate: compare.min.accuracy: accuracy 0.333" in output.err
    assert (
        (project / "reports" / "compare.md")
        .read_text(encoding="utf-8")
        .startswith("**Worse, notably on class boot")
    )
    assert 'href="../" title=' in (project / "reports" / "compare.html").read_text(encoding="utf-8")


def test_comparison_of_the_api_shows_itself_and_writes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison = load_project(project).compare("main", "worse")
    assert comparison.verdict == "worse"
    assert repr(comparison).startswith("Worse, notably on class boot")
    assert comparison._repr_markdown_().startswith("**Worse, notably on class boot")
    assert "reports/" not in repr(comparison) + comparison._repr_markdown_()
    assert not [*(project / "reports").glob("*")]


def test_undecided_gate_exits_0_and_prints_json(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (project / "params.yaml").read_text()
    try:
        (project / "params.yaml").write_text(
            yaml.safe_dump({**PARAMS, "compare": {"min": {"accuracy": 0.92}}})
        )
        assert run_pixmill("compare", "worse", "main", "--gate", "--json") == 0
    finally:
        (project / "params.yaml").write_text(text)
    output = capsys.readouterr()
    document = json.loads(output.out)
    assert (document["verdict"], document["gate"], document["flips"]["gained"]) == (
        "better",
        "undecided",
        36,
    )
    assert "gate:" not in output.err
    assert (project / "reports" / "compare.md").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("nosuch",),
        ("main", "nosuch", "--gate"),
        ("--runs", "main"),
        ("--runs", "--limit", "0"),
        ("--limit", "2"),
    ],
)
def test_invalid_comparisons_exit_2(
    arguments: tuple[str, ...], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_pixmill("compare", *arguments) == 2
    output = capsys.readouterr()
    assert "\nNext: " in output.err
    assert output.out == ""
