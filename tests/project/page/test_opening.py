"""``pixmill open`` serves a page until Ctrl-C."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_project import change_param
from tests.version_control import PERSON
from tests.visitor import Visitor
from tests.waiting import until


def start(root, *options, **variables):
    return subprocess.Popen(
        [sys.executable, "-m", "pixmill", "open", *options],
        cwd=root,
        env={**os.environ, **PERSON, "SLOW": "30", **variables},
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
    with start(project, "--no-open") as server:
        assert Visitor(address(server)).post("pipeline/start", {}) == (200, {})
        server.send_signal(signal.SIGINT)
        _, printed = server.communicate(timeout=30)
    assert "Traceback" not in printed
    pid = int(
        re.search(r"dvc repro continues in the background. To stop it: kill -INT -(\d+)", printed)[
            1
        ]
    )
    os.killpg(pid, signal.SIGKILL)


BROWSER = """\
import json, sys, urllib.parse
from pathlib import Path

page = Path(urllib.parse.unquote(urllib.parse.urlsplit(sys.argv[1]).path))
seen = {"words": sys.argv, "page": page.read_text(), "mode": page.stat().st_mode & 0o777, "file": str(page)}
Path("seen.part").write_text(json.dumps(seen))
Path("seen.part").rename("seen.json")
"""


def test_other_accounts_do_not_see_the_token_in_the_command_line_of_the_browser(project):
    (project / "browser.py").write_text(BROWSER)
    with start(project, BROWSER=f"{sys.executable} {project}/browser.py %s") as server:
        printed = address(server)
        until((project / "seen.json").exists)
        seen = json.loads((project / "seen.json").read_text())
        handed = re.search(r'http://[^">]+', seen["page"])[0]
        assert not any("token" in word or word in handed for word in seen["words"])
        assert seen["mode"] == 0o600
        visitor = Visitor(handed)
        assert visitor.ask("state")[0] == 200
        with pytest.raises(AssertionError, match="address that pixmill open prints"):
            Visitor(handed)
        assert Visitor(printed).ask("state")[0] == visitor.ask("state")[0] == 200
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert not Path(seen["file"]).exists()
