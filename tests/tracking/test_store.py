"""A store that takes nothing is known within seconds, and why, and what to do."""

import contextlib
import signal
import sqlite3
import subprocess
import sys

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.tracking import store as store_module
from pixmill.tracking.model_lookup import open_store
from pixmill.tracking.store import (
    StoreError,
    check_store,
    tracking_uri,
    view_hint,
    without_password,
)
from tests.servers import Handler, serve


@pytest.fixture
def answering():
    """Serve a status to every request.

    401 unless the user is ``me`` with the password ``secret``.
    """
    with contextlib.ExitStack() as running:

        def start(status):
            class Store(Handler):
                def respond(self):
                    known = self.headers.get("Authorization") == "Basic bWU6c2VjcmV0"
                    known = known or status == 200
                    self.answer(b"{}" if known else b"no", status=200 if known else status)

            return f"http://127.0.0.1:{running.enter_context(serve(Store)).server_port}"

        yield start


def trouble_of(uri):
    """Return the error of a store that takes no runs, or None."""
    try:
        check_store(uri)
    except StoreError as error:
        return error
    return None


def test_a_server_that_answers_takes_runs(answering):
    assert trouble_of(answering(200)) is None


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_server_that_refuses_says_how_and_takes_credentials(answering, status, monkeypatch):
    uri = answering(status)
    assert f"{status}" in trouble_of(uri).message
    assert "the credentials" in trouble_of(uri).next
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "secret")
    assert trouble_of(uri) is None


_KILLED_WRITER = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
with database:
    database.execute("CREATE TABLE written (name TEXT)")
database.execute("PRAGMA cache_size = 1")  # writes pages to the file before the transaction ends
database.executemany("INSERT INTO written VALUES (?)", [("run" * 2_000,)] * 100)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_database_whose_writer_was_killed(store):
    assert trouble_of(store.uri) is None
    path = store.workspace.home / "mlflow.db"
    assert (
        subprocess.run([sys.executable, "-c", _KILLED_WRITER, path], check=False).returncode
        == -signal.SIGKILL
    )
    assert path.with_name("mlflow.db-journal").stat().st_size > 0
    assert trouble_of(store.uri) is None
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT count(*) FROM written").fetchone() == (0,)


def test_a_broken_database(store):
    store.break_()
    path = store.workspace.home / "mlflow.db"
    trouble = trouble_of(store.uri)
    assert (trouble.message, trouble.next) == (
        "does not respond (file is not a database)",
        f"mv {path} {path}.broken",
    )
    assert "is missing" in trouble_of(f"sqlite:///{store.workspace.home}/absent/mlflow.db").message


def test_a_folder_and_a_database_of_another_mlflow(store, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE", raising=False)
    for uri in ("./mlruns", f"file://{tmp_path}/mlruns"):
        assert "unset MLFLOW_TRACKING_URI" in trouble_of(uri).next
    with contextlib.closing(sqlite3.connect(store.workspace.home / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    assert f"mlflow db upgrade '{store.uri}'" in trouble_of(store.uri).next


def test_a_locked_database(store, monkeypatch):
    monkeypatch.setattr(store_module, "_TIMEOUT_SECONDS", 0.1)
    with contextlib.closing(sqlite3.connect(store.workspace.home / "mlflow.db")) as database:
        database.execute("BEGIN EXCLUSIVE")
        assert trouble_of(store.uri).message == "does not respond (database is locked)"
        with pytest.raises(StoreError, match="locked") as caught:
            open_store(store.uri)
        assert f"lsof {store.workspace.home}/mlflow.db" in caught.value.next


def test_the_default_is_a_database_in_the_repository_and_not_in_its_temporary_copy(
    tmp_path, monkeypatch
):
    workspace = Workspace(root=tmp_path / "temporary", home=tmp_path / "home")
    assert tracking_uri(workspace) == f"sqlite:///{tmp_path}/home/mlflow.db"
    workspace.root.mkdir()
    (workspace.root / "pyproject.toml").write_text(
        '[tool.pixmill]\nmlflow = "http://team.example.org"\n'
    )
    assert tracking_uri(workspace) == "http://team.example.org"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    assert tracking_uri(workspace) == "http://tracking.example.org"


def test_runs_are_seen_on_the_server_or_with_a_command(tmp_path, monkeypatch):
    assert view_hint("http://me:secret@team.example.org") == "http://team.example.org"
    database = f"sqlite:///{tmp_path}/mlflow.db"
    assert view_hint(database) == f"mlflow ui --backend-store-uri {database}"
    monkeypatch.chdir(tmp_path)
    assert view_hint(database) == "mlflow ui --backend-store-uri sqlite:///mlflow.db"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("postgresql://user:secret@host:5432/runs", "postgresql://host:5432/runs"),
        ("https://token@host/path", "https://host/path"),
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
    ],
)
def test_messages_hold_no_password(uri, expected):
    assert without_password(uri) == expected
