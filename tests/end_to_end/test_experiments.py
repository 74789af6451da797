"""Experiments run their own code and keep their own results."""

import json

import pytest

from pixmill.learn.determinism import fix_threads

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


def test_a_temporary_experiment_runs_its_own_code_and_loses_nothing(copy_of_finished) -> None:
    project = copy_of_finished
    with (project.path / "src" / "pixmill" / "train" / "__init__.py").open("a", encoding="utf-8") as module:
        module.write('\nprint("the edited copy ran")\n')
    before = (project.path / "metrics" / "train.json").read_bytes()
    done = project.dvc("exp", "run", "--temp", "-n", "elsewhere", "-S", "train.epochs=3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the edited copy ran" in done.stdout
    assert (project.path / "metrics" / "train.json").read_bytes() == before
    newest = runs(project)[0]
    assert newest.data.tags["DVC_EXP_NAME"] == "elsewhere"
    assert newest.data.params["train.epochs"] == "3"
    import mlflow

    client = mlflow.MlflowClient()
    models = [client.get_logged_model(output.model_id) for output in newest.outputs.model_outputs]
    [model_id] = [model.model_id for model in models if model.name == "keras"]
    fix_threads(2)
    assert mlflow.keras.load_model(f"models:/{model_id}").output_shape[-1] == 3
