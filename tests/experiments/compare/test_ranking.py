"""Ranking of models by validation, with significance and incomparable models."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params, parse_params
from pixmill.experiments.compare.answers import SplitAnswers
from pixmill.experiments.compare.ranking import Ranking, compare_runs, rank_models
from pixmill.tracking.store import connect
from tests.experiments.compare.projects import record
from tests.experiments.compare.ranked import model
from tests.experiments.compare.recorded import (
    HEAD,
    PIPELINE,
    TRUTH,
    add_experiment,
    add_run,
    answers,
    fill,
)
from tests.version_control import commit, start_repository


@pytest.fixture
def made(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that adds runs to the empty project in ``made.root``."""
    start_repository(tmp_path)
    shutil.copy(empty_database, tmp_path)
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    started = iter(range(1, 1000))
    experiment = client.create_experiment("pixmill")

    def add(name: str, train: str, table, **over) -> str:
        return add_run(
            client,
            tmp_path / "files",
            name,
            train,
            table,
            experiment=experiment,
            started=next(started),
            **over,
        )

    add.root = tmp_path
    add.client = client
    return add


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Workspace:
    """Results of main, two experiments, one with a run, and runs of other splits and classes."""
    root = start_repository(tmp_path_factory.mktemp("project"), with_dvc=True)
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/mlflow*\n/files*\n/.pixmill/\n")
    commit(root, "Begin")
    fill(root, "{model: cnn, epochs: 1}", answers(60, test=40), "weights of main")
    record(root, "First results")
    add_experiment(
        root, "wide", "{model: cnn, epochs: 10, learning_rate: 0.1}", answers(20, test=30)
    )
    add_experiment(root, "plain", "{model: cnn, epochs: 20}", answers(24, test=5))
    shutil.copy(empty_database, root)
    client = connect(f"sqlite:///{root / 'mlflow.db'}")
    experiment = client.create_experiment("pixmill")

    def add(name: str, train: str, table, **over) -> None:
        add_run(client, root / "files", name, train, table, experiment=experiment, **over)

    add(
        "first",
        "{model: cnn, epochs: 10, learning_rate: 0.1}",
        answers(20),
        weights="weights of wide",
        started=1,
        within="wide",
    )
    add("poor", "{model: cnn, epochs: 1}", answers(80), weights="p", started=2)
    add("twin", "{model: cnn, epochs: 1}", answers(80), weights="p", started=3)
    add("moved", "{model: cnn, epochs: 5}", answers(3, split="-b"), started=4, resolved=False)
    add(
        "other",
        "{model: cnn, epochs: 5}",
        answers(0, labels=("coat", "shirt", "<b>parka")),
        started=5,
    )
    add("lost", "{model: cnn, epochs: 5}", None, started=6)
    early = answers(0)
    add("early", "{model: cnn, epochs: 5}", early[early["split"] == "test"], started=7)
    client.create_run(experiment, 8000, {"mlflow.parentRunId": "1"}, "fold 1")
    return Workspace(root, root)


@pytest.fixture(scope="module")
def params() -> Params:
    return parse_params(HEAD)


@pytest.fixture(scope="module")
def runs(project: Workspace, params: Params) -> Ranking:
    return compare_runs(project, params)


def crown(made, run: str) -> None:
    """Make the model of a run the champion."""
    location = (made.root / "model").as_uri()
    made.client.create_registered_model("pixmill")
    made.client.create_model_version("pixmill", location, run_id=run)
    made.client.set_registered_model_alias("pixmill", "champion", "1")


def use(root: Path, train: str, table, weights: str = "weights") -> None:
    """Add results to the main branch."""
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / ".gitignore").write_text("/artifacts/\n/mlflow*\n/files*\n/.pixmill/\n")
    start_repository(root, with_dvc=True)
    fill(root, train, table, weights)
    record(root, "First results")


def names(rows) -> list[str]:
    return [row.model.name.split(" ")[0] for row in rows]


def macro_f1(table, split: str = "val") -> float:
    rows = table[table["split"] == split]
    return f1_score(rows["label"], rows["predicted"], average="macro")


def test_order_by_validation(runs: Ranking) -> None:
    assert names(runs.rows) == ["wide", "plain", "main", "poor"]
    assert [row.value for row in runs.rows] == pytest.approx(
        [macro_f1(answers(wrong)) for wrong in (20, 24, 60, 80)]
    )
    assert [row.model.kind for row in runs.rows] == [
        "experiment and run",
        "experiment",
        "commit",
        "run",
    ]
    assert [row.gap.worse for row in runs.rows] == [False, False, True, True]
    assert [row.used is not None for row in runs.rows] == [False, False, True, False]
    assert [row.n for row in runs.rows] == [240] * 4
    assert all(row.low < row.value < row.high for row in runs.rows)
    assert runs.rows[0].model.seconds == 60
    assert not runs.left_out


def test_incomparable_models_have_reasons(runs: Ranking) -> None:
    assert names(runs.others) == ["early", "lost", "other", "moved"]
    early, lost, other, moved = (row.why for row in runs.others)
    assert early == "its predictions hold no validation images"
    assert lost == "it has no predictions/predictions.parquet in MLflow"
    assert other == "its classes differ: only it has <b>parka and only the others have sneaker"
    assert moved == "its validation split lacks 240 of the 240 images that most have"


def test_only_first_row_is_compared_on_test(runs: Ranking) -> None:
    assert runs.planned.base.startswith("main (")
    assert runs.planned.sentence.startswith(
        "Better: macro-F1 rises from 0.833 to 0.958 (+0.125, 95 % CI"
    )
    assert runs.planned.command.startswith("pixmill compare main runs:/")


