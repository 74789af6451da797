"""``pixmill open`` serves a page until Ctrl-C."""

import os
import re
import signal
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


def test_import_ends_with_the_page(project):
    with start(project) as server:
        visitor = Visitor(address(server))
        batch = "0" * 32
        added = project / ".pixmill/open/added" / batch
        for number in range(200):  # more than a second of work
            (added / "cat" / f"{number}").mkdir(parents=True)
            (added / "cat" / f"{number}" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        assert visitor.post(f"images/{batch}/import", {"label": "cat"}) == (200, {})
        server.send_signal(signal.SIGINT)
        _, printed = server.communicate(timeout=30)
    assert "pixmill import was stopped" in printed
    assert not added.exists()


def test_run_outlives_the_page(project):
    change_param(project, "epochs: 3", "epochs: 7")
    with start(project) as server:
        assert Visitor(address(server)).post("pipeline/start", {}) == (200, {})
        server.send_signal(signal.SIGINT)
        _, printed = server.communicate(timeout=30)
    assert "Traceback" not in printed
    pid = int(re.search(r"dvc repro continues in the background. To stop it: kill -INT -(\d+)", printed)[1])
    os.killpg(pid, signal.SIGKILL)
