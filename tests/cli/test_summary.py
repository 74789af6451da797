"""`pixmill summary` prints next steps and results."""

import hashlib
import json
from pathlib import Path

import pytest

from pixmill.cli.summary import summary as summary_of
from pixmill.core.decisions import label_as
from pixmill.dataset.deciding import Accepted, DecisionTable
from pixmill.dataset.inbox import Inbox
from pixmill.project.state import read_project_state
from tests.command import run_pixmill
from tests.version_control import commit, start_repository

METRICS = {
    "accuracy": 0.9,
    "accuracy_low": 0.86,
    "accuracy_high": 0.93,
    "macro_f1": 0.89,
    "log_loss": 0.3,
    "ece": 0.02,
    "n": 250,
    "baseline": {"majority_accuracy": 0.2},
    "per_class": {"coat": {"precision": 0.9, "recall": None, "f1": 0.9, "support": 50}},
}


def summary(root: Path) -> str:
    return summary_of(read_project_state(root))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "plots/evaluate/full.json": json.dumps(METRICS),
        "reports/evaluate.html": "",
        "reports/scrape.html": "",
        ".gitignore": "/reports/\n",
        "params.yaml": "{classes: [coat, hat], scrape: {snapshot: '2026-11-20'}}\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    commit(start_repository(tmp_path))
    return tmp_path


@pytest.fixture(autouse=True)
def here(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)


def test_shows_metrics_pages_and_next_command(project: Path) -> None:
    text = summary(project)
    assert (
        "Test accuracy 90.0 % (CI 86.0 % to 93.0 %) on 250 images; majority-class baseline: 20.0 %"
        in text
    )
    assert "  coat       0.900       -  0.900        50" in text
    assert (
        text.index("reports/evaluate.html")
        < text.index("reports/scrape.html")
        < text.index("mlflow ui")
    )
    assert "\n  Disk: 0.0 MB\n" in text
    assert "  Git: nothing changed, results committed, no remote\n" in text


def test_warns_of_shortcuts(project: Path) -> None:
    assert "width (skill 1)" not in summary(project)
    found = {
        "property": "width",
        "skill": 1.0,
        "label": "coat",
        "example": "they are wide",
        "advice": "crop them",
    }
    (project / "plots/evaluate/full.json").write_text(json.dumps(METRICS | {"shortcuts": [found]}))
    assert "warning: width (skill 1) alone separates one class from the others" in summary(project)


@pytest.mark.parametrize("lacking", ["accuracy", "per_class"])
def test_incomplete_results_are_no_traceback(project: Path, lacking: str) -> None:
    content = {name: value for name, value in METRICS.items() if name != lacking}
    (project / "plots/evaluate/full.json").write_text(json.dumps(content))
    assert f"full.json lacks '{lacking}' (dvc repro -f -s evaluate)" in summary(project)


LABEL_METRICS = {
    **{name: METRICS[name] for name in ("log_loss", "ece", "n")},
    "mean_average_precision": None,
    "mean_average_precision_low": None,
    "mean_average_precision_high": None,
    "baseline_average_precision": 0.4,
    "exact_match": 0.8,
    "per_class": {
        "dark": {"precision": None, "recall": None, "average_precision": None, "support": 0}
    },
}


def test_undefined_average_precision(project: Path) -> None:
    (project / "plots/evaluate/full.json").write_text(json.dumps(LABEL_METRICS))
    text = summary(project)
    assert "Mean average precision undefined on 250 images" in text
    assert "  dark           -       -      -         0" in text


def test_results_of_another_version_are_one_line(project: Path) -> None:
    earlier = LABEL_METRICS | {"exact_match": None}
    (project / "plots/evaluate/full.json").write_text(json.dumps(earlier))
    assert "of another version (dvc repro -f -s evaluate)" in summary(project)


def test_shows_the_tracking_server(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "pyproject.toml").write_text(
        "[tool.pixmill]\nmlflow = 'http://me:secret@team.test'", encoding="utf-8"
    )
    assert "  MLflow: http://team.test\n" in summary(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert "  MLflow: http://127.0.0.1:5000\n" in summary(project)


def test_names_a_folder_that_mlflow_cannot_use(project: Path) -> None:
    other = project.rename(project.with_name("we%20b"))
    assert f"  MLflow: the path {other} has a ? or a % before a number" in summary(other)


def test_before_the_first_run(project: Path) -> None:
    for page in (project / "reports").iterdir():
        page.unlink()
    (project / "plots/evaluate/full.json").unlink()
    (project / "dvc.yaml").write_text("stages: {scrape: {cmd: x, deps: [data]}}\n")
    (project / "data").mkdir()
    (project / "data/a.jpg").touch()
    text = summary(project)
    assert text.startswith("\nNext: Nothing has run yet.\n  dvc repro\n")
    assert "  scrape  never run\n" in text
    assert "No results yet." in text
    assert "  no pages yet\n" in text


def test_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dvc.yaml").write_text("stages: {scrape: {cmd: x, deps: [data]}}\n")
    assert run_pixmill("summary", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["next"][0] == {
        "kind": "run",
        "sentence": "Nothing has run yet.",
        "command": "dvc repro",
    }
    assert [(stage["name"], stage["status"]) for stage in document["stages"]] == [
        ("scrape", "never run")
    ]
    assert document["repository"]["text"] == "1 file changed, results committed, no remote"
    assert document["accuracy"] == [0.9, 0.86, 0.93]
    assert document["is_fresh"] is False
    assert document["faults"] == {}


def test_names_missing_accepted_images(project: Path) -> None:
    inbox = Inbox(project / "inbox")
    fields = {"prediction": {"label": "coat"}, "label": "coat", "model": {"name": "m"}}
    name = inbox.add(b"image", extension=".jpg", **fields)
    md5 = hashlib.md5(b"image", usedforsecurity=False).hexdigest()
    accepted = Accepted(image=name, file="data/coat/feedback-1.jpg", md5=md5, corrections=1)
    DecisionTable(project).decide(label_as(name, "coat", None), accepted=accepted)
    text = summary(project)
    assert "1 accepted image missing from data/: data/coat/feedback-1.jpg" in text
    assert "  pixmill review --restore" in text
    (project / "data/coat").mkdir(parents=True)
    (project / "data/coat/feedback-1.jpg").write_bytes(b"image")
    assert "missing from data/" not in summary(project)
