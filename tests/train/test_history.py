"""Best epoch, end of training, learning rate and table."""

import pytest

from pixmill.core.params import ScheduleParams, TrainParams
from pixmill.train.history import Epoch, best_of, curves_csv, is_over, learning_rate

HISTORY = [
    Epoch(1, 1.23456789, 0.5, 1.1, 0.6, 0.001),
    Epoch(2, 0.9, 0.7, 0.8, 0.75, 0.001),
    Epoch(3, 0.6, 0.8, 0.9, 0.7, 0.0005),
]


def params(monitor="val_loss", epochs=10, **schedule):
    return TrainParams(
        learning_rate=0.1, epochs=epochs, monitor=monitor, schedule=ScheduleParams(**schedule)
    )


def history(*losses, accuracy=0.5):
    return [Epoch(number, 1.0, 0.5, loss, accuracy) for number, loss in enumerate(losses, start=1)]


def rates(given, epochs, steps=4):
    return [
        learning_rate(given, [], epoch, step, steps)
        for epoch in range(1, epochs + 1)
        for step in range(steps)
    ]


def test_warm_up_rises_linearly():
    assert rates(params(warmup=2), 3) == pytest.approx(
        [0.0125, 0.025, 0.0375, 0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1, 0.1, 0.1, 0.1]
    )


def test_cosine_falls_from_the_full_rate_to_the_floor():
    fall = rates(params(name="cosine", floor=0.2), 10)
    assert fall[0] == pytest.approx(0.1)
    assert fall == sorted(fall, reverse=True)
    assert fall[20] == pytest.approx(0.1 * (0.2 + 0.8 / 2))
    assert 0.02 < fall[-1] < 0.021


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((), 0.1),
        ((0.5, 0.6), 0.1),
        ((0.5, 0.6, 0.7), 0.05),
        ((0.5, 0.6, 0.7, 0.8, 0.9), 0.025),
        ((0.5, 0.6, 0.4, 0.5), 0.1),
        ((0.5, 0.6, 0.7, 0.4, 0.6, 0.7), 0.025),
        ((0.5,) + (0.6,) * 20, 0.01),
    ],
)
def test_plateau_reduces_the_rate_after_each_patience(losses, expected):
    given = params(name="plateau", patience=2, factor=0.5, floor=0.1, epochs=99)
    assert learning_rate(given, history(*losses), len(losses) + 1, 0, 4) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("losses", "patience", "over"),
    [
        ((), 2, False),
        ((0.5, 0.4, 0.4), 2, False),
        ((0.5, 0.4, 0.4, 0.6), 2, True),
        ((0.5, 0.6, 0.4, 0.6), 2, False),
        ((0.5, 0.6, 0.7, 0.8), None, False),
        ((0.5, 0.4, 0.3, 0.2, 0.1), 2, True),
    ],
)
def test_training_ends_at_the_last_epoch_or_by_early_stopping(losses, patience, over):
    assert is_over(history(*losses), TrainParams(epochs=5, patience=patience)) is over


def test_higher_accuracy_is_better():
    rising = [
        Epoch(number, 1.0, 0.5, 0.5, accuracy)
        for number, accuracy in enumerate((0.5, 0.7, 0.7, 0.6), start=1)
    ]
    assert best_of(rising, "val_accuracy").epoch == 2
    assert best_of(rising, "val_loss").epoch == 1
    assert is_over(rising, TrainParams(epochs=9, patience=2, monitor="val_accuracy"))
    assert not is_over(rising, TrainParams(epochs=9, patience=3, monitor="val_accuracy"))


@pytest.mark.parametrize(("seconds", "over"), [(59.9, False), (60.0, True)])
def test_time_limit_ends_training_after_the_first_epoch(seconds, over):
    limited = TrainParams(epochs=5, patience=None, minutes=1.0)
    assert is_over(history(0.5), limited, seconds=seconds) is over
    assert not is_over([], limited, seconds=seconds)


def test_curves_have_one_line_per_epoch_with_six_digits():
    assert curves_csv(HISTORY).splitlines() == [
        "epoch,train_loss,val_loss,train_accuracy,val_accuracy,learning_rate",
        "1,1.23457,1.1,0.5,0.6,0.001",
        "2,0.9,0.8,0.7,0.75,0.001",
        "3,0.6,0.9,0.8,0.7,0.0005",
    ]
