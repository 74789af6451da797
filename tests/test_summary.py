"""The summary says what a run found and what a commit should carry."""

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from pixmill.errors import ManifestError
from pixmill.summary import summary

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


LOCK = """\
schema: '2.0'
stages:
  evaluate:
    deps:
    - path: artifacts/train
      md5: aa
    - path: src/pixmill/evaluate
      md5: bb
    params:
      params.yaml:
        evaluate.draws: 100
    outs:
    - path: metrics/evaluate.json
      md5: cc
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {
        "metrics/evaluate.json": json.dumps(METRICS),
        "reports/evaluate.html": "",
        "reports/scrape.html": "",
        "params.yaml": "a: 1\n",
        "dvc.lock": LOCK,
        "data.dvc": "x",
        ".gitignore": "/reports/\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_it_shows_figures_pages_and_the_next_command(project: Path) -> None:
    text = summary(project, environ={})
    assert "Test accuracy 0.900 (confidence interval 0.860 to 0.930) on 250 pictures" in text
    assert "  coat       0.900       -  0.900        50" in text
    assert text.index("reports/evaluate.html") < text.index("reports/scrape.html") < text.index("make ui")
    assert "commit" not in text


def test_it_names_a_tracking_server(project: Path) -> None:
    text = summary(project, environ={"MLFLOW_TRACKING_URI": "http://127.0.0.1:5000"})
    assert "MLflow: http://127.0.0.1:5000" in text
    assert "make ui" not in text


def test_changed_pictures_ask_for_a_commit_of_data_dvc(project: Path) -> None:
    (project / "data.dvc").write_text("y")
    assert "commit data.dvc" in summary(project, environ={})


def test_results_that_differ_by_themselves_are_explained(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK.replace("cc", "dd").replace("aa", "ee"))
    assert "another kind of processor" in summary(project, environ={})


@pytest.mark.parametrize(("before", "after"), [("bb", "ff"), ("draws: 100", "draws: 200"), ("src/", "lib/")])
def test_results_that_follow_from_a_change_are_to_be_committed(project: Path, before: str, after: str) -> None:
    (project / "dvc.lock").write_text(LOCK.replace(before, after))
    text = summary(project, environ={})
    assert "The results are new. To keep them: git add" in text
    assert "processor" not in text


def test_decisions_behind_new_results_are_committed_with_them(project: Path) -> None:
    (project / "dvc.lock").write_text(LOCK.replace("bb", "ff"))
    assert "review.csv" not in summary(project, environ={})
    (project / "review.csv").write_text("picture,decision,label,by,why\n")
    assert "params.yaml review.csv metrics" in summary(project, environ={})


def test_a_run_that_stopped_half_way_is_told_from_one_that_ended(project: Path) -> None:
    trained = "  train:\n    outs:\n    - path: artifacts/train\n      md5: {}\n"
    (project / "dvc.lock").write_text(LOCK + trained.format("aa"))
    assert "earlier run" not in summary(project, environ={})
    (project / "dvc.lock").write_text(LOCK + trained.format("another"))
    text = summary(project, environ={})
    assert "These figures are of an earlier run: the last one did not get past evaluate." in text
    assert "git add" not in text


def test_a_stage_that_failed_is_told_from_one_that_ended(project: Path) -> None:
    """The last stage wrote what it found before it failed; DVC took nothing down."""
    told = json.dumps(METRICS | {"n": 251})
    (project / "metrics/evaluate.json").write_text(told)
    text = summary(project, environ={})
    assert "These figures are of an earlier run: the last one did not get past evaluate." in text
    ended = LOCK.replace("cc", hashlib.md5(told.encode(), usedforsecurity=False).hexdigest())
    (project / "dvc.lock").write_text(ended.replace("bb", "ff"))
    assert "The results are new" in summary(project, environ={})


def test_a_clone_without_pages_says_where_they_are(project: Path) -> None:
    for page in (project / "reports").iterdir():
        page.unlink()
    assert "dvc pull fetches them" in summary(project, environ={})


def test_first_results_are_to_be_committed(project: Path) -> None:
    subprocess.run(["git", "rm", "-q", "--cached", "dvc.lock"], cwd=project, check=True)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], cwd=project, check=True)
    assert "The results are new" in summary(project, environ={})


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"evaluate\.json is missing\nNext: dvc repro evaluate"):
        summary(tmp_path, environ={})
