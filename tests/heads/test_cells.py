"""The head of several labels an image, where little or nothing is known."""

import numpy as np
import pytest

from pixmill.heads import head_of
from pixmill.metrics.cell_calibration import CellCalibration

HEAD = head_of("labels")
LABELS = ("dark", "long")
UNKNOWN = np.full((70, 2), -1, np.int8)
HALVES = np.full((70, 2), 0.5)


def test_without_known_cells_all_figures_are_numbers():
    fit = HEAD.fit(UNKNOWN, 2, balanced=True)

    assert fit.outputs.size == 0
    assert fit.absent.tolist() == [0, 0]
    assert HEAD.losses(UNKNOWN, HALVES).tolist() == [0] * 70
    assert HEAD.figures(HALVES, UNKNOWN).tolist() == [0, 0, 0]
    assert HEAD.shares(UNKNOWN, 2).tolist() == [0.5, 0.5]


def test_without_known_cells_nothing_is_promised():
    found = HEAD.calibrate(HALVES, UNKNOWN, np.arange(70), 0.95, (0.5, 0.5))

    assert found == CellCalibration(None, (0.5, 0.5), (None, None), (None, None), 0.95)
    answer = HEAD.answer(HALVES[0], LABELS, found, unlike=None)
    assert answer.sure is None
    assert answer.sure_labels == {"dark": None, "long": None}


@pytest.mark.parametrize(("unlike", "sure"), [(None, True), (True, False)])
def test_an_answer_is_sure_if_all_its_labels_are(unlike, sure):
    calibration = CellCalibration(None, (0.5, 0.5), (0.8, None), (0.2, 0.2))

    answer = HEAD.answer(np.array([0.9, 0.1]), LABELS, calibration, unlike=unlike)

    assert (answer.label, answer.sure) == ("dark", sure)
    assert answer.labels == {"dark": True, "long": False}
    assert answer.sure_labels == {"dark": sure, "long": sure}
