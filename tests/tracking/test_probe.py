"""A store that cannot take anything is known within seconds, and why."""

from __future__ import annotations

import http.server
import socket
import threading

import pytest

from pixmill.tracking import probe
from pixmill.tracking.probe import silence_of
from tests.ports import unused_port


@pytest.fixture
def answering():
    """Serve this status to every request."""
    servers = []

    def serve(status):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("status", [200, 401, 404])
def test_a_server_that_says_anything_is_there(answering, status):
    assert silence_of(answering(status)) is None


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_without_its_server_is_not(answering, status):
    assert silence_of(answering(status)).startswith(f"it says {status} ")


@pytest.mark.parametrize("scheme", ["http", "postgresql", "mysql+pymysql"])
def test_where_nobody_listens_nobody_is(scheme):
    assert "refused" in silence_of(f"{scheme}://user:secret@127.0.0.1:{unused_port()}/runs")


def test_one_that_accepts_and_never_answers_is_not_there(monkeypatch):
    monkeypatch.setattr(probe, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert silence_of(f"http://127.0.0.1:{silent.getsockname()[1]}") == "it does not answer"


def test_a_database_that_listens_is_there():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert silence_of(f"postgresql://127.0.0.1:{listening.getsockname()[1]}/runs") is None


def test_a_file_that_is_a_database_or_can_become_one_will_do(store):
    assert silence_of(store.uri) is None
    assert silence_of(f"sqlite:///{store.workspace.home}/new.db") is None
    assert silence_of("sqlite://") is None


def test_a_database_whose_writer_was_killed_in_the_middle_will_do(half_written):
    assert silence_of(f"sqlite:///{half_written}") is None


def test_a_file_that_is_none_is_named(store):
    store.break_()
    assert silence_of(store.uri) == "file is not a database"
    assert "is not there" in silence_of(f"sqlite:///{store.workspace.home}/absent/mlflow.db")
    assert silence_of(f"sqlite:///{store.workspace.home}") is not None


def test_of_other_places_mlflow_knows_best():
    assert silence_of("databricks") is None
