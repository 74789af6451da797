"""Fitting learns, says what it did, keeps the best weights and gives the same ones again."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from pixmill.errors import TrainError
from pixmill.models import build_classifier, fix_threads
from pixmill.params import AugmentationParams, ScheduleParams
from pixmill.train.checkpoint import Checkpoints
from pixmill.train.fitting import fit
from pixmill.train.history import best_of
from pixmill.train.interruption import Interrupted
from tests.train.conftest import PARAMS, SIZE


@pytest.fixture
def fitted(parts):
    fix_threads(2)

    def run(on_epoch=lambda *_: None, *, checkpoints=None, until=None, **changes):
        params = PARAMS.model_copy(update=changes)
        classifier = build_classifier(params, labels=3, image_size=SIZE)
        history = fit(
            classifier, parts["train"], parts["val"], params, checkpoints=checkpoints, on_epoch=on_epoch, until=until
        )
        return classifier, history

    return run


def figures(classifier, part):
    """Return loss and accuracy by definition."""
    probabilities = np.asarray(classifier(np.asarray(part.pixels, np.float32))).astype(np.float64)
    loss = -np.log(probabilities[np.arange(len(part)), part.targets]).mean()
    return loss, (probabilities.argmax(axis=1) == part.targets).mean()


def test_it_learns(fitted, parts):
    classifier, history = fitted()
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


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_equal_inputs_give_equal_weights(fitted, optimizer):
    (one, first), (two, second) = fitted(optimizer=optimizer, epochs=2), fitted(optimizer=optimizer, epochs=2)
    assert first == second
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"batch_size": 31},
        {"optimizer": "sgd"},
        {"clip_norm": 0.01},
        {"label_smoothing": 0.2},
        {"schedule": ScheduleParams(warmup=1)},
        {"augmentation": AugmentationParams(flip=False)},
    ],
)
def test_each_param_makes_other_weights(fitted, change):
    (one, _), (two, _) = fitted(epochs=1), fitted(epochs=1, **change)
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


def test_a_loss_that_is_no_number_stops_it_with_advice(fitted):
    with pytest.raises(TrainError) as caught:
        fitted(optimizer="sgd", learning_rate=1e20)
    assert "not a number any more in epoch 1 (optimizer sgd, learning rate 1e+20)" in caught.value.message
    assert caught.value.next == (
        "lower train.learning_rate in params.yaml, by ten to begin with, or set train.clip_norm to 1, then: dvc repro"
    )


def test_progress_tells_epoch_loss_speed_and_accuracy(fitted, capfd, monkeypatch):
    monkeypatch.setattr("pixmill.progress._EVERY", 0.0)
    monkeypatch.setattr("pixmill.train.fitting._TELL_EVERY", 0.0)
    fitted(epochs=2)
    lines = capfd.readouterr().err.splitlines()
    assert any(line.startswith("Train: 32 of 300 pictures (epoch 1 of 2, loss ") for line in lines)
    assert any(" pictures/s, at most " in line for line in lines)
    assert "epoch 2 of 2, validation accuracy" in lines[-1]


class Killed(BaseException):
    """End a training as a kill would, without a word to anybody."""


def die_at(number):
    def die(epoch, _):
        if epoch.epoch == number:
            raise Killed

    return die


SCHEDULES = {
    "plain": {},
    "plateau": {"schedule": ScheduleParams(name="plateau", patience=1), "learning_rate": 0.1},
    "cosine": {"schedule": ScheduleParams(name="cosine", warmup=2), "optimizer": "adamw"},
    "mixed": {"augmentation": AugmentationParams(mix="mixup", erasing=0.5, rand_augment=0.5), "clip_norm": 1.0},
    "patience": {"patience": 2, "learning_rate": 0.2, "epochs": 9, "optimizer": "sgd", "class_weights": True},
    "accuracy": {"monitor": "val_accuracy", "label_smoothing": 0.1},
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_training_that_goes_on_ends_with_the_same_bytes(fitted, tmp_path, name, capfd):
    whole, history = fitted(**SCHEDULES[name])
    checkpoints = Checkpoints(tmp_path / "key")
    for number in (1, 3):
        with pytest.raises(Killed):
            fitted(die_at(number), checkpoints=checkpoints, **SCHEDULES[name])
    told = []
    resumed, again = fitted(lambda epoch, _: told.append(epoch), checkpoints=checkpoints, **SCHEDULES[name])
    assert again == history == told
    assert len(history) > 3
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))
    most = SCHEDULES[name].get("epochs", 6)
    assert [line for line in capfd.readouterr().err.splitlines() if "goes on" in line] == [
        f"train: goes on from epoch 1 of {most}",
        f"train: goes on from epoch 3 of {most}",
    ]


def test_killed_after_the_last_epoch_nothing_is_trained_again(fitted, tmp_path):
    checkpoints = Checkpoints(tmp_path / "key")
    with pytest.raises(Killed):
        fitted(die_at(6), checkpoints=checkpoints)
    before = (tmp_path / "key" / "state.json").read_bytes()
    resumed, history = fitted(checkpoints=checkpoints)
    whole, expected = fitted()
    assert (tmp_path / "key" / "state.json").read_bytes() == before
    assert history == expected
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


def test_a_damaged_checkpoint_costs_time_and_nothing_else(fitted, tmp_path):
    whole, history = fitted()
    checkpoints = Checkpoints(tmp_path / "key")
    with pytest.raises(Killed):
        fitted(die_at(3), checkpoints=checkpoints)
    (path,) = checkpoints.folder.glob("state-*.arrays")
    path.write_bytes(path.read_bytes()[:-7] + b"damaged")
    resumed, again = fitted(checkpoints=checkpoints)
    assert again == history
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), resumed.get_weights(), strict=True))


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_the_epochs_before_are_kept(fitted, tmp_path, kind):
    checkpoints = Checkpoints(tmp_path / "key")

    def interrupt(epoch, _):
        if epoch.epoch == 2:
            os.kill(os.getpid(), kind)

    with pytest.raises(Interrupted) as caught:
        fitted(interrupt, checkpoints=checkpoints)
    assert (caught.value.signum, caught.value.epoch) == (kind, 3)
    assert len(checkpoints.load().history) == 2


def test_a_limit_of_time_counts_what_was_before_a_kill(fitted, tmp_path):
    checkpoints = Checkpoints(tmp_path / "key")
    with pytest.raises(Killed):
        fitted(die_at(2), checkpoints=checkpoints, minutes=1.0)
    kept = checkpoints.load()
    timings = [replace(timing, seconds=30.0) for timing in kept.timings]
    checkpoints.save(kept.history, timings, state=kept.state, best=kept.best)
    _, history = fitted(checkpoints=checkpoints, minutes=1.0)
    assert len(history) == 2


def test_until_an_epoch_nothing_else_ends_it_and_its_weights_stay(fitted, parts):
    classifier, history = fitted(learning_rate=0.4, until=4, patience=1)
    assert len(history) == 4
    loss, _ = figures(classifier, parts["val"])
    assert loss == pytest.approx(history[-1].val_loss, rel=1e-5)


def test_the_learning_rate_of_an_epoch_is_that_of_its_last_step(fitted):
    _, history = fitted(schedule=ScheduleParams(warmup=2), epochs=3)
    assert [epoch.learning_rate for epoch in history] == pytest.approx([0.0015, 0.003, 0.003])
