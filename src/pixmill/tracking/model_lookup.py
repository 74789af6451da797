"""Find models in MLflow by name, and download their files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.tracking.relocation import require_unmoved
from pixmill.tracking.store import (
    RECORD_AGAIN,
    StoreError,
    check_store,
    database_file,
    line_of,
    quiet_mlflow,
    tracking_uri,
    without_password,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel, Run

MODEL = "classifier"
_FILES = "artifacts/classifier"
"""Name of a run's model that takes the bytes of images, and the folder of its files within the
model."""

COMMIT = "pixmill.commit"
"""Tag of runs and model versions with a commit; that of a version includes the results."""

STATE = "pixmill.promotion"
DONE = "done"
"""Tag of versions that ``pixmill promote`` registers, and its value after the alias has moved."""

_FORMS = "models:/NAME/VERSION, models:/NAME@ALIAS, models:/MODEL_ID or runs:/RUN_ID"


@dataclass(frozen=True)
class MlflowModel:
    """A model in MLflow.

    Args:
        uri: The URI by which it was found.
        store: The tracking URI.
        location: Location of its files.
        key: Its id, valid as a file name; equal for equal files.
        name: Name in the registry, or name of its run.
        version: Version in the registry, if any.
        promoted: Time of its registration in seconds since 1970, if any.
        run: Id of its run, if known.
        commit: The commit of its training.
        metrics: The metrics of its run on the test split.
    """

    uri: str
    store: str
    location: str
    key: str
    name: str
    version: str | None = None
    promoted: float | None = None
    run: str | None = None
    commit: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def resolve(uri: str, workspace: Workspace) -> MlflowModel:
    """Return the model that a URI currently names.

    Args:
        uri: ``models:/<name>/<version>``, ``models:/<name>@<alias>``, ``models:/<model id>``, or
            ``runs:/<run id>``, which takes the run's newest model ``classifier``.
        workspace: Workspace whose database is the default store.

    Raises:
        PixmillError: There is no such model, or MLflow does not respond.
    """
    store = tracking_uri(workspace)
    with store_errors(uri, store):
        require_unmoved(workspace)
        client = open_store(store)
        if match := re.fullmatch(r"models:/(m-[0-9a-f]{32})", uri):
            return _from_logged_model(client, uri, store, client.get_logged_model(match[1]))
        if match := re.fullmatch(r"runs:/([^/]+)(?:/([^/]+))?/?", uri):
            return _from_logged_model(
                client, uri, store, _of_run(client, uri, match[1], match[2] or MODEL)
            )
        if match := re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@([^/@]+))", uri):
            return _from_registry(client, uri, store, *match.groups())
    raise PixmillError(f"'{uri}' does not name a model in MLflow", next=f"write {_FORMS}")


def fetch(found: MlflowModel, folder: Path) -> Path:
    """Return the folder with a classifier's files, downloaded unless it is there already.

    Only these files are fetched, and nothing in them is code.

    Args:
        found: The model.
        folder: Where they go.

    Raises:
        PixmillError: It is no model of Pixmill's, or MLflow does not respond.
    """
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".part-", dir=folder.parent) as name,
        store_errors(found.uri, found.store),
    ):
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        repository = get_artifact_repository(found.location, tracking_uri=found.store)
        if not repository.list_artifacts(_FILES):
            raise PixmillError(
                f"{found.uri} is not a model '{MODEL}' of Pixmill (it may be the run's 'keras')",
                next=f"write {_FORMS}",
            )
        files = Path(repository.download_artifacts(_FILES, name))
        try:
            files.rename(folder)
        except OSError:
            # Another process may have been faster.
            if not folder.exists():
                raise
    return folder


def open_store(store: str) -> MlflowClient:
    """Return a client of an existing store; nothing is created.

    Args:
        store: The tracking URI.

    Raises:
        PixmillError: There is no database yet, or it is locked, or the server does not respond
            within seconds.
    """
    path = database_file(store)
    if path is not None and not path.exists():
        raise PixmillError(
            f"there is no MLflow database {path}, and Git does not share those of teammates",
            next=f"set MLFLOW_TRACKING_URI to the team's server, or train here: {RECORD_AGAIN}",
        )
    quiet_mlflow()
    if path is not None:
        import sqlalchemy  # noqa: F401 (the small MLflow of the extra `registry` would call the database unsupported)
    if path is None or os.access(path, os.W_OK):
        check_store(store)
    from mlflow import MlflowClient

    return MlflowClient(store, store)


def _from_registry(
    client: MlflowClient, uri: str, store: str, name: str, version: str | None, alias: str | None
) -> MlflowModel:
    if alias is not None:
        entry = client.get_model_version_by_alias(name, alias)
    else:
        entry = client.get_model_version(name, version)
    own = {
        "name": name,
        "version": str(entry.version),
        "promoted": entry.creation_timestamp / 1000,
    }
    own |= {"commit": entry.tags[COMMIT]} if COMMIT in entry.tags else {}
    if model_id := model_id_of(entry):
        logged = _from_logged_model(client, uri, store, client.get_logged_model(model_id))
        return MlflowModel(**vars(logged) | own)
    location = client.get_model_version_download_uri(name, entry.version)
    key = hashlib.sha256(location.encode()).hexdigest()[:32]
    run = client.get_run(entry.run_id) if entry.run_id else None
    return MlflowModel(uri, store, location, key, **_facts(run) | own)


def model_id_of(entry: Any) -> str | None:
    """Return the id of the model of an entry of MLflow's registry, if it has one."""
    # With a database, only the source has the id.
    source = re.fullmatch(r"models:/(m-[0-9a-f]{32})", entry.source or "")
    return entry.model_id or (source[1] if source else None)


