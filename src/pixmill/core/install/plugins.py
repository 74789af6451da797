"""Plugins: a project's sources, checks, augmentations and backbones, loaded by name."""

import importlib
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

from blake3 import blake3

from pixmill.core.errors import PluginError
from pixmill.core.install.pyproject import GROUPS, read_project
from pixmill.core.provenance.code import code_digest

_TARGET = re.compile(r"(\w+)\.(\w+)((?:\.\w+)*):(\w+)")

_KEYS = {
    "sources": "scrape.source",
    "checks": "validate.plugins",
    "augmentations": "train.augmentation.plugin",
    "backbones": "train.backbone.name",
}
"""The param that names a plugin, by kind."""


class _Place(NamedTuple):
    """The location of a plugin's code."""

    module: str
    attribute: str
    folder: Path
    file: Path


def load_plugin(kind: str, name: str, root: Path) -> Any:
    """Import a plugin of the project, whose ``src`` is added to ``sys.path``.

    Exceptions that the plugin's code raises on import propagate.

    Args:
        kind: One of :data:`pixmill.core.install.pyproject.GROUPS`.
        name: Name of the entry point.
        root: The project's folder.

    Returns:
        The class or function.

    Raises:
        PluginError: The plugin is not registered, is not in its stage's folder, or does not exist.
    """
    place = _place(kind, name, root)
    if (src := str((root / "src").resolve())) not in sys.path:
        sys.path.insert(0, src)
    try:
        module = importlib.import_module(place.module)
    except Exception as error:
        error.add_note(
            f"{place.file} is the {kind[:-1]} '{name}' of pyproject.toml. After a fix: pixmill "
            "doctor --quick"
        )
        raise
    if Path(module.__file__ or "").resolve() != place.file.resolve():
        raise PluginError(
            f"Python imports {place.module} from {module.__file__}, not from {place.file}",
            next="rename the package in src/, whose name is taken, and edit pyproject.toml",
        )
    if not callable(plugin := getattr(module, place.attribute, None)):
        raise PluginError(
            (
                f"{place.file} has no function or class '{place.attribute}', the {kind[:-1]} "
                f"'{name}' "
                "of pyproject.toml"
            ),
            next=f"edit {place.file} or pyproject.toml, then: pixmill doctor --quick",
        )
    return plugin


def plugin_digest(kind: str, name: str, root: Path) -> str:
    """Return a digest of all files in the folder of a plugin's stage, without comments.

    Args:
        kind: One of :data:`pixmill.core.install.pyproject.GROUPS`.
        name: Name of the entry point.
        root: The project's folder.

    Raises:
        PluginError: The plugin is not registered or is not in its stage's folder.
    """
    place = _place(kind, name, root)
    files = sorted(
        path
        for path in place.folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    digest = blake3(f"{place.module}:{place.attribute}\n".encode())
    for path in files:
        digest.update(f"{path.relative_to(place.folder).as_posix()}\n".encode())
        digest.update(code_digest([path]).encode() if path.suffix == ".py" else path.read_bytes())
    return digest.hexdigest(length=16)


def plugin_error(kind: str, name: str, root: Path, problem: str) -> PluginError:
    """Return an error about a plugin that breaks its interface.

    Args:
        kind: One of :data:`pixmill.core.install.pyproject.GROUPS`.
        name: Name of the entry point.
        root: The project's folder.
        problem: The problem, in the form "expected …, received …".
    """
    file = _place(kind, name, root).file.relative_to(root).as_posix()
    return PluginError(
        f"the {kind[:-1]} '{name}' ({file}): {problem}",
        next=f"edit {file}, then: dvc repro {GROUPS[kind]}",
    )


def _place(kind: str, name: str, root: Path) -> _Place:
    registered = read_project(root).plugins.get(kind, {})
    stage = GROUPS[kind]
    what = kind[:-1]
    if name not in registered:
        known = f"it registers {', '.join(registered) or 'none'}"
        package = next(
            (path.parent.name for path in sorted((root / "src").glob(f"*/{stage}"))), "<package>"
        )
        raise PluginError(
            f"{_KEYS[kind]}: pyproject.toml registers no {what} '{name}'; {known}",
            next=f'add to pyproject.toml:\n[project.entry-points."pixmill.{kind}"]\n'
            f'{name} = "{package}.{stage}.<file without .py>:<function or class>"',
        )
    match = _TARGET.fullmatch(str(registered[name]))
    if match is None or match[2] != stage:
        raise PluginError(
            f"pyproject.toml: expected '<package>.{stage}.<file>:<name>' for the {what} '{name}', "
            "received "
            f"{registered[name]!r}",
            next=f"move its file to src/<package>/{stage}/, which dvc.yaml lists as a dependency, "
            "and edit "
            "pyproject.toml, then: pixmill doctor --quick",
        )
    package, _, rest, attribute = match.groups()
    folder = root / "src" / package / stage
    below = folder.joinpath(*rest.split(".")[1:])
    file = (
        below.with_name(f"{below.name}.py")
        if rest and not below.is_dir()
        else below / "__init__.py"
    )
    if not file.is_file():
        raise PluginError(
            f"{file} is missing: pyproject.toml registers it as the {what} '{name}'",
            next="put it there or edit pyproject.toml, then: pixmill doctor --quick",
        )
    return _Place(f"{package}.{stage}{rest}", attribute, folder, file)
