"""The page's routes tell the state, show reports and no other file, and let nobody else in."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from pixmill.core.workspace import Workspace
from pixmill.home.jobs import Comparison, Pipeline
from pixmill.home.page_routes import Home, routes
from pixmill.home.project_state import ProjectState
from pixmill.home.reviews import Reviews
from pixmill.home.watching import Watch
from pixmill.state.repository import Repository
from pixmill.web.private_server import PrivateServer, make_app
from tests.review.conftest import Project
from tests.visitor import Visitor
from tests.waiting import until

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\udcff"

_QUICK = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"]


@dataclass(frozen=True)
class Served:
    """The page of a project."""

    visitor: Visitor
    pipeline: Pipeline


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("project"))
    project.fill("coat", 5)
    project.add(None, came_as=["coat", "shoe"], reason="label_conflict")
    project.write()
    (project.root / "reports").mkdir()
    (project.root / "reports" / "train.html").write_text("the training")
    (project.root / "secret.html").write_text("secret")
    (project.root / "reports" / "link.html").symlink_to(project.root / "secret.html")
    (project.root / "reports" / "loop.html").symlink_to("loop.html")
    root = project.root
    pipeline, reviews = Pipeline(root, _QUICK), Reviews(Workspace(root, root))
    comparison = Comparison(root, [sys.executable, "-c", "import sys; sys.exit('pixmill: there is no main')"])

    def read(root, **_):
        return ProjectState(root, repository=Repository(has_git=True, has_commit=True, branch=HOSTILE))

    with (
        Watch(root, read, soon=0.1) as watch,
        reviews,
        PrivateServer(
            make_app(routes(Home(root, watch, pipeline, comparison, reviews))), command="pixmill open"
        ) as server,
    ):
        until(lambda: watch.document)
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
    assert told["pipeline"] == {"running": False, "status": None, "stopped": False}
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
    from pixmill.pages.base.page import render_page

    page = render_page("pixmill.pages.base", "base.html")
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
        "reports/absent.html",
        "reports/.html",
        "reports/train.html%00",
        "reports//etc/passwd",
        "reports/train.HTML",
        "static/page.html",
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
    assert served.pipeline.running() is None


def test_a_comparison_that_fails_says_why(served):
    assert served.visitor.told("state")["comparison"] == {"running": False, "done": None, "error": ""}
    assert served.visitor.post("comparison/start", {}) == (200, {})
    until(lambda: not served.visitor.told("state")["comparison"]["running"])
    told = served.visitor.told("state")["comparison"]
    assert told == {"running": False, "done": False, "error": "pixmill: there is no main"}


def test_a_server_of_mlflow_is_linked_to(served, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://team.test")
    told = served.visitor.told("state")["mlflow"]
    assert told == {"command": "pixmill sync", "address": "http://team.test", "fault": None}


def test_changes_and_lines_of_the_log_come_as_events(served):
    import http.client

    visitor = served.visitor
    connection = http.client.HTTPConnection("127.0.0.1", visitor.port, timeout=30)
    connection.request("GET", f"{visitor.key}events", headers={"Host": visitor.host, "Cookie": visitor.cookie})
    stream = connection.getresponse()
    assert stream.headers["Content-Type"].startswith("text/event-stream")

    def event(kind):
        while True:
            line = stream.readline().decode()
            assert line
            if line == f"event: {kind}\n":
                return json.loads(stream.readline().decode().removeprefix("data: "))

    assert not event("state")["pipeline"]["running"]
    visitor.post("pipeline/start", {})
    try:
        assert event("state")["pipeline"]["running"]
        text = ""
        while "begun" not in text:
            text += event("log")["text"]
    finally:
        visitor.post("pipeline/stop", {})
    while event("state")["pipeline"]["running"]:
        pass
    connection.close()


def test_a_letter_that_is_half_written_comes_when_it_is_whole(tmp_path):
    pipeline = Pipeline(tmp_path)
    pipeline.log.parent.mkdir(parents=True)
    home = Home(tmp_path, None, pipeline, None, None)
    pipeline.log.write_bytes("é".encode()[:1])
    place, text, _ = home.log_since((0.0, 0))
    assert text == ""
    pipeline.log.write_bytes("é".encode())
    assert home.log_since(place)[1] == "é"


def test_the_review_lies_below_the_page(served):
    visitor = served.visitor
    status, _, body = visitor.ask("review/")
    assert status == 200
    assert b'<body data-command="pixmill open">' in body
    assert visitor.told("review/session")["total"] == 1
    status, _, image = visitor.ask(f"review/image/{visitor.told('review/case/0')['images'][0]['id']}")
    assert (status, image[:2]) == (200, b"\xff\xd8")


def test_opening_imports_neither_tensorflow_nor_dvc():
    code = (
        "import sys, pixmill.home.opening; "
        "print(sorted({'tensorflow', 'keras', 'dvc', 'mlflow', 'great_expectations'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
