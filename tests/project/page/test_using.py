"""Exports, the served page and the versions on the card *Use the model*."""

import sys

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.project.page.jobs import Job
from pixmill.project.page.using import Using
from pixmill.tracking.model_versions import RECORDED, Registry
from pixmill.tracking.rolling_back import roll_back
from tests.version_control import PERSON
from tests.waiting import until

LINK = "http://192.168.1.5:8000/"


@pytest.mark.parametrize("key", ["", "#key=secret"])
def test_a_link_with_a_key_has_a_code(key, tmp_path):
    using = Using(tmp_path)
    code = f"print('{LINK}{key}', 'a code', sep='\\n')"
    using.serve = Job(tmp_path, "pixmill serve", [sys.executable, "-c", code])
    using.serve.start()
    shown = until(lambda: (now := using.document()["serve"])["status"] == 0 and now)
    assert shown["log"].splitlines()[0] == LINK + key
    assert (shown["code"] or "").startswith("data:image/svg+xml") == bool(key)


def test_versions_and_back_to_one(project, empty_database, monkeypatch):
    for name, value in PERSON.items():
        monkeypatch.setenv(name, value)
    (project / "mlflow.db").write_bytes(empty_database.read_bytes())
    workspace = Workspace(project, project)
    registry = Registry(workspace)
    for _ in range(2):
        tags = {RECORDED: '{"accuracy": [0.9, 0.8, 1.0]}'}
        number = registry.register(str(project), run=None, model_id=None, tags=tags)
        registry.move("champion", number)
    roll_back(workspace, to=1, because="dark images")
    later, earlier = Using(project).versions()["versions"]
    assert (earlier["aliases"], later["aliases"]) == (["champion"], [])
    assert earlier["metrics"]["accuracy"] == [0.9, 0.8, 1.0]
    assert later["taken_back"]["because"] == "dark images"
