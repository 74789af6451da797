"""Experiments and runs in one table: which is best, and which are significantly worse."""

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixmill.compare import ranking as module
from pixmill.compare.numbers import compare_numbers
from pixmill.compare.ranking import Ranking, compare_runs, render_runs, runs_text
from pixmill.core.errors import PixmillError
from pixmill.core.params import Params, parse_params
from pixmill.core.workspace import Workspace
from pixmill.metrics.scores import scores
from pixmill.metrics.significance import holm
from pixmill.record.store import connect
from tests.compare.made_revisions import make_predictions, make_revision, write_predictions
from tests.compare.projects import record
from tests.version_control import commit, git, start_repository

PIPELINE = """\
stages:
  train: {cmd: "true", params: [train], outs: [artifacts/train]}
  evaluate:
    cmd: "true"
    deps: [artifacts/train]
    outs: [artifacts/evaluate]
    metrics: [{plots/evaluate/full.json: {cache: false}}]
"""
TRUTH = np.arange(240) % 3
HEAD = "classes: [coat, shirt, sneaker]\nscrape: {snapshot: '2026-11-20'}\nevaluate: {draws: 2000}\n"
BASELINE = "1" * 40


def predictions(wrong: int, **over):
    """Return those of a model that mistakes the first images."""
    return make_predictions(TRUTH, np.where(np.arange(len(TRUTH)) < wrong, (TRUTH + 1) % 3, TRUTH), **over)


def metrics(table) -> dict:
    labels = [name.removeprefix("p_") for name in table if name.startswith("p_")]
    actual = np.array([labels.index(label) for label in table["label"]])
    found = scores(actual, table[[f"p_{label}" for label in labels]].to_numpy())
    return {**found, "macro_f1_low": found["macro_f1"] - 0.05, "macro_f1_high": found["macro_f1"] + 0.04}


