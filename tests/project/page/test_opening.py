"""``pixmill open`` serves one page per project until Ctrl-C."""

import os
import re
import signal
import stat
import subprocess
import sys

from tests.tiny_project import change_param
from tests.version_control import PERSON
from tests.visitor import Visitor


def start(root, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "pixmill", "open", "--no-open", *options],
        cwd=root,
        env={**os.environ, **PERSON, "SLOW": "30"},
        stderr=subprocess.PIPE,
        text=True,
    )


def address(process):
    return re.search(r"http://\S+", process.stderr.readline())[0]


def test_second_start_finds_the_first_and_a_run_outlives_both(project):
    change_param(project, "epochs: 3", "epochs: 7")
    with start(project) as first:
        visitor = Visitor(address(first))
        file = project / ".pixmill/open/address.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with start(project) as second:
            again = address(second)
            assert second.wait(30) == 0
        assert Visitor(again).key == visitor.key
        assert visitor.post("pipeline/start", {}) == (200, {})
        first.send_signal(signal.SIGINT)
        _, printed = first.communicate(timeout=30)
    assert "Traceback" not in printed
    pid = int(re.search(r"dvc repro continues in the background. To stop it: kill -INT -(\d+)", printed)[1])
    assert not file.exists()
    os.killpg(pid, signal.SIGKILL)
