"""What a project says of itself in ``pyproject.toml``: its name, its MLflow server and its plugins."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.errors import ParamsError

GROUPS = {"sources": "scrape", "checks": "validate", "augmentations": "train", "backbones": "train"}
"""The kinds of plugins, and the stage of each; ``pixmill.<kind>`` is the group of their entry points."""


@dataclass(frozen=True)
class Project:
    """What ``pyproject.toml`` says of a project.

    Args:
        name: The project's name; empty where ``pyproject.toml`` has none.
        mlflow: The address of the team's MLflow server, from ``[tool.pixmill]``; ``None``: a local database.
        plugins: By kind and name, ``module:attribute``.
    """

    name: str = ""
    mlflow: str | None = None
    plugins: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_project(root: Path) -> Project:
    """Return what ``pyproject.toml`` says, or an empty project where there is none.

    Entry points are read from the file, so that a plugin works without ``pip install``, and a temporary copy made by
    ``dvc exp run --temp`` uses its own.

    Args:
        root: The project's folder.

    Raises:
        ParamsError: The file is not valid.
    """
    path = root / "pyproject.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        project, tool = content.get("project", {}), content.get("tool", {}).get("pixmill", {})
        groups = project.get("entry-points", {})
        plugins = {kind: dict(groups.get(f"pixmill.{kind}", {})) for kind in GROUPS}
        if not isinstance(server := tool.get("mlflow", ""), str):
            raise ValueError(f"tool.pixmill.mlflow: expected an address, received {server!r}")
        return Project(project.get("name", ""), server or None, plugins)
    except FileNotFoundError:
        return Project()
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ParamsError(f"{path} is not valid: {error}", next="edit pyproject.toml") from None
