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
    assert set(history(0.5)[0].figures()) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
