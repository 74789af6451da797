"""The stages as ``dvc.yaml`` defines them, and which of a project's files are left in a merge conflict."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.state.documents import MalformedError, read_yaml

_MERGED = ("dvc.lock", "dvc.yaml", "params.yaml", "pixmill.lock", "data.dvc", "review.csv")
"""What people and runs change on several branches."""

_MARK = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)


@dataclass(frozen=True)
class StageDefinition:
    """A stage of ``dvc.yaml``.

    Args:
        name: Its name.
        command: Its command or commands.
        deps: The files and folders that it reads.
        params: The keys that it reads by file; no key stands for the whole file.
        outs: What it writes.
        tracked: Those of ``outs`` that Git has and DVC's cache has not.
        is_frozen: Whether DVC does not look at what it reads.
        is_template: Whether only DVC can tell what it means, as with ``foreach``, ``${...}`` or params in Python.
    """

    name: str
    command: Any
    deps: tuple[str, ...] = ()
    params: tuple[tuple[str, tuple[str, ...]], ...] = ()
    outs: tuple[str, ...] = ()
    tracked: frozenset[str] = frozenset()
    is_frozen: bool = False
    is_template: bool = False


def find_conflicts(root: Path, *others: str) -> list[str]:
    """Return which of a project's files hold the marks of a merge conflict.

    Args:
        root: The project's folder.
        others: Files to look at besides those that people and runs change on several branches.
    """
    files = [name for name in dict.fromkeys([*_MERGED, *others]) if (root / name).is_file()]
    return [name for name in files if _MARK.search((root / name).read_bytes())]


def read_definitions(root: Path) -> dict[str, StageDefinition]:
    """Return the stages of ``dvc.yaml`` by name, in its order.

    Args:
        root: The project's folder.

    Raises:
        MalformedError: It is no such file.
    """
    path = root / "dvc.yaml"
    stages = read_yaml(path.read_bytes() if path.is_file() else b"", "dvc.yaml").get("stages") or {}
    if not isinstance(stages, dict):
        raise MalformedError("is malformed: stages is no mapping")
    try:
        return {str(name): _definition(str(name), stage) for name, stage in stages.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise MalformedError(f"is malformed: {error}") from None


def _definition(name: str, stage: Mapping[str, Any]) -> StageDefinition:
    if {"foreach", "matrix", "wdir"} & {*stage} or "${" in str(stage):
        return StageDefinition(name, None, is_template=True)
    outs = [_path(entry) for kind in ("outs", "metrics", "plots") for entry in stage.get(kind) or ()]
    params: dict[str, tuple[str, ...]] = {}
    for entry in stage.get("params") or ():
        for file, keys in entry.items() if isinstance(entry, dict) else [("params.yaml", [entry])]:
            params[file] = (*params.get(file, ()), *map(str, keys or ()))
    if any(file.endswith((".py", ".toml")) for file in params):  # DVC takes all others for YAML.
        return StageDefinition(name, None, is_template=True)
    return StageDefinition(
        name,
        stage.get("cmd"),
        tuple(_path(entry)[0] for entry in stage.get("deps") or ()),
        tuple(params.items()),
        tuple(path for path, _ in outs),
        frozenset(path for path, options in outs if options.get("cache") is False),
        bool(stage.get("frozen")),
    )


def _path(entry: Any) -> tuple[str, Mapping[str, Any]]:
    """Return an entry of ``deps`` or ``outs``: a path, alone or with options."""
    if isinstance(entry, str):
        return entry, {}
    ((path, options),) = entry.items()
    return str(path), options or {}