def test_seeds_are_one_model(made, params: Params) -> None:
    for seed, wrong in enumerate((20, 22, 30)):
        made("net", f"{{model: cnn, seed: {seed}}}", answers(wrong, shift=5 * seed))
    made("net", "{model: cnn, seed: 9}", answers(1), code="two")
    made("wide", "{model: cnn, seed: 0, epochs: 40}", answers(26))
    found = compare_runs(Workspace(made.root, made.root), params)
    rows = found.rows
    assert [(row.seeds, len(row.trainings)) for row in rows] == [
        ("one", 1),
        ("many", 3),
        ("one", 1),
    ]
    three = rows[1]
    assert three.value == pytest.approx(
        np.mean([macro_f1(answers(wrong)) for wrong in (20, 22, 30)])
    )
    assert [value for _, value in three.trainings] == sorted(
        (value for _, value in three.trainings), reverse=True
    )
    assert three.model.params["train.seed"] == 1  # the median
    assert found.planned is None
    assert "train.seed" not in three.params


def test_equal_models(made, params: Params) -> None:
    for epochs in (3, 4, 5):
        made(f"epochs-{epochs}", f"{{model: cnn, epochs: {epochs}}}", answers(20))
    found = compare_runs(Workspace(made.root, made.root), params)
    assert found.equal == 3
    assert found.notes[0].startswith(
        "This project has no commit, so runs are found by the name of their MLflow experiment"
    )
    assert found.notes[0].endswith("git add -A && git commit.")
    assert names(found.rows) == ["epochs-3", "epochs-4", "epochs-5"]  # the one you had first
    assert [(row.gap.difference, row.gap.worse) for row in found.rows] == [(0, False)] * 3


def test_model_in_use_precedes_equal_ones(made, params: Params) -> None:
    # Other images are wrong, the same number per class.
    made("earlier", "{model: cnn, epochs: 3}", answers(60, shift=60))
    made("used", "{model: cnn, epochs: 4}", answers(60), weights="weights")
    root = made.root
    use(root, "{model: cnn, epochs: 4}", answers(60))
    used, earlier = compare_runs(Workspace(root, root), params).rows
    assert names([used, earlier]) == ["main", "earlier"]
    assert (used.model.kind, used.model.run.name, used.used) == ("run", "used", used.model)
    assert (used.gap.low, earlier.gap.difference) == (None, 0)
    assert earlier.gap.low < 0 < earlier.gap.high


def cross_fitted(wrong, *, test=10, train=0):
    """Return predictions like ``answers``, with cross-fitted training images."""
    table = answers(wrong, test=test)
    rows = answers(train)[:240].assign(split="train")
    return pd.concat([table, rows.assign(id="train" + rows["id"])], ignore_index=True).assign(
        held_out=True
    )


def test_cross_fitted_predictions_rank_if_all_have_them(made, params: Params) -> None:
    made("val", "{model: features}", cross_fitted(20, train=90))
    made(
        "both",
        "{model: features, features: {inverse_regularization: 0.1}}",
        cross_fitted(30, train=30, test=60),
    )
    root = made.root
    use(root, "{model: features, features: {layers: top}}", cross_fitted(60, train=60, test=30))
    found = compare_runs(Workspace(root, root), params)
    assert names(found.rows) == ["both", "val", "main"]
    assert {row.n for row in found.rows} == {480}
    assert not any("cross-validated" in note for note in found.notes)
    # The images that chose the model do not judge it.
    assert "macro-F1 falls from 0.875 to 0.750" in found.planned.sentence
    assert "on 240 test images" in found.planned.sentence
    made("network", "{model: cnn}", answers(40))
    found = compare_runs(Workspace(root, root), params)
    assert names(found.rows) == ["val", "both", "network", "main"]
    assert {row.n for row in found.rows} == {240}
    assert any(
        "network" in note and "240 validation images count, and not up to 480" in note
        for note in found.notes
    )


def test_intervals_over_cross_fitted_images_are_wider() -> None:
    models = [model("one"), model("two")]
    tables = [answers(wrong)[:240].filter(like="p_").to_numpy(float) for wrong in (30, 50)]
    given = {
        each.revision: SplitAnswers(pd.RangeIndex(240), TRUTH, values)
        for each, values in zip(models, tables, strict=True)
    }
    truth = given[models[0].revision]
    options = {"metric": "accuracy", "confidence": 0.95}
    (first, plain), (_, wide) = (
        rank_models(models, given, truth, np.arange(240), **options, width=width)[0]
        for width in (1.0, 1.25)
    )
    assert wide.value == plain.value < first.value
    assert wide.high - wide.low == pytest.approx(1.25 * (plain.high - plain.low))
    assert wide.gap.high - wide.gap.low > plain.gap.high - plain.gap.low


def test_champion_is_in_use(made, params: Params) -> None:
    made("best", "{model: cnn, epochs: 4}", answers(5))
    used = made("used", "{model: cnn, epochs: 3}", answers(30))
    # The training preceded the first commit.
    made.client.delete_tag(used, "pixmill.commit")
    crown(made, used)
    found = compare_runs(Workspace(made.root, made.root), params)
    assert [row.model.name.partition(" (")[0] for row in found.rows] == [
        "best",
        "pixmill version 1",
    ]
    assert found.rows[1].used is found.rows[1].model
    assert found.planned.base == "the champion (pixmill version 1)"
