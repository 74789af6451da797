"""Fitting learns, says what it did, keeps the best weights and gives the same ones again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.core.params import AugmentationParams, ScheduleParams
from pixmill.learn.determinism import fix_threads
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


def test_it_learns(fitted, parts):
    classifier, history = fitted(learning_rate=0.01, epochs=10)
    assert figures(classifier, parts["test"])[1] > 0.9
    assert history[-1].train_loss < history[0].train_loss


def test_the_weights_kept_are_those_of_the_best_epoch(fitted, parts):
    # So large a step that the loss goes up and down.
    classifier, history = fitted(learning_rate=0.4, epochs=4, patience=None)
    best = best_of(history)
    assert best.epoch < 4
    loss, accuracy = figures(classifier, parts["val"])
    assert loss == pytest.approx(best.val_loss, rel=1e-5)
    assert accuracy == pytest.approx(best.val_accuracy)
    assert not classifier.compiled


def test_patience_ends_it(fitted):
    _, history = fitted(learning_rate=0.4, epochs=40, patience=2)
    assert len(history) == best_of(history).epoch + 2 < 40


def test_every_epoch_is_told_when_it_ends(fitted):
    told = []
    _, history = fitted(lambda *what: told.append(what))
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


SCHEDULES = {
    "plateau": {"schedule": ScheduleParams(name="plateau", patience=1), "learning_rate": 0.1},
    "cosine": {"schedule": ScheduleParams(name="cosine", warmup=2), "optimizer": "adamw"},
    "mixed": {"augmentation": AugmentationParams(mix="mixup", erasing=0.5), "clip_norm": 1.0},
    "patience": {"patience": 3, "learning_rate": 0.2, "epochs": 9, "optimizer": "sgd", "class_weights": True},
    "accuracy": {"monitor": "val_accuracy", "label_smoothing": 0.1},
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "plateau" else pytest.mark.slow) for name in SCHEDULES]
)
def test_a_training_that_goes_on_ends_with_the_same_bytes(fitted, tmp_path, name, capfd):
    whole, history = fitted(**SCHEDULES[name])
    checkpoints = Checkpoints(tmp_path / "key.npz")
    for number in (1, 3):
        with pytest.raises(Killed):
            fitted(die_at(number), checkpoints=checkpoints, **SCHEDULES[name])
    told = []
    resumed, again = fitted(lambda epoch, _: told.append(epoch), checkpoints=checkpoints, **SCHEDULES[name])
    assert again == history == told
    assert len(history) > 3
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    most = SCHEDULES[name].get("epochs", 6)
    assert [line for line in capfd.readouterr().err.splitlines() if "resuming" in line] == [
        f"train: resuming after epoch 1 of {most}",
        f"train: resuming after epoch 3 of {most}",
    ]


def test_a_limit_of_time_counts_what_was_before_a_kill(fitted, tmp_path):
    checkpoints = Checkpoints(tmp_path / "key.npz")
    with pytest.raises(Killed):
        fitted(die_at(2), checkpoints=checkpoints, minutes=1.0)
    kept = checkpoints.load()
    timings = [replace(timing, seconds=30.0) for timing in kept.timings]
    checkpoints.save(replace(kept, timings=timings))
    _, history = fitted(checkpoints=checkpoints, minutes=1.0)
    assert len(history) == 2


def test_until_an_epoch_nothing_else_ends_it_and_its_weights_stay(fitted, parts):
    classifier, history = fitted(learning_rate=0.4, until=4, patience=1)
    assert len(history) == 4
    loss, _ = figures(classifier, parts["val"])
    assert loss == pytest.approx(history[-1].val_loss, rel=1e-5)
