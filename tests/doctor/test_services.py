import contextlib
import http.server
import socket
import sqlite3
import threading

import pytest

from pixmill.doctor import State
from pixmill.doctor.services import look_at_browser, look_at_mlflow, look_at_network


@pytest.fixture
def server():
    """A server that is well where it is asked how it is, and knows nothing else."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path in {"/health", "/status"} else 404)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_server_that_keeps_runs_is_asked(tmp_path, server):
    (found,) = look_at_mlflow(tmp_path, {"MLFLOW_TRACKING_URI": server})
    assert (found.state, found.words) == (State.OK, server)


def test_a_name_and_a_password_are_no_part_of_the_server_s_name(tmp_path, server):
    uri = server.replace("//", "//me:secret@")
    (found,) = look_at_mlflow(tmp_path, {"MLFLOW_TRACKING_URI": uri})
    assert (found.state, found.words) == (State.OK, server)


@pytest.mark.parametrize("path", ["", "/elsewhere"])
def test_a_server_that_does_not_answer_is_a_warning_without_its_password(tmp_path, server, path):
    uri = f"{server}{path}" if path else "http://me:secret@127.0.0.1:9"
    (found,) = look_at_mlflow(tmp_path, {"MLFLOW_TRACKING_URI": uri})
    assert found.state is State.WARNING
    assert found.next
    assert "secret" not in found.words


def test_a_database_of_this_project_needs_no_server(tmp_path):
    (found,) = look_at_mlflow(tmp_path, {})
    assert (found.state, found.words) == (State.OK, f"sqlite:///{(tmp_path / 'mlflow.db').as_posix()}")
    sqlite3.connect(tmp_path / "mlflow.db").close()
    (found,) = look_at_mlflow(tmp_path, {})
    assert found.state is State.OK


def test_a_database_whose_writer_was_killed_in_the_middle_is_well(tmp_path, half_written):
    (found,) = look_at_mlflow(tmp_path, {})
    assert found.state is State.OK
    with contextlib.closing(sqlite3.connect(half_written)) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (0,)


@pytest.mark.parametrize("uri", ["", "sqlite:///mlflow.db", "sqlite+pysqlite:///mlflow.db?timeout=30"])
def test_a_database_that_is_none_is_bad(tmp_path, uri):
    (tmp_path / "mlflow.db").write_text("no database, by no means and at no time" * 30)
    (found,) = look_at_mlflow(tmp_path, {"MLFLOW_TRACKING_URI": uri})
    assert found.state is State.BAD
    assert found.next.startswith("mv ")


def test_a_browser_that_is_missing_says_what_mends_it(tmp_path):
    (found,) = look_at_browser({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    assert (found.state, found.next) == (State.BAD, "pixmill browser --install")


def test_a_grid_is_asked(server):
    (found,) = look_at_browser({"PIXMILL_WEBDRIVER_URL": server})
    assert (found.state, found.words) == (State.OK, f"Chromium or Chrome of the grid {server}")
    (found,) = look_at_browser({"PIXMILL_WEBDRIVER_URL": "http://127.0.0.1:9"})
    assert found.state is State.BAD


def test_the_network_is_there_or_not(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as here:
        monkeypatch.setattr("pixmill.doctor.services._PUBLIC", here.getsockname())
        assert [found.state for found in look_at_network()] == [State.OK]
    assert [found.state for found in look_at_network()] == [State.WARNING]


def test_a_name_server_that_never_answers_costs_bounded_time(monkeypatch):
    release = threading.Event()
    monkeypatch.setattr("pixmill.doctor.services._SECONDS", 0.2)
    monkeypatch.setattr("pixmill.doctor.services._reaches", lambda _: release.wait(30))
    (found,) = look_at_network()
    release.set()
    assert found.state is State.WARNING
