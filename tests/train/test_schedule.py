"""The learning rate of each step follows from params and history alone."""

from __future__ import annotations

import pytest

from pixmill.params import ScheduleParams, TrainParams
from pixmill.train.history import Epoch
from pixmill.train.schedule import rate


def params(monitor="val_loss", epochs=10, **schedule):
    return TrainParams(learning_rate=0.1, epochs=epochs, monitor=monitor, schedule=ScheduleParams(**schedule))


def history(*losses, accuracy=0.5):
    return [Epoch(number, 1.0, 0.5, loss, accuracy) for number, loss in enumerate(losses, start=1)]


def rates(given, epochs, steps=4):
    return [rate(given, [], epoch, step, steps) for epoch in range(1, epochs + 1) for step in range(steps)]


def test_constant_is_constant():
    assert set(rates(params(), 10)) == {0.1}


def test_it_rises_in_a_straight_line_to_the_whole():
    assert rates(params(warmup=2), 3) == pytest.approx(
        [0.0125, 0.025, 0.0375, 0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1, 0.1, 0.1, 0.1]
    )


def test_cosine_falls_from_the_whole_to_the_floor():
    fall = rates(params(name="cosine", floor=0.2), 10)
    assert fall[0] == pytest.approx(0.1)
    assert fall == sorted(fall, reverse=True)
    assert fall[20] == pytest.approx(0.1 * (0.2 + 0.8 / 2))
    assert 0.02 < fall[-1] < 0.021


def test_cosine_begins_behind_the_warm_up():
    fall = rates(params(name="cosine", warmup=2), 10)
    assert max(fall) == pytest.approx(0.1) == pytest.approx(fall[7]) == pytest.approx(fall[8])
    assert fall[8:] == sorted(fall[8:], reverse=True)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((), 0.1),
        ((0.5, 0.4, 0.3), 0.1),
        ((0.5, 0.6), 0.1),
        ((0.5, 0.6, 0.7), 0.05),
        ((0.5, 0.6, 0.7, 0.8), 0.05),
        ((0.5, 0.6, 0.7, 0.8, 0.9), 0.025),
        ((0.5, 0.6, 0.4, 0.5), 0.1),
        ((0.5, 0.6, 0.7, 0.4, 0.6, 0.7), 0.025),
        ((0.5,) + (0.6,) * 20, 0.01),
    ],
)
def test_plateau_is_reduced_each_time_that_patience_ends(losses, expected):
    given = params(name="plateau", patience=2, factor=0.5, floor=0.1, epochs=99)
    assert rate(given, history(*losses), len(losses) + 1, 0, 4) == pytest.approx(expected)


def test_plateau_watches_what_the_params_say():
    given = params(name="plateau", patience=2, monitor="val_accuracy")
    assert rate(given, history(0.5, 0.4, 0.3), 4, 0, 4) == pytest.approx(0.05)


def test_the_warm_up_costs_no_patience():
    given = params(name="plateau", patience=2, warmup=3)
    assert rate(given, history(0.5, 0.6, 0.7), 4, 0, 4) == pytest.approx(0.1)
    assert rate(given, history(0.5, 0.6, 0.7, 0.8, 0.9), 6, 0, 4) == pytest.approx(0.05)
