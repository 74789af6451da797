"""Where MLflow keeps runs, and whether it answers."""

from __future__ import annotations

import logging
import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from pixmill.core.errors import PixmillError
from pixmill.core.workspace import Workspace

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["StoreError", "check_store", "connect", "database_file", "line_of", "quiet_mlflow", "shown", "tracking_uri"]

_SECONDS = 3
"""Within which a store must answer, at first."""

_TIMEOUT = {"sqlite": "timeout", "postgresql": "connect_timeout", "mysql": "connect_timeout"}
"""What each kind of database calls the limit on that."""

_DEFAULTS = {
    # A server that is down or silent is noticed within seconds instead of minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "PGCONNECT_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class StoreError(PixmillError):
    """Say why a store takes no runs now.

    Args:
        message: The predicate of a sentence about it, such as ``does not answer (Connection refused)``.
        next: What a person can do about it.
    """


def tracking_uri(workspace: Workspace) -> str:
    """Return ``MLFLOW_TRACKING_URI``, or the database in the repository's own root.

    The root is ``DVC_ROOT``: a database in the temporary copy of ``dvc exp run --temp`` would be deleted with it.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(workspace.home.resolve() / 'mlflow.db').as_posix()}"


def shown(uri: str) -> str:
    """Return a tracking URI without user and password, for messages."""
    return re.sub(r"//[^/@]*@", "//", uri)


def line_of(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def database_file(uri: str) -> Path | None:
    """Return the file of a database of SQLite; ``None`` where it is in memory, or another kind of store."""
    scheme, _, rest = uri.partition("://")
    path = Path(rest.partition("?")[0].removeprefix("/"))
    return path if scheme.startswith("sqlite") and path.name not in ("", ":memory:") else None


def check_store(uri: str) -> None:
    """Ask a store for something cheap, and wait for it shortly: MLflow's own client tries for minutes.

    Raises:
        StoreError: It takes no runs now.
    """
    path = database_file(uri)
    try:
        if uri.startswith(("http:", "https:")):
            _ask_server(uri)
        elif path is not None and not path.exists():
            if not os.access(path.parent, os.W_OK):
                raise OSError(f"{path.parent} is missing or not writable")
        elif timeout := _TIMEOUT.get(re.split(r"\W", uri)[0]):
            _open_database(uri, timeout)
    except StoreError:
        raise
    except Exception as error:
        cause = _cause_of(error)
        advice = "start it (mlflow server)"
        if path is not None:
            advice = "end the process that holds it" if "locked" in cause else f"mv '{path}' '{path}.broken'"
        raise StoreError(f"does not answer ({cause})", next=advice) from error


def connect(uri: str) -> MlflowClient:
    """Return MLflow's client of a store that answers; a database of SQLite that is absent is made.

    Args:
        uri: Where runs are kept.

    Raises:
        StoreError: It takes no runs now.
    """
    from mlflow import MlflowClient

    check_store(uri)
    try:
        if path := database_file(uri):
            _make_database(path)
        return MlflowClient(uri)
    except Exception as error:
        raise StoreError(f"cannot be used ({line_of(error)})", next="see docs/tracking.md") from error


def quiet_mlflow() -> None:
    """Keep MLflow quiet and quick to give up in this process. A variable that is set outside wins."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    # They set their loggers' levels when they are imported.
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for logger in ("mlflow", "alembic", "urllib3.connectionpool"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)
    # Said to the author of a model's code, which here is MLflow.
    warnings.filterwarnings("ignore", message=".*type hint is inferred as AnyType", category=UserWarning)


def _ask_server(uri: str) -> None:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request

    # With the credentials and certificates that MLflow's client has, since /health answers anybody.
    response = http_request(
        get_default_host_creds(uri.rstrip("/")),
        "/api/2.0/mlflow/experiments/search?max_results=1",
        "GET",
        max_retries=0,
        raise_on_status=False,
        timeout=_SECONDS,
    )
    if response.status_code != 200:
        raise StoreError(
            f"answers {response.status_code} {response.reason}",
            next="set MLFLOW_TRACKING_URI, and for a server that asks who you are MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        )


def _open_database(uri: str, timeout: str) -> None:
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, connect_args={timeout: _SECONDS}, poolclass=sqlalchemy.pool.NullPool)
    with engine.connect() as connection:
        # SQLite takes back here what a killed process was in the middle of.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if uri.startswith("sqlite") else "SELECT 1")


def _make_database(path: Path) -> None:
    """Make a database that comes into its place whole.

    MLflow makes its tables in hundreds of steps: a file in which a kill left half of them is of no use for ever.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if path.exists():
        return
    # Names that .gitignore has too (/mlflow.db*): a new file would be a change of the code to Git.
    with filelock.FileLock(path.with_name(f"{path.name}.lock")):
        if not path.exists():
            temporary = path.with_name(f"{path.name}.part")
            temporary.unlink(missing_ok=True)
            SqlAlchemyStore(f"sqlite:///{temporary.as_posix()}", "./mlruns").engine.dispose()
            temporary.replace(path)


def _cause_of(error: BaseException) -> str:
    """Return in a few words what lies at the bottom of an error."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0]