def fill(folder: Path, train: str, table, weights: str) -> None:
    """Write what the stages of a project would."""
    for path in ("artifacts/train", "artifacts/evaluate", "plots/evaluate"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(f"{HEAD}train: {train}\n")
    for path, content in (("train/model.weights.h5", weights.encode()), ("evaluate/predictions.parquet", None)):
        (folder / "artifacts" / path).unlink(missing_ok=True)  # It may be a link into DVC's cache.
        if content is not None:
            (folder / "artifacts" / path).write_bytes(content)
    write_predictions(folder / "artifacts" / "evaluate" / "predictions.parquet", table)
    (folder / "plots" / "evaluate" / "full.json").write_text(json.dumps(metrics(table)))


def experiment(root: Path, name: str, train: str, table) -> None:
    """Add an experiment as DVC does: a commit of its results that no branch holds."""
    fill(root, train, table, f"weights of {name}")
    record(root, name)
    git(root, "update-ref", f"refs/exps/{BASELINE[:2]}/{BASELINE[2:]}/{name}", "HEAD")
    git(root, "reset", "-q", "--hard", "HEAD~1")


def run(client, home: Path, name: str, train: str, table, *, weights: str, started: int, resolved: bool = True) -> str:
    """Add a run as the stages record it; without the file of all params, as earlier versions did."""
    digest = hashlib.md5(weights.encode()).hexdigest()
    tags = {"pixmill.weights": digest, "pixmill.started": f"{started}.5", "pixmill.commit": "0" * 40}
    made = client.create_run("0", started * 1000, tags, name)
    client.log_metric(made.info.run_id, "test_n", len(table))
    files = home / f"files of {name}"
    (files / "predictions").mkdir(parents=True)
    (files / "plots" / "evaluate").mkdir(parents=True)
    write_predictions(files / "predictions" / "predictions.parquet", table)
    (files / "plots" / "evaluate" / "full.json").write_text(json.dumps(metrics(table)))
    text = f"{HEAD}train: {train}\n"
    (files / "params.yaml").write_text(text)
    if resolved:
        (files / "params.json").write_text(json.dumps(parse_params(text).model_dump(mode="json", by_alias=True)))
    client.log_artifacts(made.info.run_id, str(files))
    client.set_terminated(made.info.run_id)
    return made.info.run_id


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An MLflow database without runs, which takes seconds to make."""
    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    connect(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, database: Path) -> Workspace:
    """Two experiments, one of them with its run, four more runs and a fold."""
    root = start_repository(tmp_path_factory.mktemp("project"), with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/mlflow*\n/files*\n")
    commit(root, "Begin")
    experiment(root, "wide", "{epochs: 10, learning_rate: 0.1}", predictions(20))
    experiment(root, "plain", "{epochs: 20}", predictions(24))
    shutil.copy(database, root)
    client = connect(f"sqlite:///{root / 'mlflow.db'}")
    elsewhere = [f"other-{place}" for place in range(len(TRUTH))]
    run(
        client, root, "first", "{epochs: 10, learning_rate: 0.1}", predictions(20), weights="weights of wide", started=1
    )
    run(client, root, "poor", "{epochs: 1}", predictions(80), weights="p", started=2)
    run(client, root, "twin", "{epochs: 1}", predictions(80), weights="p", started=3)
    run(client, root, "moved", "{epochs: 5}", predictions(3, ids=elsewhere), weights="m", started=4, resolved=False)
    labels = ("coat", "shirt", "<b>parka")
    # Keys that are listed with their defaults make no difference.
    listed = "{epochs: 5, batch_size: 32, features: {head: logistic}}"
    run(client, root, "other", listed, predictions(0, labels=labels), weights="o", started=5)
    client.create_run("0", 6000, {"mlflow.parentRunId": "1"}, "fold 1")
    return Workspace(root, root)


@pytest.fixture(scope="module")
def params() -> Params:
    return parse_params(HEAD)


@pytest.fixture(scope="module")
def runs(project: Workspace, params: Params) -> Ranking:
    return compare_runs(project, params)


def test_each_model_has_one_row_and_the_best_is_first(runs: Ranking) -> None:
    assert [(row.name.split(" ")[0], row.kind) for row in runs.rows] == [
        ("wide", "experiment and run"),
        ("plain", "experiment"),
        ("twin", "run"),
    ]
    best, plain, poor = runs.rows
    assert best.value == metrics(predictions(20))["macro_f1"]
    assert (best.low, best.high) == (best.value - 0.05, best.value + 0.04)
    assert (best.n, best.common, best.difference, best.worse) == (240, 240, None, False)
    assert [row.worse for row in (plain, poor)] == [False, True]
    assert not runs.left_out
    assert best.url is not None
    assert plain.url is None


def test_differences_are_those_of_the_pairs_and_adjusted_together(runs: Ranking, params: Params) -> None:
    first = make_revision(predictions(20))
    pairs = [
        compare_numbers(first, make_revision(predictions(wrong)), params.review, params.evaluate).decisive
        for wrong in (24, 80)
    ]
    assert [row.difference for row in runs.rows[1:]] == pairs
    assert [row.p for row in runs.rows[1:]] == holm([pair.p for pair in pairs]).tolist()


def test_what_cannot_be_compared_is_listed_with_why(runs: Ranking) -> None:
    assert [row.name.split(" ")[0] for row in runs.others] == ["other", "moved"]
    assert str(runs.others[0].why).startswith("the classes differ; only wide has sneaker and only other")
    assert str(runs.others[1].why).startswith("no image is in the test split of both")


def test_params_that_differ_are_told_and_no_others(runs: Ranking) -> None:
    assert [row.params for row in runs.rows] == [
        {"train.epochs": 10, "train.learning_rate": 0.1},
        {"train.epochs": 20, "train.learning_rate": 0.001},
        {"train.epochs": 1, "train.learning_rate": 0.001},
    ]


def test_the_table_fits_a_terminal(runs: Ranking) -> None:
    lines = runs_text(runs).splitlines()
    assert lines[0] == "wide has the best macro-F1, 0.917; 1 of the other 2 is significantly worse."
    assert max(map(len, lines)) <= 120
    assert lines[3].split() == ["wide", "0.917", "(0.867", "to", "0.957)", "240", "best"]
    assert lines[4].endswith(": train.epochs=10, train.learning_rate=0.1")
    assert lines[6].endswith(": train.epochs=20, train.learning_rate=0.001")
    assert lines[7].endswith(" worse")
    assert "is not comparable with the best: no image is in the test split of both wide and moved (" in " ".join(lines)


def test_the_best_is_not_said_to_beat_a_figure_of_other_test_images(runs: Ranking) -> None:
    best, *others = runs.rows
    elsewhere = replace(runs, rows=(best, *(replace(row, value=0.999, common=53) for row in others)))
    assert runs_text(elsewhere).startswith("wide has the best macro-F1 of those tested on the same images, 0.917; 1 of")


def test_the_page_draws_a_line_for_each_and_escapes_names(runs: Ranking, project: Workspace) -> None:
    page = render_runs(runs)
    assert page.count('class="line"') == 3
    assert page.count('class="run best"') == 1
    assert page.count('class="axis"') == 3
    assert "<title>wide: macro-F1 0.917" in page
    assert "<b>parka" not in page
    assert f"<code>mlflow ui --backend-store-uri sqlite:///{project.home}/mlflow.db</code>" in page
    assert all(row.name in page for row in (*runs.rows, *runs.others))
    assert re.search(r'class="badge bad">worse', page)


def test_only_the_newest_are_read(project: Workspace, params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    cut = compare_runs(project, params)
    assert {row.name.split(" ")[0] for row in (*cut.rows, *cut.others)} == {"wide", "plain", "other"}
    assert cut.left_out
    assert "Only the newest 3 are shown." in runs_text(cut)


def test_without_mlflow_there_are_the_experiments(
    project: Workspace, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'none.db'}")
    found = compare_runs(project, params)
    assert [(row.name, row.kind) for row in found.rows] == [("wide", "experiment"), ("plain", "experiment")]
    assert found.missing[0].startswith("No runs: there is no MLflow database")
    assert found.missing[0] in render_runs(found).replace("&#39;", "'")


def test_a_project_without_runs_says_what_to_do(tmp_path: Path, database: Path, params: Params) -> None:
    start_repository(tmp_path)
    shutil.copy(database, tmp_path)
    with pytest.raises(PixmillError, match="there are no experiments, and no runs") as refusal:
        compare_runs(Workspace(tmp_path, tmp_path), params)
    assert refusal.value.next == "dvc repro"


def test_a_calibration_error_of_zero_is_the_best(tmp_path: Path, database: Path) -> None:
    start_repository(tmp_path)
    shutil.copy(database, tmp_path)
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    for place, (name, certainty) in enumerate({"unsure": 0.8, "sure": 1.0}.items()):
        table = make_predictions(TRUTH, TRUTH, certainty=certainty)
        run(client, tmp_path, name, f"{{seed: {place}}}", table, weights=name, started=place)
    found = compare_runs(Workspace(tmp_path, tmp_path), parse_params(f"{HEAD}review: {{metric: ece}}\n"))
    assert [(row.name.split(" ")[0], row.value) for row in found.rows] == [("sure", 0), ("unsure", pytest.approx(0.2))]
