"""MLflow's tracking store: its URI, availability and clients."""

from __future__ import annotations

import logging
import os
import re
import sqlite3
import threading
import warnings
from collections.abc import Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import read_project

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_TIMEOUT_SECONDS = 3
"""Timeout of the first check of a database."""

_TIMEOUT_OPTIONS = {
    "sqlite": "timeout",
    "postgresql": "connect_timeout",
    "mysql": "connect_timeout",
}
"""Name of the timeout option by kind of database."""

_IMPORT = threading.Lock()

_DEFAULTS = {
    # Detect a server that is down within seconds instead of minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "PGCONNECT_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


_FIXES = {
    "locked": (
        "end the process that locks it, or wait for it, then repeat the command (to find it: lsof "
        "{file})"
    ),
    "missing or not writable": "create that folder, or unset MLFLOW_TRACKING_URI",
    "filesystem tracking backend": "unset MLFLOW_TRACKING_URI, or set it to a server or a "
    "database such as sqlite:///mlflow.db; mlflow migrate-filestore copies the runs of a folder",
    "database schema": (
        "back it up, then: mlflow db upgrade '{uri}'; if that fails, install a newer MLflow"
    ),
}
"""Fix by a word of the error of MLflow or the database."""


RECORD_AGAIN = "dvc repro -f -s train evaluate"
"""The command that records a run; ``dvc repro`` alone does nothing while the results are up to
date."""


class StoreError(PixmillError):
    """A store that is not available.

    Args:
        message: Predicate of a sentence about the store, such as ``does not respond (Connection
            refused)``.
        next: The fix.
    """


def tracking_uri(workspace: Workspace) -> str:
    """Return ``MLFLOW_TRACKING_URI``, the project's server, or the project's database.

    The server is ``mlflow`` in ``[tool.pixmill]`` of ``pyproject.toml``. The database is not in the
    temporary copy of ``dvc exp run --temp``, which is deleted.

    Raises:
        ParamsError: ``pyproject.toml`` is not valid.
        PixmillError: MLflow cannot use a database in this folder.
    """
    if server := os.environ.get("MLFLOW_TRACKING_URI") or read_project(workspace.root).mlflow:
        return server
    home = workspace.home.resolve()
    # Encoding does not help: MLflow makes the folders of the encoded path.
    if "?" in str(home) or unquote(str(home)) != str(home):
        raise PixmillError(
            f"the path {home} has a ? or a % before a number, and MLflow would open a database "
            "elsewhere",
            next="rename that folder, or set MLFLOW_TRACKING_URI to a server",
        )
    return f"sqlite:///{(home / 'mlflow.db').as_posix()}"


def experiment_name(root: Path) -> str:
    """Return ``MLFLOW_EXPERIMENT_NAME``, or the project's name.

    Args:
        root: The project's folder.

    Raises:
        ParamsError: ``pyproject.toml`` is not valid.
    """
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or read_project(root).name or "pixmill"


def view_hint(uri: str) -> str:
    """Return the URL of the server, or the command that serves the database."""
    if uri.startswith(("http:", "https:")):
        return without_password(uri)
    path = database_file(uri)
    if path is not None and path.parent == Path.cwd().resolve():
        uri = f"sqlite:///{path.name}"
    return f"mlflow ui --backend-store-uri {without_password(uri)}"


def local_registry(uri: str) -> str:
    """Return a remark in parentheses, after a space, on a registry that teammates do not see.

    Empty for a server.
    """
    file = database_file(uri)
    shared = (
        "a team shares a server: set mlflow in [tool.pixmill] of pyproject.toml, or "
        "MLFLOW_TRACKING_URI"
    )
    return f" (the registry is {file.name} on this machine only; {shared})" if file else ""


def without_password(uri: str) -> str:
    """Return a tracking URI without user and password, for messages."""
    return re.sub(r"//[^/@]*@", "//", uri)


def line_of(error: BaseException) -> str:
    """Return an error's type and root cause in one line, since MLflow's messages repeat the URL."""
    return f"{type(error).__name__}: {_cause_of(error)}"[:300]


def database_file(uri: str) -> Path | None:
    """Return the file of an SQLite database; ``None`` for other stores."""
    scheme, _, rest = uri.partition("://")
    path = Path(rest.partition("?")[0].removeprefix("/"))
    return path if scheme.startswith("sqlite") and path.name not in ("", ":memory:") else None


def check_store(uri: str) -> None:
    """Send a cheap request with a short timeout to a store.

    MLflow's client would retry a database for minutes.

    Raises:
        StoreError: The store is not available.
    """
    path = database_file(uri)
    try:
        if uri.startswith(("http:", "https:")):
            _client(uri).search_experiments(max_results=1)
        elif path is not None and not path.exists():
            if not os.access(path.parent, os.W_OK):
                raise OSError(f"{path.parent} is missing or not writable")
        elif not uri.startswith("databricks"):
            if timeout := _TIMEOUT_OPTIONS.get(re.split(r"\W", uri)[0]):
                _open_database(uri, timeout)
            _client(uri)  # MLflow refuses folders, and databases that another version of it made.
    except Exception as error:
        cause = _cause_of(error)
        advice = (
            "start the server (mlflow server), or check its log, MLFLOW_TRACKING_URI and the "
            "credentials"
        )
        if path is not None:
            advice = f"mv {quote(str(path))} {quote(f'{path}.broken')}"
        for word, fix in _FIXES.items():
            if word in cause:
                advice = fix.format(uri=without_password(uri), file=path)
        raise StoreError(f"does not respond ({cause.partition('. ')[0]})", next=advice) from error


def connect(uri: str) -> MlflowClient:
    """Return a client of an available store; a missing SQLite database is created.

    Args:
        uri: The tracking URI.

    Raises:
        StoreError: The store is not available.
    """
    check_store(uri)
    return _client(uri)


def search_runs(client: MlflowClient, query: str, **options: Any) -> list[Run]:
    """Search the runs of all experiments.

    Args:
        client: The store.
        query: Query of MLflow, such as ``attributes.status = 'RUNNING'``.
        options: Options of ``MlflowClient.search_runs``.
    """
    return list(client.search_runs(experiment_ids(client), query, **options))


def tagged_runs(workspace: Workspace, tag: str) -> list[tuple[str, str, int, str]]:
    """Return id, name, start (ms since 1970) and value of each run with a tag, newest first.

    Errors of SQLite are raised, as of a damaged database.

    Raises:
        PixmillError: The store is not available.
    """
    uri = tracking_uri(workspace)
    if not (file := database_file(uri)):
        runs = search_runs(
            connect(uri), f"tags.`{tag}` != ''", order_by=["attributes.start_time DESC"]
        )
        return [
            (run.info.run_id, run.info.run_name or "", run.info.start_time, run.data.tags[tag])
            for run in runs
        ]
    if not file.exists():
        return []
    query = (
        "FROM runs JOIN tags USING (run_uuid) WHERE key = ? AND lifecycle_stage = 'active' "
        "ORDER BY start_time DESC"
    )
    return read_database(file, f"SELECT run_uuid, name, start_time, value {query}", [tag])


def read_database(file: Path, query: str, values: Sequence[str]) -> list[Any]:
    """Return the rows of a query without MLflow, whose import takes four seconds.

    Args:
        file: Database of SQLite.
        query: The query.
        values: Values of its placeholders.

    Raises:
        sqlite3.Error: The database is missing, locked or damaged, or MLflow has not made its
            tables.
    """
    with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(query, values).fetchall()


def experiment_ids(client: MlflowClient) -> list[str]:
    """Return the ids of all experiments of a store."""
    return [
        experiment.experiment_id for experiment in client.search_experiments(max_results=50_000)
    ]


def model_ids(run: Run) -> list[str]:
    """Return the ids of the models that a run logged."""
    return sorted(output.model_id for output in (run.outputs.model_outputs if run.outputs else ()))


def quiet_mlflow() -> None:
    """Set MLflow's logging and timeouts for this process.

    Variables that are already set take precedence.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # They set the levels of their loggers on import. Two threads that import MLflow at the same time
    # leave it broken for good, since its modules import each other.
    with _IMPORT:
        import mlflow

        if find_spec("sqlalchemy"):  # mlflow-skinny, of `registry`, works with servers only
            import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for logger in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # A warning for authors of model code, here MLflow itself.
    warnings.filterwarnings(
        "ignore", message=".*type hint is inferred as AnyType", category=UserWarning
    )


def _client(uri: str) -> MlflowClient:
    quiet_mlflow()
    from mlflow import MlflowClient

    return MlflowClient(uri)


def _open_database(uri: str, timeout: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        uri, connect_args={timeout: _TIMEOUT_SECONDS}, poolclass=sqlalchemy.pool.NullPool
    )
    with engine.connect() as connection:
        # SQLite rolls back the unfinished transaction of a killed process.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if uri.startswith("sqlite") else "SELECT 1")


def _cause_of(error: BaseException) -> str:
    """Return the root cause of an error in a few words."""
    while (
        below := error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    ) is not None:
        error = below
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
