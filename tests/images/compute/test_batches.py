"""Results of ``map_batches``: one per row, in order, with any number of processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import PixmillError
from pixmill.images.compute import map_batches
from tests.images.compute.passes import (
    doubled,
    dying,
    failing,
    processes,
    short,
    stubborn,
)


@given(st.lists(st.integers(), max_size=50), st.integers(1, 9))
def test_results_come_in_order_in_one_process(rows: list[int], batch_size: int) -> None:
    assert list(map_batches(doubled, rows, batch_size=batch_size, workers=0)) == [
        2 * row for row in rows
    ]


def test_results_come_in_order_from_many_processes() -> None:
    rows = range(101)
    assert list(map_batches(doubled, rows, batch_size=7, workers=2)) == [2 * row for row in rows]
    assert os.getpid() not in set(map_batches(processes, rows, batch_size=7, workers=2))


def test_missing_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected 3, received 2"):
        list(map_batches(short, range(3)))


def test_dead_worker_is_reported() -> None:
    with pytest.raises(PixmillError, match=r"a worker process died in .*dying"):
        list(map_batches(dying, range(9), batch_size=2, workers=2))


def test_worker_exceptions_are_raised_with_traceback() -> None:
    results = map_batches(failing, range(9), batch_size=2, workers=2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="no row 5") as caught:
        next(results)
    assert "in failing" in str(caught.value.__cause__)


def test_unpicklable_exception_is_replaced_by_its_text() -> None:
    with pytest.raises(RuntimeError, match="Stubborn: cannot travel") as caught:
        list(map_batches(stubborn, range(9), batch_size=2, workers=1))
    assert "in stubborn" in str(caught.value.__cause__)


@pytest.mark.parametrize(("function", "imports"), [("identity", 1), ("of_the_script", 2)])
def test_workers_import_the_main_script_only_for_its_passes(
    tmp_path: Path, function: str, imports: int
) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
from pixmill.images.compute import map_batches
from tests.images.compute.passes import identity
print("imported", file=sys.stderr, flush=True)
def of_the_script(batch):
    return list(batch)
if __name__ == "__main__":
    print(*map_batches({function}, range(9), batch_size=5, workers=1), __file__)
""")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == f"0 1 2 3 4 5 6 7 8 {script}\n"
    assert done.stderr == "imported\n" * imports


def test_abandoned_pass_does_not_block_exit(start) -> None:
    script = """
import itertools
from pixmill.images.compute import map_batches
from tests.images.compute.passes import identity
results = map_batches(identity, itertools.count(), workers=2)
print(next(results), flush=True)
"""
    process, line = start(script)
    assert line == "0"
    assert process.wait(timeout=120) == 0
