"""What MLflow has of trainings: facts, files, and the list of those that were evaluated."""

from dataclasses import replace
from functools import partial

import pytest

from pixmill.models.mlflow_format.saving import save_classifier_model
from pixmill.tracking.run_lookup import PREDICTIONS, RunReader
from pixmill.tracking.stage_runs import evaluation_run
from pixmill.tracking.store import experiment_name

WEIGHTS = "a" * 32


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def evaluated(training, store):
    """Record a training and its evaluation, and return the run's id."""

    def record(weights, *, model=None):
        with training() as run:
            run.set_weights(weights)
            if model is not None:
                run.log_model("classifier", partial(save_classifier_model, model))
        evaluate(weights)
        return store.newest

    def evaluate(weights):
        with evaluation_run(store.workspace, weights=weights) as evaluation:
            evaluation.log_metrics({"test_accuracy": 0.9, "test_n": 8})
            evaluation.log_text(f"predictions of {weights}", PREDICTIONS)

    record.evaluate = evaluate
    return record


def evaluated_runs(workspace, limit=9):
    return RunReader(workspace).list_evaluated(
        limit, project="mine", experiment=experiment_name(workspace.root)
    )


def test_a_run_is_found_by_its_id_and_by_its_weights(evaluated, store, trained_folder):
    older = evaluated(WEIGHTS)
    run_id = evaluated(WEIGHTS, model=trained_folder)
    runs = RunReader(store.workspace)
    run = runs.get(run_id)
    longest = max(run.seconds, runs.get(older).seconds)
    assert runs.newest(WEIGHTS) == replace(run, seconds=longest)
    assert [
        replace(each, megabytes=runs.megabytes(each)) for each in evaluated_runs(store.workspace, 1)
    ] == [run]
    assert runs.newest("0" * 32) is None
    assert run.id == run_id != older
    known = store.client.get_run(run_id)
    assert run.seconds == (known.info.end_time - known.info.start_time) / 1000
    assert (
        run.url == f"http://127.0.0.1:5000/#/experiments/{known.info.experiment_id}/runs/{run_id}"
    )
    assert run.command == f"mlflow ui --backend-store-uri {store.uri}"
    assert run.tags["pixmill.weights"] == WEIGHTS
    assert run.name == known.info.run_name
    (description,) = store.workspace.root.rglob("MLmodel")
    size = next(
        line for line in description.read_text().splitlines() if line.startswith("model_size_bytes")
    )
    assert run.megabytes == int(size.split()[1]) / 1e6 > 0
    assert runs.get(older).megabytes is None
    description.unlink()
    assert runs.get(run_id).megabytes is None


def test_files_of_a_run_are_read(evaluated, store):
    runs = RunReader(store.workspace)
    run = runs.get(evaluated(WEIGHTS))
    assert runs.read(run, PREDICTIONS) == f"predictions of {WEIGHTS}".encode()
    assert runs.read(run, "predictions/others.parquet") is runs.read(run, "no.txt") is None


def test_evaluated_trainings_are_listed_newest_first(evaluated, trained, store):
    first = evaluated(WEIGHTS)
    second = evaluated("b" * 32)
    trained("c" * 32)
    evaluated.evaluate("d" * 32)  # of weights that another machine trained
    other = store.client.create_experiment("other")
    tags = {"pixmill.weights": "e" * 32, "pixmill.project": "mine"}
    third = store.client.create_run(other, tags=tags).info.run_id
    store.client.log_metric(third, "test_n", 8)
    assert [run.id for run in evaluated_runs(store.workspace)] == [second, first]
    store.client.set_terminated(third)
    assert [run.id for run in evaluated_runs(store.workspace)] == [third, second, first]
    assert [run.id for run in evaluated_runs(store.workspace, 1)] == [third]


def test_runs_of_a_project_are_those_with_its_tag_and_those_without_any_in_its_experiment(store):
    client = store.client
    places = {name: store.client.create_experiment(name) for name in ("shop", "other")}
    made = {}
    for place in places:
        for project in ("mine", "yours", None):
            tags = {"pixmill.weights": "e" * 32} | ({"pixmill.project": project} if project else {})
            run = client.create_run(places[place], tags=tags, run_name=f"{place} {project}").info
            client.log_metric(run.run_id, "test_n", 8)
            client.set_terminated(run.run_id)
            made[place, project] = run.run_id

    def found(experiment, project=None):
        listed = {
            run.id
            for run in RunReader(store.workspace).list_evaluated(
                100, project=project, experiment=experiment
            )
        }
        return {key for key, run in made.items() if run in listed}

    assert found(project="mine", experiment="shop") == {
        ("shop", "mine"),
        ("shop", None),
        ("other", "mine"),
    }
    assert found(experiment="shop") == {("shop", "mine"), ("shop", "yours"), ("shop", None)}
    assert found(project="mine", experiment="nosuch") == {("shop", "mine"), ("other", "mine")}
    assert found(experiment="nosuch") == set()
