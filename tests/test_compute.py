"""A pass gives one result a row, in order, on any number of processes, in bounded memory."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.compute import map_batches
from pixmill.errors import PixmillError


def doubled(batch: Sequence[int]) -> list[int]:
    return [2 * row for row in batch]


def processes(batch: Sequence[int]) -> list[int]:
    return [os.getpid()] * len(batch)


def short(batch: Sequence[int]) -> list[int]:
    return list(batch[1:])


def dying(batch: Sequence[int]) -> list[int]:
    os.kill(os.getpid(), signal.SIGKILL)
    return list(batch)


def failing(batch: Sequence[int]) -> list[int]:
    raise ValueError(f"cannot do {batch[0]}")


@given(st.lists(st.integers(), max_size=50), st.integers(1, 9))
def test_results_come_in_order_in_one_process(rows: list[int], batch_size: int) -> None:
    assert list(map_batches(doubled, rows, batch_size=batch_size, workers=0)) == [2 * row for row in rows]


def test_results_come_in_order_from_many_processes() -> None:
    rows = range(101)
    assert list(map_batches(doubled, rows, batch_size=7, workers=2)) == [2 * row for row in rows]
    assert os.getpid() not in set(map_batches(processes, rows, batch_size=7, workers=2))


def test_rows_are_taken_only_as_they_are_needed() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            yield taken
            taken += 1

    results = map_batches(doubled, endless(), batch_size=4, workers=2)
    assert [next(results) for _ in range(40)] == [2 * row for row in range(40)]
    results.close()
    assert taken < 40 + 4 * 8


def test_a_pass_that_loses_a_row_is_a_defect() -> None:
    with pytest.raises(ValueError, match="expected 3, received 2"):
        list(map_batches(short, range(3)))


def test_a_worker_that_dies_is_reported() -> None:
    with pytest.raises(PixmillError, match=r"a worker process died in .*dying"):
        list(map_batches(dying, range(9), batch_size=2, workers=2))


def test_a_defect_in_a_worker_is_raised_here() -> None:
    with pytest.raises(ValueError, match="cannot do 0"):
        list(map_batches(failing, range(9), batch_size=2, workers=2))


def test_a_batch_has_at_least_one_row() -> None:
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        next(map_batches(doubled, [1], batch_size=0))
