"""Nothing outlives its parent."""

import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.linux

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c",
                          "from pixmill.core.process.lifetime import die_with_parent; die_with_parent();"
                          "print('ready', flush=True); import time; time.sleep(60)"], stdout=subprocess.PIPE, text=True)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_a_child_dies_with_its_parent(start) -> None:
    process, child = start(PARENT)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and _runs(int(child)):
        time.sleep(0.02)
    assert not _runs(int(child))


DVC = """
import os, shlex, subprocess, sys, time
code = ("from pixmill.core.process.lifetime import die_with_dvc, die_with_parent; die_with_parent(); die_with_dvc();"
        "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)")
words = shlex.join([sys.executable, "-c", code])
for shell in sys.argv[1:]:
    words = shlex.join([shell, "-c", words + "; exit"])
child = subprocess.Popen(["/bin/sh", "-c", words], stdout=subprocess.PIPE, text=True,
                         env=os.environ | {"DVC_STAGE": "train"})
print(*child.stdout.readline().split(), os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("shells", [[], ["/bin/sh", "/bin/sh"]], ids=["one", "three"])
def test_a_stage_dies_with_dvc_whatever_shells_stand_between(start, shells: list[str]) -> None:
    """The first replaces itself by the command where ``/bin/sh`` is bash, and stays where it is dash."""
    process, line = start(DVC, *shells)
    stage, shell, dvc = map(int, line.split())
    assert shell != dvc or not shells, "no shell stands between"
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and (_runs(stage) or _runs(shell)):
        time.sleep(0.02)
    assert not _runs(stage)
    assert not _runs(shell)


WATCHED = """
import os, sys, threading
from pixmill.core.process.lifetime import die_with_dvc
os.environ.pop("DVC_STAGE", None) if sys.argv[1] == "none" else os.environ.update(DVC_STAGE=sys.argv[1])
die_with_dvc()
print([thread.name for thread in threading.enumerate()], flush=True)
"""


@pytest.mark.parametrize("stage", ["none", "train"])
def test_no_thread_waits_where_none_is_needed(start, stage: str) -> None:
    """A person's own `python -m stages.train`, which `nohup` may keep, and a command whose parent is `dvc` itself."""
    process, line = start(WATCHED, stage)
    assert line == "['MainThread']"
    assert process.wait(60) == 0


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # The latter where it ends between the opening and the reading.
        return False
