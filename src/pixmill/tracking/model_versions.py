"""A registered model in MLflow: versions, aliases and tags."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import read_project
from pixmill.core.words import printable
from pixmill.tracking.model_lookup import DONE, STATE, model_id_of, open_store, store_errors
from pixmill.tracking.store import database_file, read_database, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
"""The alias of the model in production."""

ALIAS = "pixmill.alias"
"""Tag with the alias that a version was registered for; versions of other tools lack it."""

PENDING = "pending"
"""Value of :data:`STATE` before the alias has moved."""

REPLACES = "pixmill.replaces"
"""Tag with the previous version of the alias, if any."""

PENDING_SECONDS = 30.0
"""Age of a pending version, by MLflow's clock, after which its process counts as dead."""

BY = "pixmill.by"
BECAUSE = "pixmill.because"
VERDICT = "pixmill.verdict"
GATE = "pixmill.gate"
RECORDED = "pixmill.recorded"
FORCED = "pixmill.forced"
ACCEPTED = "pixmill.accepted"
"""Tags with the refusal and the doubt despite which a version was promoted: worse; undecided, or
rolled back before."""

CAME_BACK = "pixmill.came_back"
TAKEN_BACK = "pixmill.taken_back"
"""Tags with the last rollback to or from a version: ``at``, ``by``, ``version`` (the other one) and
``because`` in JSON.
"""

_NAME = re.compile(r"[^/:@'\"`\\]{1,200}")
_ALIAS = re.compile(r"[A-Za-z][\w-]{0,99}", re.ASCII)


@dataclass(frozen=True)
class ModelVersion:
    """A version of a registered model.

    Args:
        number: Version number, from 1.
        aliases: Its aliases.
        created: Time of registration in seconds since 1970.
        source: Location of its files, such as ``models:/m-…``.
        model_id: Id of its model in MLflow, if any.
        run: Id of its run, if any.
        tags: Its tags.
    """

    number: int
    aliases: tuple[str, ...]
    created: float
    source: str
    model_id: str | None
    run: str | None
    tags: Mapping[str, str]

    @property
    def is_shown(self) -> bool:
        """Whether its promotion was completed."""
        return bool(self.aliases) or self.tags.get(STATE, DONE) == DONE

    @property
    def replaces(self) -> int | None:
        """The previous version of its alias, if known."""
        text = self.tags.get(REPLACES, "")
        return int(text) if re.fullmatch(r"[1-9][0-9]{0,9}", text) else None

    @property
    def promoted(self) -> str:
        """Time of registration, in UTC."""
        return datetime.fromtimestamp(self.created, UTC).isoformat(timespec="seconds")

    def text(self, tag: str) -> str | None:
        """Return a tag on one line, without control characters.

        ``None`` if it is empty or missing.
        """
        return printable(self.tags.get(tag, ""), instead=" ") or None

    @property
    def moved_by(self) -> str | None:
        """The person who put it into production last; ``None`` if unknown."""
        record = self.rollback(CAME_BACK)
        return record.by if record else self.text(BY)

    def rollback(self, tag: str) -> RollbackRecord | None:
        """Return the rollback in a tag; ``None`` if the tag is missing or malformed."""
        match read_object(self.tags.get(tag)):
            case {
                "at": str(at),
                "by": str(by),
                "version": int(version),
                "because": str() | None as because,
            }:
                reason = because and printable(because, instead=" ")
                return RollbackRecord(printable(at), printable(by), version, reason)
        return None


