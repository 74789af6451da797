"""All processes of a pass end with it, silently."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

pytestmark = pytest.mark.linux

SCRIPT = """
import itertools, sys
from pixmill.images.compute import RowLimits, map_batches
from tests.images.compute.passes import act

acts = itertools.chain([("", 0)], itertools.repeat(("loop", 1)))
limits = RowLimits(seconds=60, memory=1 << 30)
results = map_batches(act, acts, batch_size=1, workers=3, limits=limits, lost=max)
try:
    for _ in results:
        print("working", flush=True)
except KeyboardInterrupt:
    sys.exit("interrupted")
"""


@pytest.fixture
def passing() -> Iterator[subprocess.Popen[str]]:
    """A process in a separate group that runs an endless pass."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def wait_for(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    while process.stdout.readline().strip() != line:
        assert process.poll() is None


def members(group: int) -> list[int]:
    """Return the processes of a group, without zombies."""
    alive = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return alive


def computes(pid: int) -> bool:
    """Return whether a worker computes: only then does it use half a second of CPU time."""
    try:
        process = psutil.Process(pid)
        return "spawn_main" in " ".join(process.cmdline()) and process.cpu_times().user >= 0.5
    except psutil.NoSuchProcess:
        return False


def assert_ends(process: subprocess.Popen[str], *, stderr: str) -> None:
    assert process.communicate(timeout=120)[1] == stderr
    deadline = time.monotonic() + 60
    while members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert members(process.pid) == []


def wait_for_all(process: subprocess.Popen[str]) -> None:
    """Wait until all three workers compute; a starting one would print a traceback."""
    wait_for(process, "working")
    while sum(computes(pid) for pid in members(process.pid)) < 3:
        assert process.poll() is None
        time.sleep(0.02)


def test_ctrl_c_ends_all_processes_silently(passing: subprocess.Popen[str]) -> None:
    wait_for_all(passing)
    os.killpg(passing.pid, signal.SIGINT)
    assert_ends(passing, stderr="interrupted\n")
    assert passing.returncode == 1


def test_workers_die_with_their_owner(passing: subprocess.Popen[str]) -> None:
    wait_for_all(passing)
    passing.kill()
    assert_ends(passing, stderr="")
