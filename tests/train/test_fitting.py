"""Fitting learns, says what it did, keeps the best weights and gives the same ones again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import AugmentationParams, ScheduleParams
from pixmill.models.determinism import fix_threads
from pixmill.train.checkpoints import Checkpoints
from pixmill.train.fitting import FitData, NetworkFitter
from pixmill.train.history import best_of
from tests.train.conftest import PARAMS, SIZE, Following


@pytest.fixture
def fitted(parts):
    fix_threads(2)

    def run(on_epoch=lambda *_: None, *, checkpoints=None, until=None, **changes):
        fitter = NetworkFitter(PARAMS.model_copy(update=changes), 3, SIZE, Path(), Path())
        data = FitData(parts["train"], parts["val"], checkpoints or Checkpoints(), Following(on_epoch), until)
        classifier, finished, _ = fitter.fit(data)
        return classifier, finished.history

    return run


def figures(classifier, part):
    """Return loss and accuracy by definition."""
    probabilities = np.asarray(classifier(np.asarray(part.pixels, np.float32))).astype(np.float64)
    loss = -np.log(probabilities[np.arange(len(part)), part.targets]).mean()
    return loss, (probabilities.argmax(axis=1) == part.targets).mean()


def test_the_weights_kept_are_those_of_the_best_epoch(fitted, parts):
    # So large a step that the loss goes up and down.
    classifier, history = fitted(learning_rate=0.4, epochs=4, patience=None)
    best = best_of(history)
    assert best.epoch < 4
    loss, accuracy = figures(classifier, parts["val"])
    assert loss == pytest.approx(best.val_loss, rel=1e-5)
    assert accuracy == pytest.approx(best.val_accuracy)
    assert not classifier.compiled


def test_it_learns_and_every_epoch_is_told_when_it_ends(fitted, parts):
    told = []
    classifier, history = fitted(lambda *what: told.append(what), learning_rate=0.02)
    assert figures(classifier, parts["test"])[1] > 0.9
    assert [epoch for epoch, _ in told] == history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]
    ends = [timing.ended for _, timing in told]
    assert ends == sorted(ends)
    assert all(timing.seconds > 0 and timing.images_per_second > 0 for _, timing in told)


def test_a_loss_that_is_no_number_stops_it_with_advice(fitted):
    with pytest.raises(TrainError) as caught:
        fitted(optimizer="sgd", learning_rate=1e20)
    assert "the loss is not finite in epoch 1 (optimizer sgd, learning rate 1e+20)" in caught.value.message
    assert caught.value.next == (
        "lower train.learning_rate in params.yaml, for example to a tenth, or set train.clip_norm to 1, then: dvc repro"
    )


class Killed(BaseException):
    """End a training as a kill would, without a word to anybody."""


def die_at(number):
    def die(epoch, _):
        if epoch.epoch == number:
            raise Killed

    return die


def test_a_training_that_goes_on_ends_with_the_same_bytes_or_when_its_time_is_over(fitted, tmp_path, capfd):
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
        fitted(die_at(2), checkpoints=checkpoints, **settings)
    kept = checkpoints.load()
    spent = Checkpoints(tmp_path / "spent.npz")
    spent.save(replace(kept, timings=[replace(timing, seconds=30.0) for timing in kept.timings]))
    told = []
    resumed, again = fitted(lambda epoch, _: told.append(epoch), checkpoints=checkpoints, **settings)
    assert again == history == told
    assert len(history) > 3
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    lines = capfd.readouterr().err.splitlines()
    assert [line for line in lines if "resuming" in line] == ["train: resuming after epoch 2 of 4"]
    # A limit of time counts what was before the kill.
    _, history = fitted(checkpoints=spent, minutes=1.0, **settings)
    assert len(history) == 2


def test_until_an_epoch_nothing_else_ends_it_and_its_weights_stay(fitted, parts):
    classifier, history = fitted(learning_rate=0.4, until=4, patience=1)
    assert len(history) == 4
    loss, _ = figures(classifier, parts["val"])
    assert loss == pytest.approx(history[-1].val_loss, rel=1e-5)
