import json
import os
import shutil
import subprocess
import sys

import mlflow
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, log_loss

from pixmill.files import file_digest
from pixmill.models import build_classifier, fix_threads, save_classifier
from pixmill.params import CnnParams, TrainParams
from tests.evaluate.conftest import LABELS, PICTURES, SIDE, write_split

PARAMS = "classes: [dark, light]\nscrape: {snapshot: '2026-11-20'}\nevaluate: {draws: 1000}\n"
OUTPUTS = (
    "artifacts/evaluate/predictions.parquet",
    "metrics/evaluate.json",
    "plots/evaluate/confusion.csv",
    "reports/evaluate.html",
)


def evaluate(root, repository, **environ):
    """Run the stage as DVC does and return the finished process."""
    return subprocess.run(
        [sys.executable, "-m", "stages.evaluate"],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(repository)} | environ,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A workspace as the stage train leaves it, with a network of fresh weights."""
    root = tmp_path_factory.mktemp("inputs")
    (root / "params.yaml").write_text(PARAMS)
    write_split(root / "artifacts" / "split")
    fix_threads(2)
    tiny = TrainParams(cnn=CnnParams(filters=(2,), dense=()))
    model = build_classifier(tiny, labels=len(LABELS), image_size=SIDE)
    save_classifier(model, list(LABELS), root / "artifacts" / "train", image_size=SIDE, aspect="pad")
    return root


@pytest.fixture(scope="module")
def evaluated(inputs, repository, tmp_path_factory):
    """The same workspace after the stage, and what the stage said."""
    root = shutil.copytree(inputs, tmp_path_factory.mktemp("evaluated") / "project")
    done = evaluate(root, repository)
    assert done.returncode == 0, done.stderr
    return root, done


def test_it_says_what_came_out_and_where_it_is(evaluated):
    _, done = evaluated
    assert done.stdout.startswith("evaluate: accuracy 0.")
    assert done.stdout.endswith("reports/evaluate.html\n")
    assert "MLflow" not in done.stderr


def test_every_output_is_there_and_nothing_half_written(evaluated, inputs):
    root, _ = evaluated
    before = {path.relative_to(inputs) for path in inputs.rglob("*") if path.is_file()}
    after = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    new = {path.as_posix() for path in after - before}
    outside = {path for path in new if not path.startswith((".pixmill/", "mlruns/", "mlflow.db"))}
    assert outside == set(OUTPUTS)


def test_the_metrics_follow_from_the_predictions(evaluated):
    root, _ = evaluated
    metrics = json.loads((root / "metrics/evaluate.json").read_text(), parse_constant=pytest.fail)
    predictions = pd.read_parquet(root / "artifacts/evaluate/predictions.parquet")
    assert predictions["split"].value_counts().to_dict() == PICTURES
    for part, figures in (("test", metrics), ("val", metrics["val"])):
        table = predictions[predictions["split"] == part]
        assert figures["accuracy"] == pytest.approx(accuracy_score(table["label"], table["predicted"]), rel=1e-5)
        given = table[["p_dark", "p_light"]].to_numpy(float)
        given = given / given.sum(axis=1, keepdims=True)
        assert figures["log_loss"] == pytest.approx(log_loss(table["label"], given), rel=1e-5)
        assert figures["n"] == len(table)


def test_the_plot_has_one_row_a_test_picture_sorted_by_id(evaluated):
    root, _ = evaluated
    predictions = pd.read_parquet(root / "artifacts/evaluate/predictions.parquet")
    tested = predictions[predictions["split"] == "test"].sort_values("id")
    lines = (root / "plots/evaluate/confusion.csv").read_bytes().decode().split("\n")
    assert lines[0] == "actual,predicted"
    assert lines[1:-1] == [f"{row.label},{row.predicted}" for row in tested.itertuples()]


def test_mlflow_has_the_figures_the_pictures_and_the_page_in_a_run_found_by_the_weights(evaluated):
    root, _ = evaluated
    client = mlflow.MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    weights = file_digest(root / "artifacts/train/model.weights.h5", "md5")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (run,) = client.search_runs(experiments, f"tags.`pixmill.weights` = '{weights}'")
    metrics = json.loads((root / "metrics/evaluate.json").read_text())
    assert run.data.metrics["test_accuracy"] == pytest.approx(metrics["accuracy"], rel=1e-5)
    assert run.data.metrics["test_f1.light"] == pytest.approx(metrics["per_class"]["light"]["f1"], rel=1e-5)
    assert all(name.startswith("test_") for name in run.data.metrics)
    assert run.data.params == {}
    assert {file.path for file in client.list_artifacts(run.info.run_id, "plots")} == {
        "plots/confusion.png",
        "plots/mistakes.png",
    }


@pytest.mark.slow
def test_a_second_run_elsewhere_writes_the_same_bytes(evaluated, inputs, repository, tmp_path):
    first, _ = evaluated
    second = shutil.copytree(inputs, tmp_path / "elsewhere")
    assert evaluate(second, repository).returncode == 0
    for name in OUTPUTS:
        assert (second / name).read_bytes() == (first / name).read_bytes(), name


@pytest.mark.slow
def test_mlflow_that_is_away_costs_no_output(evaluated, inputs, repository, tmp_path):
    first, _ = evaluated
    root = shutil.copytree(inputs, tmp_path / "project")
    done = evaluate(root, repository, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    assert done.returncode == 0
    assert "MLflow" in done.stderr
    assert "Traceback" not in done.stderr
    for name in OUTPUTS:
        assert (root / name).read_bytes() == (first / name).read_bytes(), name


@pytest.mark.parametrize("lost", ["artifacts/train/labels.json", "artifacts/split/manifest.parquet"])
def test_a_missing_artifact_is_a_message_with_the_command_that_mends_it(inputs, repository, tmp_path, lost):
    root = shutil.copytree(inputs, tmp_path / "project")
    (root / lost).unlink()
    done = evaluate(root, repository)
    assert done.returncode == 1
    stage = lost.split("/")[1]
    assert lost in done.stderr
    assert f"Next: dvc repro {stage}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (root / "metrics").exists()
