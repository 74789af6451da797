"""Passes on a Ray cluster: the same results as here, whatever happens to a row."""

from typing import Any

import pytest

from pixmill.compute import RowLimits, map_batches
from pixmill.compute.cluster import Cluster
from tests.compute.passes import act, failing, stubborn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.linux,
    pytest.mark.filterwarnings("ignore:More than 10MB of messages"),  # pytest drops the filters of the connection
]

GUARD: dict[str, Any] = {"limits": RowLimits(seconds=3, memory=1 << 29), "lost": lambda row, loss: (loss, row[1])}


def test_a_row_that_hangs_crashes_or_takes_too_much_costs_itself_alone(cluster: Cluster) -> None:
    rows = [("", number) for number in range(40)]
    rows[7], rows[21], rows[22] = ("loop", 7), ("segfault", 21), ("hog", 22)
    here = list(map_batches(act, rows, batch_size=4, **GUARD, local=True))
    assert list(map_batches(act, rows, batch_size=4, **GUARD)) == here
    assert [here[7], here[21], here[22]] == [("timeout", 7), ("crashed", 21), ("memory", 22)]


def test_a_defect_is_raised_here_with_its_traceback_after_the_rows_before_it(cluster: Cluster) -> None:
    results = map_batches(failing, range(9), batch_size=2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="no row 5") as caught:
        next(results)
    assert "in failing" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="Stubborn: cannot travel"):
        list(map_batches(stubborn, range(9), batch_size=2))
