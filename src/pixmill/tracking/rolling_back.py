"""Roll back: point an alias to an earlier version."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.words import printable
from pixmill.tracking.delivery import WEIGHTS
from pixmill.tracking.model_versions import (
    ALIAS,
    CAME_BACK,
    CHAMPION,
    TAKEN_BACK,
    ModelVersion,
    Registry,
    RollbackRecord,
    check_alias,
    options,
    previous_of,
    who,
)
from pixmill.tracking.store import local_registry


@dataclass(frozen=True)
class Rollback:
    """A completed rollback.

    Args:
        name: The registered model.
        alias: The alias that moved.
        number: Its current version.
        former: Its former version.
        previous: The current version of ``previous``, if any.
        warnings: Warnings about steps that failed afterwards.
    """

    name: str
    alias: str
    number: int
    former: int
    previous: int | None
    warnings: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return the outcome in a sentence."""
        if self.number == self.former:
            return f"Nothing to do: {self.alias} of {self.name} is version {self.number} already."
        earlier = f"version {self.previous}" if self.previous else "none"
        return (
            f"Rolled back: {self.alias} of {self.name} is version {self.number} again, instead of "
            f"version {self.former}; {previous_of(self.alias)} is {earlier}."
        )


def roll_back(
    workspace: Workspace,
    *,
    to: int | None = None,
    name: str | None = None,
    alias: str = CHAMPION,
    because: str | None = None,
) -> Rollback:
    """Let an alias name the version that its own one replaced, or another one.

    Nothing is compared: that version was in use before, and now is no time to wait.

    Args:
        workspace: The project's workspace.
        to: The version; default: the one that the present one replaced.
        name: Of the registered model; default: the project's.
        alias: The alias.
        because: Why, in the person's own words.

    Raises:
        PixmillError: There is no such version, or another process was faster, or MLflow does not
            respond.
    """
    check_alias(alias)
    registry = Registry(workspace, name)
    now = registry.aliases().get(alias)
    if now is None:
        raise PixmillError(
            f"{registry.name} has no {alias}, so there is nothing to roll "
            f"back{local_registry(registry.store)}",
            next=f"pixmill promote{options(name, alias)}",
        )
    target = _target(registry, registry.require(now), alias, to)
    if target.number == now:
        return Rollback(registry.name, alias, now, now, *registry.finish(alias))
    by = who(workspace.root)
    listing = f"pixmill models{options(name)}"
    registry.check_still(alias, now, listing)
    registry.move(alias, target.number)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    why = because and printable(because, instead=" ")[:1000]
    previous, warnings = registry.finish(alias)
    try:
        registry.tag(target.number, CAME_BACK, json.dumps(asdict(RollbackRecord(at, by, now, why))))
        registry.tag(
            now, TAKEN_BACK, json.dumps(asdict(RollbackRecord(at, by, target.number, why)))
        )
    except PixmillError as error:
        warnings += (f"the rollback is not recorded in the versions' tags: {error.message}",)
    registry.check_still(alias, target.number, listing)
    return Rollback(registry.name, alias, target.number, now, previous, warnings)


def rolled_back(registry: Registry, alias: str) -> list[tuple[ModelVersion, RollbackRecord]]:
    """Return the versions of an alias that were rolled back, with that rollback.

    Not if the model was promoted since.

    A model that is promoted again is a new version with the same weights.

    Args:
        registry: Registry of the model.
        alias: The alias.
    """
    found = []
    kept: dict[str | None, str] = {}  # the last promotion that was not rolled back, by weights
    for version in registry.versions(f"tags.`{ALIAS}` = '{alias}'"):
        taken = version.rollback(TAKEN_BACK)
        came = version.rollback(CAME_BACK)
        weights = version.tags.get(WEIGHTS, version.model_id)
        if taken and (came is None or came.at < taken.at):
            found += [(version, taken)] if kept.get(weights, "") < taken.at else []
        elif version.is_shown:
            kept.setdefault(weights, version.promoted)
    return found


def _target(registry: Registry, current: ModelVersion, alias: str, to: int | None) -> ModelVersion:
    number = current.replaces if to is None else to
    listing = f"pixmill models{options(registry.name)}"
    if number is None:
        raise PixmillError(
            f"version {current.number} of {registry.name} replaced none, so there is none to roll "
            "back to",
            next=f"{listing} lists others, for pixmill rollback --to VERSION; to have none in "
            f"production, delete the alias {alias} in MLflow",
        )
    target = registry.require(number)
    if (other := target.tags.get(ALIAS, alias)) != alias:
        raise PixmillError(
            f"version {number} of {registry.name} was promoted as {printable(other)}, and never "
            f"compared as {alias}",
            next=f"pixmill promote models:/{registry.name}/{number}{options(None, alias)}",
        )
    if not target.is_shown:
        raise PixmillError(f"version {number} of {registry.name} was never promoted", next=listing)
    return target
