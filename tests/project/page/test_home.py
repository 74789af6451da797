"""The page serves the state and reports, runs jobs, and rejects foreign requests."""

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pixmill.local.private_server import PrivateServer, make_app
from pixmill.pages.page import render_page
from pixmill.project.page.home import Home, find_report, list_reports, routes
from pixmill.project.page.jobs import Job
from pixmill.project.state import ProjectState, Repository
from tests.visitor import Visitor
from tests.waiting import until

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\udcff"


def job(root, name, code):
    return Job(root, name, [sys.executable, "-c", code])


@dataclass(frozen=True)
class Served:
    """The page of a project."""

    visitor: Visitor
    pipeline: Job

    def state(self):
        return json.loads(self.visitor.ask("state")[2])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    (root / "reports").mkdir()
    (root / "reports" / "train.html").write_text("the training")
    (root / "secret.html").write_text("secret")
    (root / "reports" / "loop.html").symlink_to("loop.html")
    pipeline = job(root, "dvc repro", "import time; print('begun', flush=True); time.sleep(60)")
    comparison = job(root, "pixmill compare", "import sys; sys.exit('pixmill: there is no main')")

    def read(root, **_):
        return ProjectState(
            root, repository=Repository(has_git=True, has_commit=True, branch=HOSTILE)
        )

    app = make_app(routes(Home(root, pipeline, comparison, read)))
    with PrivateServer(app, command="pixmill open") as server:
        yield Served(Visitor(server.new_address()), pipeline)


def test_page_allows_only_its_scripts(served):
    status, headers, body = served.visitor.ask("")
    assert status == 200
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    nonce = re.search("script-src 'nonce-([^']+)'", policy)[1]
    text = body.decode()
    assert text.count(f'nonce="{nonce}"') == text.count("<script") + text.count('rel="stylesheet"')
    assert nonce not in served.visitor.ask("")[2].decode()
    assert b"http://" not in body
    assert b"https://" not in body


def test_the_state_is_that_of_summary_and_names_stay_text(served):
    content = served.visitor.get_json("state")
    assert content["state"]["repository"]["branch"] == HOSTILE
    assert content["reports"] == ["train.html"]
    assert content["pipeline"] == {"running": False, "status": None, "stopped": False, "log": ""}
    # They travel as JSON, and are set as text: no script of the page makes markup of them.
    assert served.visitor.ask("state")[1]["Content-Type"] == "application/json"
    script = served.visitor.ask("static/home.js")[2].decode()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document.write|\beval\b", script)


def test_reports_run_only_known_scripts(served):
    status, headers, body = served.visitor.ask("reports/train.html")
    assert (status, body) == (200, b"the training")
    policy = headers["Content-Security-Policy"]
    assert policy.startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-"
    )
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_report_policy_allows_the_page_script(served):
    page = render_page("pixmill.pages", "base.html")
    digest = re.search("script-src '(sha256-[^']+)'", page)[1]
    assert digest in served.visitor.ask("reports/train.html")[1]["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "reports/../secret.html",
        "reports/..%2fsecret.html",
        "reports/%2e%2e/secret.html",
        "reports/loop.html",
        "reports/train.HTML",
        "static/..%2fpage.html",
        "secret.html",
        "exported/html/model.html",  # nothing was exported
    ],
)
def test_serves_no_other_file(served, path):
    status, _, body = served.visitor.ask(path)
    assert status == 404
    assert b"secret" not in body.replace(b"secret.html", b"")


def test_pipeline_starts_once_and_stops(served):
    visitor = served.visitor
    assert visitor.post("pipeline/start", {}) == (200, {})
    try:
        assert visitor.get_json("state")["pipeline"]["running"]
        status, problem = visitor.post("pipeline/start", {})
        assert (status, problem["error"]) == (409, "dvc repro is already running")
    finally:
        assert visitor.post("pipeline/stop", {}) == (200, {})
    until(lambda: not visitor.get_json("state")["pipeline"]["running"])
    assert visitor.get_json("state")["pipeline"]["stopped"]
    status, problem = visitor.post("pipeline/stop", {})
    assert status == 409
    assert problem["next"] == "press Ctrl-C where it runs"


