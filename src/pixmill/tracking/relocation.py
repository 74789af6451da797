"""Let MLflow's database, which has absolute paths, follow a project that was moved or copied."""

import sqlite3
from contextlib import closing
from pathlib import Path
from shlex import quote
from urllib.parse import unquote, urlsplit

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.process.progress import announce
from pixmill.core.words import count
from pixmill.tracking.store import (
    StoreError,
    database_file,
    experiment_name,
    read_database,
    tracking_uri,
)

_TIMEOUT_SECONDS = 3

_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Columns with absolute addresses; MLflow has no API that changes them."""


def local_path(address: str) -> Path | None:
    """Return the path of an artifact address; ``None`` if it is not on this machine."""
    if address.startswith("file:"):
        return Path(unquote(urlsplit(address).path))
    return Path(address) if Path(address).is_absolute() else None


def require_unmoved(workspace: Workspace) -> None:
    """Check that the database does not name files in another folder.

    Raises:
        StoreError: The project was moved or copied since.
    """
    former = former_homes(workspace)
    if former:
        raise StoreError(
            f"names files in {former[0]}, from where the project was moved or copied",
            next="pixmill doctor --fix",
        )


def former_homes(workspace: Workspace) -> list[Path]:
    """Return the folders where the project was, by the locations of its experiments.

    A location that a user chose elsewhere stays, and so does that of another project which uses
    this database. Whoever uses a locked or damaged database reports it.
    """
    home = workspace.home.resolve()
    file = home / "mlflow.db"
    # Behind a link is the database of another project.
    if database_file(tracking_uri(workspace)) != file or not file.is_file() or file.is_symlink():
        return []
    query = "SELECT experiment_id, name, artifact_location FROM experiments"
    try:
        experiments = read_database(file, query, [])
    except sqlite3.Error:
        return []
    found = (_former_home(home, *experiment) for experiment in experiments)
    return sorted({each for each in found if each is not None})


def _former_home(home: Path, key: int, name: str, location: str | None) -> Path | None:
    """Return the folder where the project was by an experiment.

    ``None`` if it is none of the project's.
    """
    path = local_path(location or "")
    if path is None or path.parent.name != "mlruns" or path.name not in (name, str(key)):
        return None
    old = path.parents[1]
    is_here = (home / "mlruns" / path.name).exists()
    if path.name == name == experiment_name(home):
        # Gone with the project, or a copy of it.
        is_here |= not path.exists() or (old / "mlflow.db").exists()
    return old if old != home and is_here else None


def follow_move(workspace: Workspace) -> None:
    """Point the addresses in ``mlflow.db`` to this folder if the project was moved or copied.

    Raises:
        PixmillError: The database cannot be written.
    """
    former = former_homes(workspace)
    if not former:
        return
    home = workspace.home.resolve()
    places: dict[Path, Path] = {}

    def correct(address: str | None) -> str | None:
        path = local_path(address or "")
        for old in former:
            if path is not None and path.is_relative_to(old / "mlruns"):
                places[path] = home / path.relative_to(old)
                return places[path].as_uri()
        return address

    file = home / "mlflow.db"
    try:
        with closing(sqlite3.connect(file, timeout=_TIMEOUT_SECONDS)) as database, database:
            database.create_function("correct", 1, correct)
            for table, column in _ADDRESSES:
                if column in {row[1] for row in database.execute(f"PRAGMA table_info({table})")}:
                    database.execute(f"UPDATE {table} SET {column} = correct({column})")  # noqa: S608 (constants)
    except sqlite3.Error as error:
        raise PixmillError(
            f"the addresses of a moved project in {file} cannot be corrected: {error}",
            next=f"end the process that uses it (to find it: lsof {quote(str(file))}), then: "
            "pixmill doctor --fix",
        ) from None
    origin = ", ".join(map(str, former))
    corrected = count(len(places), "address", "addresses")
    announce(f"MLflow: the project was moved or copied from {origin}; {corrected} corrected")
    if any(path.exists() and not place.exists() for path, place in places.items()):
        commands = [
            f"cp -an {quote(f'{old}/mlruns/.')} {quote(f'{home}/mlruns')}" for old in former
        ]
        announce(
            f"warning: some files of runs are only there; to copy them: {' && '.join(commands)}"
        )