def list_models(client: MlflowClient, run: Run) -> list[LoggedModel]:
    """Return the models that a run logged and nobody deleted."""
    query = f"source_run_id = '{run.info.run_id}'"
    return list(client.search_logged_models([run.info.experiment_id], filter_string=query))


def newest_model(models: Iterable[LoggedModel], name: str) -> LoggedModel | None:
    """Return the newest of the models with a name; ``None`` if there is none."""
    named = (model for model in models if model.name == name)
    return max(named, key=lambda model: model.creation_timestamp, default=None)


def _of_run(client: MlflowClient, uri: str, run_id: str, name: str) -> LoggedModel:
    if found := newest_model(list_models(client, client.get_run(run_id)), name):
        return found
    raise PixmillError(f"{uri}: the run has no model '{name}'", next=f"write {_FORMS}")


def _from_logged_model(
    client: MlflowClient, uri: str, store: str, model: LoggedModel
) -> MlflowModel:
    run = client.get_run(model.source_run_id) if model.source_run_id else None
    name = run.info.run_name if run and run.info.run_name else model.name
    return MlflowModel(uri, store, model.artifact_location, model.model_id, name, **_facts(run))


def _facts(run: Run | None) -> dict[str, Any]:
    """Return id, commit and test metrics of a run."""
    if run is None:
        return {}
    given = run.data.metrics
    tags = run.data.tags
    metrics = {
        name.removeprefix("test_"): value
        for name, value in given.items()
        if name.startswith("test_")
    }
    return {"run": run.info.run_id, "commit": tags.get(COMMIT), "metrics": metrics}


@contextlib.contextmanager
def store_errors(uri: str, store: str) -> Iterator[None]:
    """Turn exceptions of MLflow into messages.

    Args:
        uri: Prefix of the message, such as the model's URI; may be empty.
        store: The tracking URI.

    Raises:
        PixmillError: For any exception of the block.
    """
    try:
        yield
    except StoreError as error:
        raise PixmillError(
            f"MLflow at {without_password(store)} {error.message}", next=error.next
        ) from error
    except (PixmillError, KeyboardInterrupt):
        raise
    except Exception as error:
        # Backends raise exceptions of any type. The command names missing packages of extras.
        if isinstance(error, ModuleNotFoundError) and error.name in ("mlflow", "sqlalchemy"):
            raise
        what = f"{uri}: " if uri else ""
        raise PixmillError(
            f"{what}MLflow at {without_password(store)} reports: {line_of(error)}",
            next="check the name and MLFLOW_TRACKING_URI, or: pixmill doctor",
        ) from error
