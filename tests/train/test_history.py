"""The best epoch and the end of training follow from the history alone."""

from __future__ import annotations

import pytest

from pixmill.train.history import Epoch, best_of, is_over


def history(*losses):
    return [Epoch(number, 1.0, 0.5, loss, 0.5) for number, loss in enumerate(losses, start=1)]


def test_the_first_of_equal_epochs_is_the_best():
    assert best_of(history(0.5, 0.3, 0.4, 0.3)).epoch == 2


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ((), 2, False),
        ((0.5, 0.4), 2, False),
        ((0.5, 0.4, 0.4), 2, False),
        ((0.5, 0.4, 0.4, 0.6), 2, True),
        ((0.5, 0.6, 0.4, 0.6), 2, False),
        ((0.5, 0.6, 0.7, 0.8), None, False),
        ((0.5, 0.4, 0.3, 0.2, 0.1), 2, True),
    ],
)
def test_training_ends_at_the_last_epoch_or_when_patience_does(losses, patience, over):
    assert is_over(history(*losses), epochs=5, patience=patience) is over


def test_figures_have_the_names_that_mlflow_shows():
    solved, stepped = Epoch(1, 1.0, 0.5, 0.5, 0.5), Epoch(1, 1.0, 0.5, 0.5, 0.5, learning_rate=0.01)
    common = {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    assert set(solved.figures()) == common
    assert set(stepped.figures()) == {*common, "learning_rate"}


def test_accuracy_is_better_where_it_is_higher():
    rising = [Epoch(number, 1.0, 0.5, 0.5, accuracy) for number, accuracy in enumerate((0.5, 0.7, 0.7, 0.6), start=1)]
    assert best_of(rising, "val_accuracy").epoch == 2
    assert best_of(rising, "val_loss").epoch == 1
    assert is_over(rising, epochs=9, patience=2, monitor="val_accuracy")
    assert not is_over(rising, epochs=9, patience=3, monitor="val_accuracy")


@pytest.mark.parametrize(("seconds", "over"), [(59.9, False), (60.0, True)])
def test_a_limit_of_time_ends_it_but_for_the_first_epoch(seconds, over):
    assert is_over(history(0.5), epochs=5, patience=None, minutes=1.0, seconds=seconds) is over
    assert not is_over([], epochs=5, patience=None, minutes=1.0, seconds=seconds)
