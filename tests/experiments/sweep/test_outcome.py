"""The outcome of a sweep; the expected value is estimated from complete trials only."""

import numpy as np
import pytest

from pixmill.experiments.sweep.planning import open_trials
from pixmill.experiments.sweep.trial_store import SweepTrial
from pixmill.metrics.many_models import selected_value
from pixmill.metrics.resampling import group_numbers
from tests.experiments.sweep.swept import CLASSES, make_plan, write_params


def test_rows_are_complete_trials_best_first(found) -> None:
    result = found()
    values = [row.value for row in result.rows]
    assert values == sorted(values, reverse=True)
    assert result.rows[0].model.name == result.best.name
    assert result.rows[0].value == pytest.approx(result.best.value)
    assert {row.model.name: row.value for row in result.rows} == {
        trial.name: pytest.approx(trial.value) for trial in result.trials
    }
    assert result.images == 60
    assert set(result.rows[0].params) == {
        "train.learning_rate",
        "train.batch_size",
        "train.augmentation.zoom",
    }
    assert 0 <= result.undecided < len(result.rows)


@pytest.mark.parametrize(("heads", "images"), [(["logistic"], 150), (["logistic", "mlp"], 60)])
def test_cross_fitted_trials_are_measured_on_training_images(
    found, workspace, fake_trial, heads, images
) -> None:
    fake_trial.splits = lambda params: (
        ("train", "val") if params.features.head == "logistic" else ("val",)
    )
    space = {"train.features.head": heads, "train.features.inverse_regularization": [0.01, 0.1, 1]}
    write_params(
        workspace.root, space=space, train={"model": "features", "features": {"head": "logistic"}}
    )
    result = found(4 if "mlp" in heads else 3)
    assert (result.images, result.crossed) == (images, images == 150)
    assert {len(trial.answers) for trial in result.trials} == {images}
    assert result.rows[0].value == pytest.approx(result.best.value)


def test_expected_value_uses_complete_trials(found, workspace) -> None:
    extra = [
        SweepTrial(90, found(3).trials[0].values, "pruned", None, 0, 1.0),
        SweepTrial(91, found(3).trials[0].values, "failed", None, 0, 1.0, reason="x"),
    ]
    result = found(extra=extra)
    images = open_trials(workspace, make_plan(workspace)).images()
    expected = selected_value(
        "macro_f1",
        images["label"].map(CLASSES.index).to_numpy(np.int64),
        [trial.answers.astype(float) for trial in result.trials[:-2]],
        group_numbers(images["cluster"].astype(str)),
        draws=1000,
        confidence=0.95,
    )
    assert result.expected == expected
    assert expected.value < result.best.value
    assert len(result.rows) == 8
