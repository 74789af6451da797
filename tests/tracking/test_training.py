"""The run of a training: what it carries, and where it goes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from pixmill.core.manifest import SPLIT, TEXT, write_table
from pixmill.core.params import parse_params
from tests.evaluate.conftest import completed

HEAD = "classes: [coat, dress]\nscrape: {snapshot: '2026-11-20'}\n"
LISTED = {"classes": "['coat', 'dress']", "scrape.snapshot": "2026-11-20"}


def test_it_carries_params_and_curves(training, store):
    with training() as run:
        for epoch in (1, 2):
            run.log_metrics({"train_loss": 1 / epoch, "val_accuracy": 0.5}, step=epoch)
    (recorded,) = store.runs()
    assert recorded.info.status == "FINISHED"
    assert recorded.data.params == {**LISTED, "train.model": "cnn", "train.epochs": "3"}
    assert store.points(store.newest, "train_loss") == [(1, 1.0), (2, 0.5)]
    assert recorded.data.tags["mlflow.source.name"] == "stages/train.py"


def test_the_keys_of_params_yaml_are_listed_and_all_params_are_in_a_file(training, store):
    # An item of a list says some of its keys, and a value is its default.
    params = parse_params(
        "classes: [AT&T, café]\nscrape: {snapshot: '2026-11-20', queries: {AT&T: [phone], café: "
        "[crème]}}\ntrain: {cnn: {blocks: [{filters: 16}, {filters: 9}]}, seed: 7, "
        "learning_rate: 1.0e-5, features: {}}\nsplit: {salt: '7'}\nevaluate: {}\n"
    )
    with training(params=params):
        pass
    (recorded,) = store.runs()
    assert recorded.data.params == {
        "classes": "['AT&T', 'café']",
        "scrape.snapshot": "2026-11-20",
        "scrape.queries.AT_T": "['phone']",
        "scrape.queries.café": "['crème']",
        "train.cnn.blocks.0.filters": "16",
        "train.cnn.blocks.1.filters": "9",
        "train.seed": "7",
        "train.learning_rate": "1e-05",
        "split.salt": "7",
    }
    text = Path(store.client.download_artifacts(recorded.info.run_id, "params.json")).read_text(
        encoding="utf-8"
    )
    assert parse_params(text) == params
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_dvc_s_hash_is_a_tag_and_the_digest_of_the_datasets(training, store):
    digest = "0123456789abcdef0123456789abcdef.dir"
    root = store.workspace.root
    (root / "dvc.lock").write_text(
        f"stages: {{split: {{outs: [{{path: artifacts/split, md5: {digest}}}]}}}}"
    )
    (root / "artifacts" / "split").mkdir(parents=True)
    rows = pd.DataFrame({"id": list("abcdef"), "label": ["dress", "coat"] * 3})
    rows["split"] = pd.array(["train", "train", "val", "test", pd.NA, "train"], TEXT)
    write_table(root / "artifacts/split/manifest.parquet", completed(rows), SPLIT)
    with training():
        pass
    (recorded,) = store.runs()
    assert recorded.data.tags["pixmill.dvc.artifacts/split"] == digest
    inputs = {
        entry.dataset.name: (
            entry.dataset.digest,
            json.loads(entry.dataset.profile),
            entry.tags[0].value,
        )
        for entry in recorded.inputs.dataset_inputs
    }
    assert inputs == {
        "train": (digest, {"images": 3, "images of coat": 2, "images of dress": 1}, "training"),
        "val": (digest, {"images": 1, "images of dress": 1}, "validation"),
        "test": (digest, {"images": 1, "images of coat": 1}, "testing"),
    }
    # The filter of the table of runs.
    query = f"dataset.name = 'train' and dataset.digest = '{digest}'"
    assert [
        run.info.run_id for run in store.client.search_runs([recorded.info.experiment_id], query)
    ] == [store.newest]


def test_a_training_that_fails_is_not_recorded(training, store, place):
    with pytest.raises(ValueError, match="x"), training():
        raise ValueError("x")
    assert (store.runs(), [*place.glob("*/run.json")]) == ([], [])


def test_within_mlflow_run_it_is_beneath_the_project_s_run(training, store, monkeypatch):
    experiment = store.client.create_experiment("other")
    project = store.client.create_run(experiment).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", project)
    with training():
        pass
    recorded = store.client.get_run(store.newest)
    assert (recorded.data.tags["mlflow.parentRunId"], recorded.info.experiment_id) == (
        project,
        experiment,
    )


def test_the_name_tells_the_experiment_and_the_model(training, store, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wider-net")
    with training(
        params=parse_params(f"{HEAD}train: {{model: features, backbone: {{name: resnet50}}}}")
    ):
        pass
    assert store.runs()[0].info.run_name == "wider-net, features resnet50 logistic"


def test_the_experiment_is_that_of_the_project_or_the_environment(training, store, monkeypatch):
    for _ in range(2):
        with training():
            pass
    pyproject = store.workspace.root / "pyproject.toml"
    pyproject.write_text('[project]\nname = "shoes"\n')
    with training():
        pass
    shoes = store.client.get_experiment_by_name("shoes")
    assert store.client.get_run(store.newest).info.experiment_id == shoes.experiment_id
    assert shoes.artifact_location == (store.workspace.home / "mlruns" / "shoes").as_uri()
    names = {each.name: each.artifact_location for each in store.client.search_experiments()}
    assert names.keys() == {"Default", "pixmill", "shoes"}
    assert names["pixmill"] == (store.workspace.home / "mlruns" / "pixmill").as_uri()
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "garments")
    with training():
        pass
    garments = store.client.get_experiment_by_name("garments").experiment_id
    assert store.client.get_run(store.newest).info.experiment_id == garments
