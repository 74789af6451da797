"""Hostile rows are lost; their workers are replaced, and all other rows have results, in order."""

import os
import signal
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import psutil
import pytest

from pixmill.images.compute import Loss, RowLimits, map_batches
from tests.images.compute.passes import (
    Row,
    act,
    at_first,
    keeping,
    processes,
    sizes,
)

pytestmark = pytest.mark.linux

LIMITS = RowLimits(seconds=0.7, memory=64 << 20)

PATIENT = RowLimits(seconds=60, memory=64 << 20)
"""For tests without slow rows: on a busy machine any row may take seconds."""


def lost(row: Row, loss: Loss) -> Row:
    return loss, -row[1]


def named(row: object, loss: Loss) -> str:
    return loss


def none_lost(row: object, loss: Loss) -> int:
    raise AssertionError(f"{row}: {loss}")


OUTCOMES = {
    "sleep": "timeout",
    "hang in C": "timeout",
    "segfault": "crashed",
    "exit": "crashed",
    "hog": "memory",
    "disguised": "memory",
    "too large to send": "memory",
}


def outcome(name: str, number: int) -> Row:
    return (OUTCOMES[name], -number) if name else ("", 2 * number)


def test_hostile_rows_do_not_affect_others() -> None:
    rows = [("", number) for number in range(500)]
    for place, name in enumerate(OUTCOMES):
        rows[place * 70] = (name, place * 70)
    start = time.monotonic()
    found = list(map_batches(act, rows, batch_size=16, workers=2, limits=LIMITS, lost=lost))
    assert {
        row: result for row, result in zip(rows, found, strict=True) if result != outcome(*row)
    } == {}
    assert time.monotonic() - start < 300


def test_a_pass_gets_one_row_per_call() -> None:
    found = map_batches(sizes, range(20), batch_size=9, workers=1, limits=PATIENT, lost=none_lost)
    assert list(found) == [1] * 20


def test_failed_row_is_retried_once(tmp_path: Path) -> None:
    names = ["sleep", "killed", "glutton"]
    rows = [(name, str(tmp_path / name)) for name in names]
    assert list(map_batches(at_first, rows, workers=2, limits=LIMITS, lost=named)) == names
    assert {name: (tmp_path / name).read_text() for name in names} == dict.fromkeys(names, "..")


def test_memory_of_previous_rows_does_not_count() -> None:
    # Each row keeps three fifths of the limit: the second row of a process fails, and is retried in
    # a new one.
    rows = [PATIENT.memory * 3 // 5] * 3
    assert list(map_batches(keeping, rows, workers=1, limits=PATIENT, lost=none_lost)) == rows


def test_other_rows_continue_during_a_retry() -> None:
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for number in range(200):
            taken += 1
            yield ("sleep" if number == 0 else "", number)

    results = map_batches(act, rows(), batch_size=4, workers=2, limits=LIMITS, lost=lost)
    assert next(results) == ("timeout", 0)
    # Four batches per worker.
    assert taken == 2 * 4 * 4
    assert [number for _, number in results] == [2 * number for number in range(1, 200)]


def test_killed_workers_lose_no_rows() -> None:
    killed = set()
    for pid in map_batches(
        processes, count(), batch_size=2, workers=2, limits=PATIENT, lost=none_lost
    ):
        if pid not in killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        if len(killed) == 6:
            break


def test_no_threads_or_connections_are_left_behind() -> None:
    def run() -> None:
        rows = [
            ("killed" if number == 5 else "glutton" if number == 9 else "", number)
            for number in range(20)
        ]
        list(map_batches(act, rows, batch_size=2, workers=2, limits=LIMITS, lost=lost))
        hanging = map_batches(
            act, [("", 0), *[("loop", 1)] * 9], batch_size=1, workers=2, limits=LIMITS, lost=lost
        )
        next(hanging)
        hanging.close()

    def left() -> tuple[set[int], int]:
        process = psutil.Process()
        return {child.pid for child in process.children()}, process.num_fds()

    # The first run starts multiprocessing's resource tracker, which stays.
    run()
    before = left()
    run()
    assert left() == before
