"""Fitting learns, says what it did, keeps the best weights and gives the same ones again."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.errors import TrainError
from pixmill.models import build_classifier, fix_threads
from pixmill.train.fitting import fit
from pixmill.train.history import best_of
from tests.train.conftest import PARAMS, SIZE


@pytest.fixture
def fitted(parts):
    fix_threads(2)

    def run(on_epoch=lambda _: None, **changes):
        params = PARAMS.model_copy(update=changes)
        classifier = build_classifier(params, labels=3, image_size=SIZE)
        return classifier, fit(classifier, parts["train"], parts["val"], params, on_epoch)

    return run


def figures(classifier, part):
    """Return loss and accuracy by definition."""
    probabilities = np.asarray(classifier(part.pixels.astype(np.float32))).astype(np.float64)
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
    _, history = fitted(told.append)
    assert told == history
    assert [epoch.epoch for epoch in history] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_equal_inputs_give_equal_weights(fitted, optimizer):
    (one, first), (two, second) = fitted(optimizer=optimizer, epochs=2), fitted(optimizer=optimizer, epochs=2)
    assert first == second
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize("change", [{"seed": 8}, {"batch_size": 31}, {"optimizer": "sgd"}])
def test_each_param_makes_other_weights(fitted, change):
    (one, _), (two, _) = fitted(epochs=1), fitted(epochs=1, **change)
    assert not np.array_equal(one.get_weights()[0], two.get_weights()[0])


def test_a_loss_that_is_no_number_stops_it_with_advice(fitted):
    with pytest.raises(TrainError) as caught:
        fitted(optimizer="sgd", learning_rate=1e20)
    assert "not a number any more in epoch 1 (optimizer sgd, learning rate 1e+20)" in caught.value.message
    assert "train.learning_rate" in caught.value.next


def test_progress_tells_epoch_loss_and_accuracy(fitted, capfd, monkeypatch):
    monkeypatch.setattr("pixmill.progress._EVERY", 0.0)
    fitted(epochs=1)
    lines = capfd.readouterr().err.splitlines()
    assert lines[0].startswith("Train: 32 of 150 pictures (epoch 1 of 1, loss ")
    assert "epoch 1 of 1, validation accuracy" in lines[-1]
