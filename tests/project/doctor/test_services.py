import json
import sqlite3
from pathlib import Path

import pytest

from pixmill.project.doctor import Status
from pixmill.project.doctor.services import check_browser, check_mlflow
from tests.servers import Handler, serve


@pytest.fixture
def server():
    """A server that is well where it is asked how it is, and knows nothing else."""
    slot = {"stereotype": {"browserName": "chrome"}, "session": None}
    status = {"value": {"ready": True, "nodes": [{"availability": "UP", "slots": [slot]}]}}
    known = {"/api/2.0/mlflow/experiments/search": "", "/status": json.dumps(status)}

    class Services(Handler):
        def respond(self):
            asked = self.path.partition("?")[0]
            self.answer(known.get(asked, ""), 200 if asked in known else 404)

    with serve(Services) as server:
        yield f"http://127.0.0.1:{server.server_port}"


def test_a_project_file_that_cannot_be_read_is_bad(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.pixmill]\nmlflow = 5\n")
    (finding,) = check_mlflow(tmp_path)
    assert (finding.status, finding.next) == (Status.BAD, "edit pyproject.toml")
    assert "tool.pixmill.mlflow: expected an address, received 5" in finding.message


def test_a_server_that_keeps_runs_is_asked(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    (finding,) = check_mlflow(tmp_path)
    assert (finding.status, finding.message) == (Status.OK, server)


def test_a_name_and_a_password_are_no_part_of_the_server_s_name(tmp_path, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("//", "//me:secret@"))
    (finding,) = check_mlflow(tmp_path)
    assert (finding.status, finding.message) == (Status.OK, server)


@pytest.mark.parametrize("path", ["", "/elsewhere"])
def test_a_server_that_does_not_answer_is_a_warning_without_its_password(tmp_path, server, path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"{server}{path}" if path else "http://me:secret@127.0.0.1:9")
    (finding,) = check_mlflow(tmp_path)
    assert finding.status is Status.WARNING
    assert finding.next
    assert "secret" not in finding.message


def test_a_database_of_this_project_needs_no_server(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (finding,) = check_mlflow(tmp_path)
    assert (finding.status, finding.message) == (Status.OK, f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    sqlite3.connect(tmp_path / "mlflow.db").close()
    (finding,) = check_mlflow(tmp_path)
    assert finding.status is Status.OK


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "sqlite+pysqlite:///mlflow.db?timeout=30"])
def test_a_database_that_is_none_is_bad(tmp_path, uri, monkeypatch):
    (tmp_path / "mlflow.db").write_text("no database, by no means and at no time" * 30)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    (finding,) = check_mlflow(tmp_path)
    assert finding.status is Status.BAD
    assert finding.next.startswith("mv ")


def test_a_browser_that_is_missing_says_names_the_command_that_installs_one(tmp_path, monkeypatch):
    manager = tmp_path / "selenium-manager"
    manager.write_text("""#!/bin/sh\necho '{"logs": [], "result": {"code": 0, "message": ""}}'""")
    manager.chmod(0o755)
    monkeypatch.setenv("SE_MANAGER_PATH", str(manager))
    (finding,) = check_browser(Path())
    assert (finding.status, finding.next) == (Status.BAD, "pixmill browser --install")


def test_a_remote_driver_is_asked(server, monkeypatch):
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", server)
    (finding,) = check_browser(Path())
    assert (finding.status, finding.message) == (Status.OK, f"Chromium or Chrome by the remote driver {server}")
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", "http://127.0.0.1:9")
    (finding,) = check_browser(Path())
    assert finding.status is Status.BAD
