"""`pixmill sweep` searches, shows and applies."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.experiments.sweep import searching
from pixmill.experiments.sweep.planning import lock_sweep
from tests.command import run_pixmill
from tests.experiments.sweep.swept import FakeTrial, write_workspace
from tests.made_once import make_once


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_once(tmp_path_factory, "sweep", write_workspace)


@pytest.fixture
def root(
    template: Path, empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    shutil.copytree(template, tmp_path / "root", ignore=shutil.ignore_patterns("scrape"))
    shutil.copy2(empty_database, tmp_path / "root")
    monkeypatch.chdir(tmp_path / "root")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path / "root"


@pytest.fixture(autouse=True)
def fake_trial(monkeypatch: pytest.MonkeyPatch) -> FakeTrial:
    found = FakeTrial()
    monkeypatch.setattr(searching, "run_trial", found)
    return found


def test_it_prints_a_table_writes_the_page_goes_on_and_applies(root, fake_trial, capsys) -> None:
    assert run_pixmill("sweep", "--trials", "3") == 0
    text = capsys.readouterr().out
    assert text.startswith("Of 3 trials, trial ")
    assert " has the best macro-F1 on validation" in text
    assert text.endswith("pixmill sweep --apply && dvc repro\nWritten: reports/sweep.html\n")
    page = (root / "reports" / "sweep.html").read_text()
    assert "Of 3 trials, trial " in page
    assert 'href="../" title=' in page
    assert run_pixmill("sweep", "--trials", "5", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["trials"]) == len(fake_trial.calls) == 5
    # The best or another is applied.
    assert run_pixmill("sweep", "--apply") == 0
    out = capsys.readouterr().out
    best = document["trials"][document["best"]]["params"]
    assert load_params(root).train.learning_rate == pytest.approx(best["train.learning_rate"])
    assert out.splitlines()[-1] == "Next: dvc repro"
    assert f"train.learning_rate: 0.003 → {best['train.learning_rate']:g}" in out
    assert run_pixmill("sweep", "--apply") == 0
    assert capsys.readouterr().out.startswith(
        f"params.yaml already has the values of trial {document['best']}\n"
    )
    assert run_pixmill("sweep", "--apply", "0") == 0
    assert load_params(root).train.learning_rate == 0.003
    assert run_pixmill("sweep", "--apply", "9") == 1
    assert "there is no complete trial 9" in capsys.readouterr().err


def test_show_says_what_would_be_tried_and_runs_nothing(root, fake_trial, capsys) -> None:
    assert run_pixmill("sweep", "--show", "--trials", "7", "--folds", "3") == 0
    text = capsys.readouterr().out
    assert "train.learning_rate" in text
    assert "7 trials by tpe, measured by macro-F1 in 3-fold cross-validation" in text
    assert fake_trial.calls == []
    assert not (root / "reports").exists()


def test_a_second_one_at_once_is_refused(root, fake_trial, capsys) -> None:
    with lock_sweep(Workspace(root, root)):
        assert run_pixmill("sweep") == 1
        # --show takes no lock.
        assert run_pixmill("sweep", "--show") == 0
    assert f"another sweep is running in {root}" in capsys.readouterr().err
    assert fake_trial.calls == []


@pytest.mark.parametrize(
    "words", [["--trials", "0"], ["--folds", "1"], ["--folds", "21"], ["--apply", "best"]]
)
def test_rejects_invalid_options(root, words, capsys) -> None:
    assert run_pixmill("sweep", *words) == 2
    assert "expected" in capsys.readouterr().err


def test_missing_optuna(root, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert run_pixmill("sweep") == 1
    err = capsys.readouterr().err
    assert "sweep" in err
    assert "pip install" in err
