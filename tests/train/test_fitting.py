"""Fitting: learning, reports, best weights and resumed trainings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import AugmentationParams, ScheduleParams
from pixmill.heads import ONE_LABEL
from pixmill.models.determinism import fix_threads
from pixmill.train.checkpoints import Checkpoints
from pixmill.train.fitting import FitData, NetworkFitter
from pixmill.train.history import best_of
from tests.train.conftest import PARAMS, SIZE, EpochCallback


@pytest.fixture
def fitted(parts):
    fix_threads(2)

    def run(on_epoch=lambda *_: None, *, checkpoints=None, last_epoch=None, **changes):
        fitter = NetworkFitter(
            PARAMS.model_copy(update=changes), ONE_LABEL, 3, SIZE, Path(), Path()
        )
        data = FitData(
            parts["train"],
            parts["val"],
            checkpoints or Checkpoints(),
            EpochCallback(on_epoch),
            last_epoch,
        )
        classifier, finished, *_ = fitter.fit(data)
        return classifier, finished.history

    return run


def figures(classifier, part):
    """Return loss and accuracy by definition."""
    probabilities = np.asarray(classifier(np.asarray(part.pixels, np.float32))).astype(np.float64)
    loss = -np.log(probabilities[np.arange(len(part)), part.targets]).mean()
    return loss, (probabilities.argmax(axis=1) == part.targets).mean()


def test_weights_are_those_of_the_best_epoch(fitted, parts):
    # At this learning rate, the loss oscillates.
    classifier, history = fitted(learning_rate=0.4, epochs=4, patience=None)
    best = best_of(history)
    assert best.epoch < 4
    loss, accuracy = figures(classifier, parts["val"])
    assert loss == pytest.approx(best.val_loss, rel=1e-5)
    assert accuracy == pytest.approx(best.val_accuracy)
    assert not classifier.compiled


def test_fitting_learns_and_reports_every_epoch(fitted, parts):
    reported = []
    classifier, history = fitted(lambda *epoch: reported.append(epoch), learning_rate=0.02)
    assert figures(classifier, parts["test"])[1] > 0.9
    assert [epoch for epoch, _ in reported] == history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]
    ends = [timing.ended for _, timing in reported]
    assert ends == sorted(ends)
    assert all(timing.seconds > 0 and timing.images_per_second > 0 for _, timing in reported)


def test_infinite_loss_is_an_error_with_a_next_step(fitted):
    with pytest.raises(TrainError) as caught:
        fitted(optimizer="sgd", learning_rate=1e20)
    assert (
        "the loss is not finite in epoch 1 (optimizer sgd, learning rate 1e+20)"
        in caught.value.message
    )
    assert caught.value.next == (
        "lower train.learning_rate in params.yaml, for example to a tenth, or set train.clip_norm "
        "to 1, then: dvc repro"
    )


def test_absurd_loss_ends_the_training(fitted):
    ended = []
    with pytest.raises(TrainError, match="training diverged") as caught:
        fitted(lambda epoch, _: ended.append(epoch), learning_rate=100.0)
    assert "learning_rate" in caught.value.next
    assert not ended


class Killed(BaseException):
    """Ends a training like a kill."""


def kill_after(number):
    def kill(epoch, _):
        if epoch.epoch == number:
            raise Killed

    return kill


def test_resumed_training_ends_with_the_same_bytes(fitted, tmp_path, capfd):
    settings = {
        "schedule": ScheduleParams(name="plateau", patience=1),
        "learning_rate": 0.1,
        "augmentation": AugmentationParams(mix="mixup", erasing=0.5),
        "optimizer": "adamw",
        "clip_norm": 1.0,
        "epochs": 4,
    }
    whole, history = fitted(**settings)
    checkpoints = Checkpoints(tmp_path / "key.npz")
    with pytest.raises(Killed):
        fitted(kill_after(2), checkpoints=checkpoints, **settings)
    checkpoint = checkpoints.load()
    spent = Checkpoints(tmp_path / "spent.npz")
    spent.save(
        replace(
            checkpoint, timings=[replace(timing, seconds=30.0) for timing in checkpoint.timings]
        )
    )
    reported = []
    resumed, again = fitted(
        lambda epoch, _: reported.append(epoch), checkpoints=checkpoints, **settings
    )
    assert again == history == reported
    assert len(history) > 3
    assert all(
        np.array_equal(a, b)
        for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True)
    )
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "resuming" in line] == ["train: resuming after epoch 2 of 4"]
    # The time limit includes the epochs before the kill.
    _, history = fitted(checkpoints=spent, minutes=1.0, **settings)
    assert len(history) == 2


def test_last_epoch_overrides_patience_and_best_epoch(fitted, parts):
    classifier, history = fitted(learning_rate=0.4, last_epoch=4, patience=1)
    assert len(history) == 4
    loss, _ = figures(classifier, parts["val"])
    assert loss == pytest.approx(history[-1].val_loss, rel=1e-5)
