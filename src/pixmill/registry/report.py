"""The versions of a registered model as a table and as JSON, and the champion in a line."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pixmill.compare.description import NONE, ComparisonTable
from pixmill.compare.numbers import METRIC_NAMES
from pixmill.compare.text import draw_table, wrap
from pixmill.core.workspace import Workspace
from pixmill.record.store import database_file, view_hint
from pixmill.registry.model_versions import (
    CHAMPION,
    COMMIT,
    COMPARISON,
    GATE,
    LOCK,
    RECORDED,
    VERDICT,
    ModelVersion,
    Registry,
)
from pixmill.registry.promoting import Promotion


def versions_text(registry: Registry, versions: list[ModelVersion], metric: str) -> str:
    """Return the versions as a table, newest first, with why each is in use or was.

    Args:
        registry: Their registered model.
        versions: Those to show.
        metric: The one that decides: ``review.metric``.
    """
    if not versions:
        return f"{registry.name} has no version in MLflow.\nNext: pixmill promote"
    headings = ("version", "alias", "since", "verdict", "gate", f"{METRIC_NAMES[metric]} (CI)", "MB")
    rows = tuple(
        (
            str(version.number),
            ", ".join(version.aliases) or NONE,
            _local(version.move["at"]),
            version.tags.get(VERDICT, NONE).replace("_", " "),
            version.tags.get(GATE, NONE),
            _limits(read_recorded(version).get(metric)),
            _number(read_recorded(version).get("megabytes"), 1),
        )
        for version in versions
    )
    heading, *lines = draw_table(ComparisonTable(headings, rows))
    text = [f"{registry.name} in MLflow; to see it: {view_hint(registry.store)}", "", heading]
    for version, line in zip(versions, lines, strict=True):
        text += [line, *wrap(_details(version), "      ")]
    return "\n".join(text)


def _details(version: ModelVersion) -> str:
    """Return what a version came from, by whom and why, in a line."""
    recorded, move = read_recorded(version), version.move
    parts = [f"commit {version.tags[COMMIT][:7]}" if COMMIT in version.tags else "registered by another tool"]
    if (accuracy := _limits(recorded.get("accuracy"))) != NONE:
        parts.append(f"accuracy {accuracy}")
    if move["from"]:
        parts.append(f"came back instead of version {move['from']}")
    if move["by"]:
        parts.append(f"by {move['by'].partition(' <')[0]}")
    return f"{', '.join(parts)}{_reason(move)}"


def versions_json(registry: Registry, versions: list[ModelVersion]) -> str:
    """Return the versions as one JSON object, described in ``docs/registry.md``.

    Args:
        registry: Their registered model.
        versions: Those to show.
    """
    return json.dumps({"name": registry.name, "versions": [as_document(version) for version in versions]}, indent=2)


def promotion_json(done: Promotion) -> str:
    """Return a promotion as one JSON object, described in ``docs/registry.md``."""
    document = {
        "name": done.name,
        "alias": done.alias,
        "version": done.number,
        "replaces": done.former,
        "moved": done.moved,
        "verdict": done.comparison.verdict,
        "gate": done.comparison.gate.result,
        "sentence": done.comparison.sentence,
        "warnings": done.warnings,
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_document(version: ModelVersion) -> dict[str, Any]:
    """Return a version as a JSON object."""
    recorded, tags = read_recorded(version), version.tags
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        **{key: version.move[key] for key in ("at", "by", "because")},
        "rolled_back_from": version.move["from"],
        "replaces": version.replaces,
        "commit": tags.get(COMMIT),
        "dvc_lock": tags.get(LOCK),
        "run": version.run,
        "verdict": tags.get(VERDICT),
        "gate": tags.get(GATE),
        "metrics": {key: value for key, value in recorded.items() if key != "megabytes"},
        "megabytes": recorded.get("megabytes"),
        "comparison": _object(tags.get(COMPARISON)),
    }


def read_recorded(version: ModelVersion) -> dict[str, Any]:
    """Return the metrics that a version was promoted with, each with its limits; empty for versions of other tools."""
    return _object(version.tags.get(RECORDED)) or {}


@dataclass(frozen=True)
class Champion:
    """The model in production.

    Args:
        name: Of the registered model.
        number: Its version.
        at: Since when, in UTC.
        by: By whom; ``None`` if unknown.
    """

    name: str
    number: int
    at: str
    by: str | None

    def describe(self) -> str:
        """Return it in a line."""
        by = f", by {self.by.partition(' <')[0]}" if self.by else ""
        return f"{self.name} version {self.number}, since {_local(self.at)}{by}"


def read_champion(workspace: Workspace) -> Champion | None:
    """Return the model in production; ``None`` if there is none.

    The database of a project is asked whether there is one before MLflow is imported, which takes seconds.

    Args:
        workspace: The project's workspace.

    Raises:
        PixmillError: MLflow does not respond.
    """
    registry = Registry(workspace)
    file = database_file(registry.store)
    if file is not None and not _has_champion(file, registry.name):
        return None
    number = registry.aliases().get(CHAMPION)
    version = None if number is None else registry.get(number)
    if version is None:
        return None
    return Champion(registry.name, version.number, version.move["at"], version.move["by"])


def _has_champion(file: Path, name: str) -> bool:
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as store,
    ):
        query = "SELECT 1 FROM registered_model_aliases WHERE name = ? AND alias = ?"
        return store.execute(query, [name, CHAMPION]).fetchone() is not None
    return False


def _object(text: str | None) -> dict[str, Any] | None:
    """Return a tag's JSON object; ``None`` for anything else that another tool may have put there."""
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _metric_name(key: str) -> str:
    return f"{METRIC_NAMES[key]} (CI)"


def _limits(values: Any) -> str:
    if not isinstance(values, list) or len(values) != 3 or _number(values[0]) == NONE:
        return NONE
    value, low, high = map(_number, values)
    return f"{value} ({low} to {high})"


def _number(value: Any, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) and math.isfinite(value) else NONE


def _local(text: Any) -> str:
    """Return when something was, in the time of this machine."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M")
    except (TypeError, ValueError):
        return NONE


def _reason(move: Mapping[str, Any]) -> str:
    return f": {move['because']}" if move["because"] else ""