def read_object(text: str | None) -> dict[str, Any] | None:
    """Parse a tag's JSON object; ``None`` for anything else."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class RollbackRecord:
    """A rollback: UTC time, user, the other version, and reason."""

    at: str
    by: str
    version: int
    because: str | None


class Registry:
    """A registered model; each method queries MLflow.

    Args:
        workspace: Workspace whose database is the default store.
        name: Name of the registered model; default: the project's name.

    Raises:
        PixmillError: MLflow does not accept the name. From each method: MLflow does not respond.
    """

    def __init__(self, workspace: Workspace, name: str | None = None) -> None:
        self.name = name or read_project(workspace.root).name or "pixmill"
        if not _NAME.fullmatch(self.name) or not self.name.isprintable():
            raise PixmillError(
                f"'{printable(self.name[:50])}' cannot name a model: up to 200 characters, "
                "none of / : @ \\ or quotes",
                next="write a name such as garments",
            )
        self.store = tracking_uri(workspace)

    @cached_property
    def client(self) -> MlflowClient:
        """The client of MLflow."""
        return open_store(self.store)

    def aliases(self) -> dict[str, int]:
        """Return the version number of each alias; empty if the model does not exist."""
        from mlflow.exceptions import MlflowException

        with self._errors():
            try:
                found = self.client.get_registered_model(self.name)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
            return {alias: int(number) for alias, number in (found.aliases or {}).items()}

    def champion(self) -> int | None:
        """Return the version in production; ``None`` if there is none."""
        file = database_file(self.store)
        if file is None:
            return self.aliases().get(CHAMPION)
        if not file.exists():
            return None
        query = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
        try:
            rows = read_database(file, query, [self.name, CHAMPION])
        except sqlite3.Error:
            return self.aliases().get(CHAMPION)  # MLflow says what is wrong with its database.
        return rows[0][0] if rows else None

    def versions(self, query: str = "") -> list[ModelVersion]:
        """Return the versions, newest first.

        Args:
            query: Additional condition in MLflow's language, such as ``tags.`pixmill.alias` =
                'champion'``.
        """
        named: dict[int, list[str]] = {}
        for alias, number in self.aliases().items():
            named.setdefault(number, []).append(alias)
        with self._errors():
            found = []
            token = None
            while True:
                condition = f"name = '{self.name}'" + (f" and {query}" if query else "")
                page = self.client.search_model_versions(
                    condition, max_results=200, page_token=token
                )
                found += [_version(entry, named.get(int(entry.version), [])) for entry in page]
                if not (token := page.token):
                    return sorted(found, key=lambda version: -version.number)

    def get(self, number: int) -> ModelVersion | None:
        """Return a version; ``None`` if it does not exist."""
        from mlflow.exceptions import MlflowException

        with self._errors():
            try:
                entry = self.client.get_model_version(self.name, str(number))
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
            return _version(entry, entry.aliases)

    def require(self, number: int) -> ModelVersion:
        """Return a version.

        Raises:
            PixmillError: The version does not exist.
        """
        if (found := self.get(number)) is None:
            raise PixmillError(
                f"{self.name} has no version {number}", next=f"pixmill models{options(self.name)}"
            )
        return found

    def register(
        self, source: str, *, run: str | None, model_id: str | None, tags: Mapping[str, str]
    ) -> int:
        """Register a version with its tags in one step, and return its number."""
        from mlflow.exceptions import MlflowException

        with self._errors(), _environment(self.store):
            try:
                self.client.create_registered_model(self.name)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            entry = self.client.create_model_version(
                self.name, source, run, dict(tags), model_id=model_id
            )
            return int(entry.version)

    def tag(self, number: int, key: str, value: str) -> None:
        """Set a tag of a version."""
        with self._errors():
            self.client.set_model_version_tag(self.name, str(number), key, value)

    def move(self, alias: str, number: int | None) -> None:
        """Point an alias to a version, or delete the alias."""
        with self._errors():
            if number is None:
                self.client.delete_registered_model_alias(self.name, alias)
            else:
                self.client.set_registered_model_alias(self.name, alias, str(number))

    def delete(self, number: int) -> None:
        """Delete a version without aliases; its model stays with its run."""
        with self._errors():
            self.client.delete_model_version(self.name, str(number))

    def finish(self, alias: str) -> tuple[int | None, tuple[str, ...]]:
        """Mark the version of an alias as promoted, and point ``previous`` to the one it replaced.

        If the process is killed after moving the alias, the next command does this.

        Returns:
            The previous version, and a warning if MLflow failed.
        """
        try:
            named = self.aliases()
            current = self.get(named[alias]) if alias in named else None
            if current is None:
                return None, ()
            if current.tags.get(STATE, DONE) != DONE:
                self.tag(current.number, STATE, DONE)
            former = current.replaces
            if former is not None and self.get(former) is None:
                former = None
            if named.get(previous_of(alias)) != former:
                self.move(previous_of(alias), former)
            return former, ()
        except PixmillError as error:
            return None, (
                f"{previous_of(alias)} may not be set yet, which the next move does: "
                f"{error.message}",
            )

    def check_still(self, alias: str, expected: int | None, command: str) -> None:
        """Check that an alias still points to a version: MLflow has no compare-and-set.

        Args:
            alias: The alias.
            expected: The version, if any.
            command: The command to repeat.

        Raises:
            PixmillError: Another process has moved the alias.
        """
        now = self.aliases().get(alias)
        if now == expected:
            return
        self.finish(alias)
        if now is None:
            raise PixmillError(f"{alias} of {self.name} was removed meanwhile", next=command)
        found = self.get(now)
        by = found.moved_by if found else None
        who_moved = f", by {by}" if by else ""
        raise PixmillError(
            f"{alias} of {self.name} is version {now} meanwhile{who_moved}", next=command
        )

    def move_pending(self, alias: str, number: int, seen: int | None, command: str) -> None:
        """Point an alias to a pending version, unless another process was faster.

        Of several concurrent promotions, the lowest version wins: all others see it pending, or the
        alias moved.

        Args:
            alias: The alias.
            number: The version that this process registered.
            seen: The version that it was compared with, if any.
            command: The command to repeat.

        Raises:
            PixmillError: Another process was faster, and the version is deleted; or MLflow failed,
                and it stays pending.
        """
        query = f"tags.`{STATE}` = '{PENDING}' and tags.`{ALIAS}` = '{alias}'"
        pending = self.versions(query)
        own = next((version.created for version in pending if version.number == number), 0.0)
        lower = [
            other
            for other in pending
            if other.number < number and not other.aliases and own - other.created < PENDING_SECONDS
        ]
        try:
            # After listing, since a version that is no longer pending has moved the alias.
            self.check_still(alias, seen, command)
            if lower:
                by = lower[-1].text(BY) or "another process"
                message = f"{by} promotes version {lower[-1].number} of {self.name} at this moment"
                raise PixmillError(message, next=command)
        except PixmillError:
            with contextlib.suppress(PixmillError):
                self.delete(number)
            raise
        self.move(alias, number)
        self.check_still(alias, number, command)

    def _errors(self) -> contextlib.AbstractContextManager[None]:
        return store_errors(f"models:/{self.name}", self.store)


def check_alias(alias: str) -> str:
    """Return the alias if it is valid.

    Raises:
        PixmillError: MLflow does not accept it, or it is a ``previous`` alias.
    """
    if not _ALIAS.fullmatch(alias) or alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias):
        raise PixmillError(
            f"'{printable(alias[:50])}' cannot be an alias: letters, digits, - and _, but not "
            "latest or v1",
            next="write an alias such as champion or staging",
        )
    if alias == "previous" or alias.startswith("previous-"):
        raise PixmillError(
            f"the alias {alias} follows {alias.partition('-')[2] or CHAMPION}",
            next="to move it back: pixmill rollback",
        )
    return alias


def previous_of(alias: str) -> str:
    """Return the alias of the previous version.

    >>> previous_of("champion"), previous_of("staging")
    ('previous', 'previous-staging')
    """
    return "previous" if alias == CHAMPION else f"previous-{alias}"


def options(name: str | None, alias: str = CHAMPION) -> str:
    """Return the options of a command for a model and an alias, without defaults."""
    return (f" --name {quote(name)}" if name else "") + (
        f" --alias {alias}" if alias != CHAMPION else ""
    )


def who(root: Path) -> str:
    """Return the current user: in CI the person who started the job, else Git's identity.

    Args:
        root: The project's folder.
    """
    from pixmill.core.repository.git import git

    for variable in ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if actor := os.environ.get(variable):
            return actor
    identity = (git(root, "var", "GIT_AUTHOR_IDENT") or "").rpartition(">")[0]
    return printable(f"{identity}>" if identity else getpass.getuser())


def _version(entry: Any, aliases: list[str]) -> ModelVersion:
    return ModelVersion(
        number=int(entry.version),
        aliases=tuple(sorted(aliases)),
        created=entry.creation_timestamp / 1000,
        source=entry.source or "",
        model_id=model_id_of(entry),
        run=entry.run_id or None,
        tags=dict(entry.tags),
    )


@contextlib.contextmanager
def _environment(store: str) -> Iterator[None]:
    """Set the store in the environment, by which MLflow looks up a version's model."""
    former = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = store
    try:
        yield
    finally:
        if former is None:
            del os.environ["MLFLOW_TRACKING_URI"]
        else:
            os.environ["MLFLOW_TRACKING_URI"] = former