def test_failed_comparison_shows_its_output(served):
    assert served.visitor.post("comparison/start", {}) == (200, {})
    comparison = until(
        lambda: (
            (one := served.visitor.get_json("state")["comparison"])["status"] is not None and one
        )
    )
    assert (comparison["status"], comparison["log"]) == (1, "pixmill: there is no main\n")


def test_links_to_an_mlflow_server_that_answers(served, monkeypatch):
    for address, link in (
        (f"http://{served.visitor.host}", f"http://{served.visitor.host}"),
        ("http://127.0.0.1:1", None),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        mlflow = served.visitor.get_json("state")["mlflow"]
        assert mlflow == {"command": "pixmill doctor --fix", "address": link, "fault": None}


@dataclass
class Reader:
    """Reads a state and records which reads were full."""

    full: list[bool] = field(default_factory=list)
    fault: str = ""

    def __call__(self, root: Path, *, full: bool) -> ProjectState:
        self.full.append(full)
        if self.fault:
            raise OSError(self.fault)
        faults: dict[str, Any] = {"model in production": "down"} if full else {}
        return ProjectState(root, disk={"data/": 5} if full else {}, faults=faults)


def test_whole_reads_follow_the_first_read_and_new_results(tmp_path):
    reader = Reader()
    page = Home(tmp_path, Job(tmp_path, "dvc repro"), Job(tmp_path, "pixmill compare"), reader)

    def read():
        page.expire()
        return page.document()

    first, *later = [read() for _ in range(4)]
    assert first["state"]["disk"] == {}
    assert all(each["state"]["faults"] == {"model in production": "down"} for each in later)
    assert all(each["state"]["disk"] == {"data/": 5} for each in later)
    (tmp_path / "mlflow.db").touch()
    read()
    assert reader.full == [False, True, False, False, True]
    # An immediate request gets the same state.
    page.document()
    assert len(reader.full) == 5
    reader.fault = "the disk is gone"
    assert (document := read())["fault"] == "the disk is gone"
    assert document["state"]["disk"] == {"data/": 5}
    reader.fault = ""
    assert read()["fault"] is None


def test_the_state_is_read_again_when_a_run_begins_and_ends(tmp_path):
    reader = Reader()
    pipeline = job(tmp_path, "dvc repro", "import time; time.sleep(60)")
    page = Home(tmp_path, pipeline, Job(tmp_path, "pixmill compare"), reader)
    page.document()
    pipeline.start()
    assert page.document()["pipeline"]["running"]
    assert len(reader.full) == 2
    pipeline.stop()
    until(lambda: pipeline.pid is None)
    assert not page.document()["pipeline"]["running"]
    assert len(reader.full) == 3


@pytest.fixture
def reports_root(tmp_path):
    for name in ("train", "scrape", "compare", "evaluate"):
        (tmp_path / "reports").mkdir(exist_ok=True)
        (tmp_path / "reports" / f"{name}.html").write_text(name)
    return tmp_path


def test_reports_of_stages_come_first(reports_root):
    assert list_reports(reports_root) == [
        "scrape.html",
        "train.html",
        "evaluate.html",
        "compare.html",
    ]


@pytest.mark.parametrize(
    ("file", "is_served"),
    [("secret", False), (".git/config", False), (f"files/md5/0a/{'1b' * 15}", True)],
)
def test_report_links_lead_only_to_files_of_a_cache(
    file, is_served, reports_root, tmp_path_factory
):
    path = tmp_path_factory.mktemp("other") / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("text")
    (reports_root / "reports/link.html").symlink_to(path)
    assert (find_report(reports_root, "link.html") is not None) == is_served


def test_the_folder_of_reports_may_not_be_a_link(tmp_path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "train.html").write_text("text")
    (tmp_path / "reports").symlink_to(other)
    assert list_reports(tmp_path) == []


def test_without_reports(tmp_path):
    assert list_reports(tmp_path) == []
    assert find_report(tmp_path, "train.html") is None
