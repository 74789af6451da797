"""Nothing outlives its parent."""

import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "from pixmill.process import die_with_parent; die_with_parent();"
                          "print('ready', flush=True); import time; time.sleep(60)"], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_dies_with_its_parent(start) -> None:
    process, child = start(PARENT)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(int(child)):
        time.sleep(0.02)
    assert not _runs(int(child))


ORPHANED = """
import multiprocessing, os, sys, time
from pixmill.process import die_with_parent

def late():
    parent = os.getppid()
    print(os.getpid(), flush=True)
    while os.getppid() == parent:
        time.sleep(0.01)
    die_with_parent()
    time.sleep(60)

if __name__ == "__main__":
    multiprocessing.get_context("fork").Process(target=late).start()
"""


def test_a_worker_whose_parent_is_dead_already_ends(start) -> None:
    process, worker = start(ORPHANED)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _runs(int(worker)):
        time.sleep(0.02)
    assert not _runs(int(worker))


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
