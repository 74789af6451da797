"""The actions of the page, over HTTP."""

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pixmill.experiments.promotion.report import Champion
from pixmill.local.private_server import PrivateServer, make_app
from pixmill.project import state as project_state
from pixmill.project.page.adding import Adding
from pixmill.project.page.home import Home, routes
from pixmill.project.page.jobs import Job
from tests.project.page.conftest import copy_project, write
from tests.version_control import PERSON, git, hold, living_dvc
from tests.visitor import Visitor
from tests.waiting import until

BATCH = "0" * 32

SHOW = [
    sys.executable,
    "-c",
    "import os, sys; print([f for *_, f in os.walk(sys.argv[1])], sys.argv[2:])",
]


@dataclass
class Served:
    """The page of a project; its jobs print what they were given."""

    visitor: Visitor
    root: Path
    pipeline: Job

    def upload(
        self, path: str, content: bytes = b"an image", batch: str = BATCH, **headers: str
    ) -> int:
        kind = {"Content_Type": "application/octet-stream"} | headers
        return self.visitor.ask(f"images/{batch}?path={path}", "POST", content, **kind)[0]

    def ended(self, name: str) -> dict:
        return until(
            lambda: (job := self.visitor.get_json("state")[name])["status"] is not None and job
        )

    @property
    def added(self) -> Path:
        return self.root / ".pixmill/open/added"


@pytest.fixture
def served(tiny_project, tmp_path, monkeypatch):
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    root = copy_project(tiny_project, tmp_path / "pets")
    pipeline = Job(root, "dvc repro", [sys.executable, "-c", "import time; time.sleep(60)"])
    home = Home(root, pipeline, Job(root, "pixmill compare"))
    for owner, name, command in (
        (home.actions, "promotion", "pixmill promote"),
        (home.actions, "rollback", "pixmill rollback"),
        (home.actions, "sweep", "pixmill sweep"),
        (home.actions, "watch", "pixmill watch"),
        (home.using, "export", "pixmill export"),
        (home.using, "serve", "pixmill serve"),
    ):
        given = [sys.executable, "-c", "import sys; print(sys.argv[1:])"]
        setattr(owner, name, Job(root, command, given))
    home.actions.adding = Adding(root, Job(root, "pixmill import", SHOW))
    with PrivateServer(make_app(routes(home)), command="pixmill open", max_bytes=1 << 20) as server:
        yield Served(Visitor(server.new_address()), root, pipeline)


def test_params_are_checked_saved_and_undone(served):
    # The tiny project has params of its own.
    valid = (
        "{classes: [cat, dog], scrape: {snapshot: '2026-11-20'}, train: {model: cnn, epochs: 3}}\n"
    )
    (served.root / "params.yaml").write_text(valid)
    form = served.visitor.get_json("params")
    assert {field["name"] for field in form["params"]} > {
        "classes",
        "scrape.snapshot",
        "train.epochs",
    }
    values = {"train.epochs": "many"}
    assert "train.epochs" in served.visitor.post("params/check", {"values": values})[1]["errors"]
    assert served.visitor.post("params", {"digest": form["digest"], "values": values})[0] == 409
    assert served.visitor.post(
        "params", {"digest": form["digest"], "values": {"train.epochs": "4"}}
    ) == (200, {})
    assert served.visitor.get_json("state")["can_undo_params"]
    assert (served.root / "params.yaml").read_text() == valid.replace("3}", "4}")
    assert served.visitor.post("params/undo", {}) == (200, {})
    assert (served.root / "params.yaml").read_text() == valid


def test_commit_of_the_list(served):
    assert served.visitor.get_json("state")["commit"] is None
    (served.root / "notes.txt").write_text("mine")
    shown = until(lambda: served.visitor.get_json("state")["commit"])
    assert shown["paths"] == ["notes.txt"]
    (served.root / "later.txt").write_text("mine")
    assert (
        served.visitor.post("commit", {"paths": shown["paths"], "message": "Add notes"})[0] == 409
    )
    (served.root / "later.txt").unlink()
    assert served.visitor.post("commit", {"paths": shown["paths"], "message": "Add notes"}) == (
        200,
        {},
    )
    assert git(served.root, "show", "--format=%s", "--name-only", "HEAD").split("\n\n") == [
        "Add notes",
        "notes.txt",
    ]


CHANGES = [
    ("params", {"digest": "", "values": {}}),
    ("params/use", {"digest": "", "recipe": "fast"}),
    ("params/undo", {}),
    ("commit", {"paths": ["notes.txt"], "message": "Add notes"}),
]


