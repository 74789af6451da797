import numpy as np
import pytest
from scipy.special import expit

from pixmill.metrics.calibration import best_threshold
from pixmill.metrics.cell_calibration import CellCalibration, calibrate_cells, sure_limits

HALVES = [0.5] * 3


def _draw(images: int, scale: float = 1.0, seed: int = 0):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 3, (images, 3))
    cells = (generator.random((images, 3)) < expit(logits)).astype(np.int8)
    return expit(scale * logits), cells


def test_overconfident_labels_share_a_temperature():
    values, cells = _draw(2000, scale=2.0)
    cells[20:, 2] = -1

    found = calibrate_cells(values, cells, np.arange(2000), 0.95, HALVES).temperatures

    assert found[:2] == pytest.approx([2, 2], rel=0.15)
    # Twenty cells say little by themselves.
    assert found[2] == pytest.approx(2, rel=0.15)


def test_calibrated_labels_have_no_temperature():
    values, cells = _draw(2000)

    assert calibrate_cells(values, cells, np.arange(2000), 0.95, HALVES).temperatures is None


def test_a_label_that_differs_has_its_own_temperature():
    values, cells = _draw(3000)
    other, _ = _draw(3000, scale=3.0)
    values[:, 1] = other[:, 1]

    found = calibrate_cells(values, cells, np.arange(3000), 0.95, HALVES).temperatures

    assert found[1] > 1.8
    assert found[0] < 1.3


def test_a_rare_label_is_not_sure_by_always_saying_no():
    generator = np.random.default_rng(0)
    cells = (generator.random((2000, 1)) < 0.02).astype(np.int8)
    # Confident without reason: half of the yes answers are wrong.
    values = np.where(cells == 1, 0.99, 0.01)
    flipped = np.flatnonzero(cells[:, 0] == 0)[:200]
    values[flipped] = 0.99

    yes, no = sure_limits(values, cells, np.arange(2000), 0.95, [0.5])

    assert yes == (None,)
    assert no[0] is not None


def test_sides_that_pass_leave_their_level_to_the_others():
    groups = np.arange(400)
    values = np.full((400, 1), 0.9)
    cells = np.ones((400, 1), np.int8)
    # 100 right answers of 100 prove 95 % at 5 %, not at a half of it with one error among them.
    values[300:] = 0.2
    cells[300:] = 0
    cells[300] = 1
    alone = best_threshold(1 - values[300:, 0], cells[300:, 0] == 0, groups[300:], 0.95)

    _, no = sure_limits(values, cells, groups, 0.95, [0.5])

    assert no[0] == pytest.approx(1 - alone)


def test_copies_of_an_image_prove_nothing():
    values, cells = _draw(60)
    copies = np.tile(values, (50, 1)), np.tile(cells, (50, 1)), np.tile(np.arange(60), 50)

    yes, no = sure_limits(*copies, 0.95, HALVES)

    assert set(yes) | set(no) == {None}


def test_answers_reach_the_limits_of_their_side():
    calibration = CellCalibration(None, (0.5, 0.5), (0.8, None), (0.1, 0.2))
    unlike = np.array([[False], [False], [True]])

    sure, promised = calibration.sure(np.array([[0.8, 0.9], [0.2, 0.2], [0.8, 0.2]]), unlike)

    assert sure.tolist() == [[True, False], [False, True], [False, False]]
    assert promised.tolist() == [[True, False], [True, True], [True, True]]
