"""A service returns the result of each row, whatever the other rows do."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pixmill.images.compute import RowLimits, Service, ServiceFullError
from tests.images.compute.passes import Row, act, doubled, failing, processes, when_there

pytestmark = pytest.mark.linux

LIMITS = RowLimits(seconds=0.7, memory=64 << 20)

PATIENT = RowLimits(seconds=60, memory=64 << 20)
"""For tests without slow rows: on a busy machine any row may take seconds."""


@pytest.fixture(scope="module")
def service() -> Iterator[Service[Row, Row]]:
    with Service(act, workers=2, limits=LIMITS, waiting=100) as service:
        yield service


def test_rows_from_many_threads() -> None:
    with (
        Service(doubled, workers=2, limits=PATIENT, waiting=100) as service,
        ThreadPoolExecutor(8) as threads,
    ):
        assert list(threads.map(lambda row: service.submit(row).result(), range(200))) == list(
            range(0, 400, 2)
        )


def test_hostile_rows_do_not_affect_others(service: Service[Row, Row]) -> None:
    names = ["", "sleep", "", "segfault", "", "glutton", ""]
    futures = [service.submit((name, number)) for number, name in enumerate(names)]
    expected = {"sleep": "timeout", "glutton": "memory"}
    for number, (name, future) in enumerate(zip(names, futures, strict=True)):
        assert future.result() == (expected.get(name, "crashed") if name else ("", 2 * number)), (
            name
        )


def test_process_killed_while_idle_loses_no_row() -> None:
    with Service(processes, workers=1, limits=PATIENT, waiting=9) as service:
        pid = service.submit(0).result()
        os.kill(pid, signal.SIGKILL)
        assert service.submit(0).result() not in {pid, "crashed"}


def test_rows_above_the_waiting_limit_are_refused(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Service(when_there, workers=1, limits=RowLimits(60, 64 << 20), waiting=2) as service:
        service.wait()
        futures = [service.submit(str(gate)) for _ in range(3)]
        while service.waiting > 2:
            time.sleep(0.01)
        with pytest.raises(ServiceFullError, match="2 rows wait already"):
            service.submit(str(gate))
        assert futures[2].cancel()
        gate.touch()
        assert [future.result() for future in futures[:2]] == [str(gate)] * 2
        assert service.submit(str(gate)).result() == str(gate)


def test_submit_all_accepts_all_or_none(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with Service(when_there, workers=1, limits=RowLimits(60, 64 << 20), waiting=0) as service:
        service.wait()
        futures = service.submit_all([str(gate)] * 3)
        with pytest.raises(ServiceFullError):
            service.submit_all([str(gate)] * 2)
        gate.touch()
        assert [future.result() for future in futures] == [str(gate)] * 3
        # A row whose result is awaited does not count as waiting.
        assert [service.submit(str(gate)).result() for _ in range(100)] == [str(gate)] * 100


def test_exceptions_are_raised_by_the_future_only(service: Service[Row, Row]) -> None:
    with Service(failing, workers=1, limits=LIMITS, waiting=9) as failed:
        with pytest.raises(KeyError, match="no row 5") as caught:
            failed.submit(5).result()
        assert "in failing" in str(caught.value.__cause__)
        assert failed.submit(6).result() == 6
    with pytest.raises((AttributeError, TypeError), match=r"pickle|local object"):
        service.submit((lambda: None, 1)).result()  # type: ignore[arg-type]
    assert service.submit(("", 4)).result() == ("", 8)


def test_submitted_rows_are_finished_on_close(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    service = Service(when_there, workers=1, limits=RowLimits(60, 64 << 20), waiting=9)
    with service:
        futures = [service.submit(str(gate)) for _ in range(3)]
        threading.Timer(0.3, gate.touch).start()
    assert [future.result(0) for future in futures] == [str(gate)] * 3
    with pytest.raises(ServiceFullError, match="closing"):
        service.submit("")