@pytest.mark.parametrize(("path", "content"), CHANGES)
def test_nothing_changes_during_a_run(path, content, served):
    served.pipeline.start()
    status, problem = served.visitor.post(path, content)
    served.pipeline.stop()
    assert (status, problem["error"]) == (409, "a run is in progress")


def test_nothing_changes_during_a_run_in_a_terminal(served):
    with living_dvc() as pid:
        hold(served.root, "write", ("artifacts", pid))
        for change in CHANGES:
            assert served.visitor.post(*change)[1]["error"] == "a run is in progress"


@pytest.mark.parametrize(
    ("path", "content", "arguments"),
    [
        ("promote", {"because": "", "accept": False}, []),
        (
            "promote",
            {"because": "; ls", "accept": True},
            ["--because=; ls", "--accept-undecided=; ls"],
        ),
        (
            "rollback",
            {"because": "--force", "version": 2},
            ["--to=2", "--because=--force"],
        ),
        ("export", {"form": "html-small"}, ["html", "--small", "--output=exported/html-small"]),
        ("export", {"form": "onnx"}, ["onnx", "--output=exported/onnx"]),
        ("serve", {"share": True}, ["--port=0", "--share"]),
        ("sweep/start", {"trials": 6}, ["--trials=6"]),
    ],
)
def test_reasons_and_numbers_are_arguments(path, content, arguments, served):
    assert served.visitor.post(path, content) == (200, {})
    job = {"promote": "promotion", "sweep/start": "sweep"}.get(path, path)
    assert served.ended(job)["log"] == f"{arguments}\n"


def test_a_look_at_the_log_is_that_of_the_next_step(served, monkeypatch):
    monkeypatch.setattr(project_state, "_champion", lambda _: Champion("pets", 2, "", None))
    assert served.visitor.post("watch", {})[0] == 409
    outcome = {
        **dict.fromkeys(("at", "week", "accuracy", "sentence")),
        "model": {"name": "pets", "version": "2"},
        "alarm": True,
        "advice": "label",
        "command": "pixmill watch 'my log' --label 60",
        "log": "my log",
        "waiting": 0,
    }
    write(served.root / ".pixmill/watch/last.json", outcome)
    until(lambda: served.visitor.post("watch", {}) == (200, {}))
    assert served.ended("watch")["log"] == "['my log', '--label', '60', '--no-open']\n"


def test_arguments_that_no_process_takes(served):
    assert served.visitor.post("rollback", {"because": "\0", "version": 1})[0] == 409


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("promote", {"because": "x"}),
        ("promote", {"because": "x", "accept": "no"}),
        ("export", {"form": "../data"}),
        ("commit", {"paths": "notes.txt", "message": "x"}),
        ("params/check", {"values": {"train.epochs": 3}}),
        ("params/undo", []),
    ],
)
def test_malformed_requests(path, content, served):
    assert served.visitor.post(path, content)[0] == 400


def test_uploads_are_taken_in_once(served):
    assert served.visitor.post(f"images/{BATCH}/import", {"label": "cat"})[0] == 409
    for name in ("a.png", "caf%C3%A9%20noir/b%201.JPG"):
        assert served.upload(name) == 200
    # From different folders, such as the results of a search.
    assert [
        served.upload(name, b"another") for name in ("a.png", "a.png/c.png", "caf%C3%A9%20noir")
    ] == [409] * 3
    assert served.visitor.post(f"images/{BATCH}/import", {"label": "cat"}) == (200, {})
    log = served.ended("import")["log"]
    assert log == "[['a.png'], ['b 1.JPG']] ['--label=cat']\n"
    until(lambda: not (served.added / BATCH).exists())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "..",
        ".",
        "a/../../b.png",
        "/etc/passwd",
        "a//b.png",
        "a/",
        "a%5Cb.png",
        "a%00b",
        "x" * 300,
    ],
)
def test_paths_stay_within_the_batch(path, served):
    assert {served.upload(path), served.upload("x/" * 2100 + path)} <= {400, 409}
    assert not [path for path in served.root.glob(".pixmill/open/**/*") if path.is_file()]


def test_refused_uploads_leave_nothing(served):
    assert served.upload("a.png", Content_Type="text/plain") == 415
    assert served.upload("a.png", Origin="http://evil.test") == 403
    assert served.upload("a.png", batch="..") == 404
    assert served.upload("a.png", bytes((1 << 20) + 1)) == 413
    assert not [path for path in served.root.glob(".pixmill/open/**/*") if path.is_file()]


def test_an_archive_is_unpacked(served):
    served.upload("photos.bin", b"\x1f\x8b")
    served.visitor.post(f"images/{BATCH}/import", {"label": None})
    assert served.ended("import")["log"] == "[] []\n"  # a file, not its folder
