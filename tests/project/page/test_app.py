"""The page's routes tell the state, show reports and no other file, and let nobody else in."""

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pixmill.pages.page import render_page
from pixmill.project.page.jobs import Job
from pixmill.project.page.page_routes import Home, routes
from pixmill.project.repository import Repository
from pixmill.project.state import ProjectState
from pixmill.web.private_server import PrivateServer, make_app
from tests.visitor import Visitor
from tests.waiting import until

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\udcff"


def job(root, typed, code):
    return Job(root, typed, [sys.executable, "-c", code])


@dataclass(frozen=True)
class Served:
    """The page of a project."""

    visitor: Visitor
    pipeline: Job


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "reports").mkdir()
    (root / "reports" / "train.html").write_text("the training")
    (root / "secret.html").write_text("secret")
    (root / "reports" / "link.html").symlink_to(root / "secret.html")
    (root / "reports" / "loop.html").symlink_to("loop.html")
    pipeline = job(root, "dvc repro", "import time; print('begun', flush=True); time.sleep(60)")
    comparison = job(root, "pixmill compare", "import sys; sys.exit('pixmill: there is no main')")

    def read(root, **_):
        return ProjectState(root, repository=Repository(has_git=True, has_commit=True, branch=HOSTILE))

    app = make_app(routes(Home(root, pipeline, comparison, read)))
    with PrivateServer(app, command="pixmill open") as server:
        yield Served(Visitor(server.new_address()), pipeline)


def test_the_page_allows_scripts_of_its_own_alone(served):
    status, headers, body = served.visitor.ask("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    assert body.decode().count(f'nonce="{nonce}"') == 2
    assert nonce not in served.visitor.ask("")[2].decode()
    assert b"http://" not in body
    assert b"https://" not in body


def test_the_state_is_that_of_summary_and_names_stay_text(served):
    told = served.visitor.told("state")
    assert told["state"]["repository"]["branch"] == HOSTILE
    assert told["reports"] == ["train.html"]
    assert told["pipeline"] == {"running": False, "status": None, "stopped": False, "log": ""}
    # They travel as JSON, and are set as text: no script of the page makes markup of them.
    assert served.visitor.ask("state")[1]["Content-Type"] == "application/json"
    script = served.visitor.ask("static/home.js")[2].decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document.write|\beval\b", script)


def test_reports_are_shown_and_run_no_script_but_pixmills(served):
    status, headers, body = served.visitor.ask("reports/train.html")
    assert (status, body) == (200, b"the training")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_the_policy_of_reports_knows_the_script_of_real_ones(served):
    page = render_page("pixmill.pages", "base.html")
    digest = re.search("script-src '(sha256-[^']+)'", page)[1]
    assert digest in served.visitor.ask("reports/train.html")[1]["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "reports/../secret.html",
        "reports/..%2fsecret.html",
        "reports/%2e%2e/secret.html",
        "reports/link.html",
        "reports/loop.html",
        "reports/train.HTML",
        "static/..%2fpage.html",
        "secret.html",
    ],
)
def test_no_other_file_is_shown(served, path):
    status, _, body = served.visitor.ask(path)
    assert status == 404
    assert b"secret" not in body.replace(b"secret.html", b"")


def test_a_run_is_started_once_and_stopped(served):
    visitor = served.visitor
    assert visitor.post("pipeline/start", {}) == (200, {})
    try:
        assert visitor.told("state")["pipeline"]["running"]
        status, told = visitor.post("pipeline/start", {})
        assert (status, told["error"]) == (409, "dvc repro runs already")
    finally:
        assert visitor.post("pipeline/stop", {}) == (200, {})
    until(lambda: not visitor.told("state")["pipeline"]["running"])
    assert visitor.told("state")["pipeline"]["stopped"]
    status, told = visitor.post("pipeline/stop", {})
    assert status == 409
    assert told["next"] == "press Ctrl-C where it runs"


@pytest.mark.parametrize("path", ["pipeline/start", "pipeline/stop", "comparison/start"])
def test_nobody_else_starts_or_stops_anything(served, path):
    visitor = served.visitor
    assert visitor.ask(path)[0] == 405
    assert visitor.ask(path, "POST", b"{}", Content_Type="text/plain")[0] == 415
    assert visitor.ask(path, "POST", b"{}", Origin="http://evil.test")[0] == 403
    assert visitor.ask(path, "POST", b"{}", Sec_Fetch_Site="cross-site")[0] == 403
    assert visitor.ask(path, "POST", b"{}", Host="evil.test")[0] == 421
    assert visitor.ask(path, "POST", b"{}", Cookie=None)[0] == 403
    assert visitor.ask(f"/old-key/{path}", "POST", b"{}", within=False)[0] == 403
    assert served.pipeline.pid is None


def test_a_comparison_that_fails_says_why(served):
    assert served.visitor.post("comparison/start", {}) == (200, {})
    told = until(lambda: (one := served.visitor.told("state")["comparison"])["status"] is not None and one)
    assert (told["status"], told["log"]) == (1, "pixmill: there is no main\n")


def test_a_server_of_mlflow_is_linked_to(served, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://team.test")
    told = served.visitor.told("state")["mlflow"]
    assert told == {"command": "pixmill sync", "address": "http://team.test", "fault": None}


@dataclass
class Looks:
    """Reads a state, and keeps which looks were whole."""

    whole: list[bool] = field(default_factory=list)
    fault: str = ""

    def __call__(self, root: Path, *, whole: bool) -> ProjectState:
        self.whole.append(whole)
        if self.fault:
            raise OSError(self.fault)
        faults: dict[str, Any] = {"model in production": "down"} if whole else {}
        return ProjectState(root, disk={"data/": 5} if whole else {}, faults=faults)


def test_what_takes_long_is_looked_at_after_the_first_look_and_after_results(tmp_path):
    looks = Looks()
    home = Home(tmp_path, Job(tmp_path, "dvc repro"), Job(tmp_path, "pixmill compare"), looks)

    def look():
        home.look_soon()
        return home.document()

    first, *later = [look() for _ in range(4)]
    assert first["state"]["disk"] == {}
    assert all(each["state"]["faults"] == {"model in production": "down"} for each in later)
    assert all(each["state"]["disk"] == {"data/": 5} for each in later)
    (tmp_path / "mlflow.db").touch()
    look()
    assert looks.whole == [False, True, False, False, True]
    # Who asks at once sees the same.
    home.document()
    assert len(looks.whole) == 5
    looks.fault = "the disk is gone"
    assert (told := look())["fault"] == "the disk is gone"
    assert told["state"]["disk"] == {"data/": 5}
    looks.fault = ""
    assert look()["fault"] is None


def test_looks_take_half_of_the_time(tmp_path):
    asked = []

    def read(root, **_):
        asked.append(time.monotonic())
        time.sleep(0.3)
        return ProjectState(root)

    home = Home(tmp_path, Job(tmp_path, "dvc repro"), Job(tmp_path, "pixmill compare"), read)
    until(lambda: home.document() and len(asked) == 2)
    assert asked[1] - asked[0] >= 2 * 0.3 + 1
