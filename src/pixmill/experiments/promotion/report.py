"""Versions of a registered model as a table and as JSON, and the model in production."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from pixmill.core.files.workspace import Workspace
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.promotion.promoting import Promotion
from pixmill.pages.page import iso_time, render_text
from pixmill.tracking import model_versions
from pixmill.tracking.model_lookup import COMMIT
from pixmill.tracking.model_versions import ModelVersion, Registry, options, read_object
from pixmill.tracking.rolling_back import rolled_back
from pixmill.tracking.store import local_registry, view_hint


def versions_text(
    registry: Registry, versions: list[ModelVersion], metric: str, name: str | None
) -> str:
    """Return the versions as a table, newest first, with the reasons for promotions and rollbacks.

    Args:
        registry: Registry of the model.
        versions: Versions to show.
        metric: ``compare.metric``.
        name: Name of the model, if given by the user.
    """
    if not versions:
        local = local_registry(registry.store)
        return (
            f"{registry.name} has no version in MLflow{local}.\nNext: pixmill "
            f"promote{options(name)}"
        )
    return render_text(
        "pixmill.experiments.promotion",
        "versions.txt",
        name=registry.name,
        hint=view_hint(registry.store),
        metric=metric,
        metric_name=METRIC_NAMES[metric],
        versions=[as_document(version) for version in versions],
    )


def _since(version: ModelVersion) -> str:
    """Return the time when a version was last put into production."""
    record = version.rollback(model_versions.CAME_BACK)
    return max(version.promoted, record.at) if record else version.promoted


def versions_json(registry: Registry, versions: list[ModelVersion]) -> str:
    """Return the versions as one JSON object, described in ``docs/reference/json.md``.

    Args:
        registry: Registry of the model.
        versions: Versions to show.
    """
    return json.dumps(
        {"name": registry.name, "versions": [as_document(version) for version in versions]},
        indent=2,
    )


def promotion_json(done: Promotion) -> str:
    """Return a promotion as one JSON object, described in ``docs/reference/json.md``."""
    compared = done.comparison
    document = {
        "name": done.name,
        "alias": done.alias,
        "version": done.number,
        "replaces": done.former,
        "moved": compared is not None,
        "verdict": compared and compared.verdict,
        "gate": compared and compared.gate.result,
        "sentence": compared and compared.sentence,
        "warnings": done.warnings,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_document(version: ModelVersion) -> dict[str, Any]:
    """Return a version as a JSON object."""
    recorded = read_object(version.tags.get(model_versions.RECORDED)) or {}
    rollbacks = {
        name: version.rollback(tag)
        for name, tag in (
            ("came_back", model_versions.CAME_BACK),
            ("taken_back", model_versions.TAKEN_BACK),
        )
    }
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "since": _since(version),
        "promoted": version.promoted,
        "by": version.text(model_versions.BY),
        "because": version.text(model_versions.BECAUSE),
        "forced": version.text(model_versions.FORCED),
        "accepted": version.text(model_versions.ACCEPTED),
        "replaces": version.replaces,
        **{name: None if record is None else asdict(record) for name, record in rollbacks.items()},
        "commit": version.text(COMMIT),
        "run": version.run,
        "verdict": version.text(model_versions.VERDICT),
        "gate": version.text(model_versions.GATE),
        "metrics": {key: value for key, value in recorded.items() if isinstance(value, list)},
        **{key: recorded.get(key) for key in ("n", "confidence", "megabytes")},
    }


@dataclass(frozen=True)
class Champion:
    """The model in production.

    Args:
        name: Name of the registered model.
        number: Version.
        at: Time of the promotion, in UTC.
        by: Person who promoted it; ``None`` if unknown.
        commit: Commit that it was promoted from; ``None`` if unknown.
        rolled_back: Commits of models that were rolled back, and are not offered again.
    """

    name: str
    number: int
    at: str
    by: str | None
    commit: str | None = None
    rolled_back: tuple[str | None, ...] = ()

    def describe(self) -> str:
        """Return name, version, time and person as one line."""
        by = f", by {self.by.partition(' <')[0]}" if self.by else ""
        return f"{self.name} version {self.number}, since {iso_time(self.at)}{by}"


def read_champion(workspace: Workspace) -> Champion | None:
    """Return the model in production; ``None`` if there is none.

    Args:
        workspace: Workspace of the project.

    Raises:
        PixmillError: MLflow does not respond.
    """
    registry = Registry(workspace)
    number = registry.champion()
    if number is None or (version := registry.get(number)) is None:
        return None
    gone = tuple(each.text(COMMIT) for each, _ in rolled_back(registry, model_versions.CHAMPION))
    return Champion(
        registry.name, number, _since(version), version.moved_by, version.text(COMMIT), gone
    )
