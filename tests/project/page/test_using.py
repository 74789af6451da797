"""Exports, the served page and the versions on the card *Use the model*."""

import sys

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.local.problems import ProblemError
from pixmill.project.page.jobs import Job
from pixmill.project.page.using import Using
from pixmill.tracking.model_versions import RECORDED, Registry
from pixmill.tracking.rolling_back import roll_back
from tests.version_control import PERSON, git
from tests.waiting import until

LINK = "http://192.168.1.5:8000/"


@pytest.mark.parametrize("key", ["", "#key=secret"])
def test_link_of_the_served_page_while_it_runs(key, tmp_path):
    using = Using(tmp_path)
    code = f"import time; print('{LINK}{key}', 'a code', sep='\\n', flush=True); time.sleep(60)"
    using.serve = Job(tmp_path, "pixmill serve", [sys.executable, "-c", code])
    using.serve.start()
    shown = until(lambda: (now := using.document()["serve"])["link"] and now)
    assert shown["link"] == LINK + key
    assert (shown["code"] or "").startswith("data:image/svg+xml") == bool(key)
    using.serve.stop()
    until(lambda: not using.serve.pid)
    assert using.document()["serve"]["link"] is None


def test_files_of_an_export(tmp_path):
    folder = tmp_path / "exported/litert"
    folder.mkdir(parents=True)
    (folder / "model.tflite").write_bytes(bytes(9))
    assert Using(tmp_path).exported() == {}
    (folder / "README.md").write_text("## Use\n")
    using = Using(tmp_path)
    assert using.exported()["litert"]["files"] == [("model.tflite", 9), ("README.md", 7)]
    assert using.find_file("litert", "model.tflite").read_bytes() == bytes(9)
    (tmp_path / "secret").touch()
    (folder / "link").symlink_to(tmp_path / "secret")
    for place in [("litert", "link"), ("litert", ".."), ("..", "secret"), ("keras", "model.keras")]:
        with pytest.raises(ProblemError):
            using.find_file(*place)


def test_versions_and_back_to_one(project, empty_database, monkeypatch):
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    (project / "mlflow.db").write_bytes(empty_database.read_bytes())
    workspace = Workspace(project, project)
    registry = Registry(workspace)
    for commit in (git(project, "rev-parse", "HEAD").strip(), "0" * 40):
        tags = {"pixmill.commit": commit, RECORDED: '{"accuracy": [0.9, 0.8, 1.0]}'}
        number = registry.register(str(project), run=None, model_id=None, tags=tags)
        registry.move("champion", number)
    roll_back(workspace, to=1, because="dark images")
    later, earlier = Using(project).versions()["versions"]
    assert (earlier["aliases"], later["aliases"]) == (["champion"], [])
    assert earlier["metrics"]["accuracy"] == [0.9, 0.8, 1.0]
    assert earlier["subject"] == git(project, "log", "-1", "--format=%s").strip()
    assert later["subject"] is None
    assert later["taken_back"]["because"] == "dark images"
