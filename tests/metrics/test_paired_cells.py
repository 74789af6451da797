import numpy as np

from pixmill.metrics.cells import CellAnswers
from pixmill.metrics.paired_cells import paired_cell_differences


def test_other_thresholds_alone_leave_the_exact_match_uncertain():
    cells = np.arange(60)[:, None] % 2
    values = np.where(cells == 1, 0.8, 0.2)
    values[:2] = 0.55

    overall, _ = paired_cell_differences(
        CellAnswers(cells, values, [0.6]),
        CellAnswers(cells, values, [0.5]),
        np.arange(60),
        draws=1000,
        confidence=0.95,
    )

    found = overall["exact_match"]
    assert (found.first, found.second) == (59 / 60, 59 / 60)
    assert found.low < 0 < found.high
