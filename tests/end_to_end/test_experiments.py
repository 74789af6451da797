"""An experiment of DVC on a finished project."""

import json

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.browser]


def runs(project):
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{project.path}/mlflow.db")
    return mlflow.search_runs(
        search_all_experiments=True, output_format="list", order_by=["attributes.start_time DESC"]
    )


def test_an_experiment_shows_old_new_and_change(copy_of_finished) -> None:
    # One key that params.yaml lists, and two that it does not.
    keys = ("train.epochs=2", "++train.label_smoothing=0.05", "++evaluate.draws=1500")
    done = copy_of_finished.dvc("exp", "run", "-n", "short-one", *(word for key in keys for word in ("-S", key)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert copy_of_finished.metrics("train")["epochs"] == 2
    metrics = json.loads(copy_of_finished.dvc("metrics", "diff", "--json").stdout)
    assert metrics["metrics/train.json"]["train_loss"]["diff"] != 0
    table = copy_of_finished.dvc("metrics", "diff", "--md").stdout.splitlines()
    assert 4 < len(table) < 25
    params = json.loads(copy_of_finished.dvc("params", "diff", "--json").stdout)["params.yaml"]
    assert params["train.epochs"] == {"old": 6, "new": 2, "diff": -4}
    assert {params[name]["new"] for name in ("train.label_smoothing", "evaluate.draws")} == {0.05, 1500}
    assert "short-one" in copy_of_finished.dvc("exp", "show", "--csv").stdout
    plots = copy_of_finished.dvc("plots", "diff", "-o", "page", "--json")
    assert plots.returncode == 0, plots.stderr
    newest = runs(copy_of_finished)[0]
    assert newest.data.tags["DVC_EXP_NAME"] == "short-one"
    assert newest.data.params["train.epochs"] == "2"
    assert newest.data.params["train.label_smoothing"] == "0.05"
    assert "test_accuracy" in newest.data.metrics
