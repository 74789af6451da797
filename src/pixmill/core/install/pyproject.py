"""The project's settings in ``pyproject.toml``: name, MLflow server and plugins."""

import contextlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.errors import ParamsError

GROUPS = {"sources": "scrape", "checks": "validate", "augmentations": "train", "backbones": "train"}
"""Kinds of plugins with their stages; ``pixmill.<kind>`` is the entry-point group."""


@dataclass(frozen=True)
class Project:
    """A project's settings in ``pyproject.toml``.

    Args:
        name: The project's name, or an empty string.
        mlflow: URL of the team's MLflow server, from ``[tool.pixmill]``; ``None`` for a local
            database.
        plugins: ``module:attribute`` by kind and name.
    """

    name: str = ""
    mlflow: str | None = None
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def project_name(root: Path) -> str:
    """Return the name of the project; that of its folder if ``pyproject.toml`` has none.

    Args:
        root: The project's folder.
    """
    with contextlib.suppress(ParamsError):
        if name := read_project(root).name:
            return name
    return root.resolve().name


def read_project(root: Path) -> Project:
    """Read ``pyproject.toml``; without one, return an empty project.

    Entry points are read from the file, so plugins work without ``pip install`` and in the
    temporary copies of ``dvc exp run --temp``.

    Args:
        root: The project's folder.

    Raises:
        ParamsError: The file is not valid.
    """
    path = root / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        project = content.get("project", {})
        tool = content.get("tool", {}).get("pixmill", {})
        groups = project.get("entry-points", {})
        plugins = {kind: dict(groups.get(f"pixmill.{kind}", {})) for kind in GROUPS}
        if not isinstance(server := tool.get("mlflow", ""), str):
            raise ValueError(f"tool.pixmill.mlflow: expected an address, received {server!r}")
        return Project(project.get("name", ""), server or None, plugins)
    except FileNotFoundError:
        return Project()
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ParamsError(f"{path} is not valid: {error}", next="edit pyproject.toml") from None
