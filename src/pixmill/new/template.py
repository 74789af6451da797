"""The files of a new project, from ``template/``.

They lie there as they are in a project, except for tokens such as ``@project@`` and for some names. A leading ``_``
stands for a dot, since packaging tools leave hidden files out, and ``src/package`` for the folder of the project's own
code. The suffix ``.in`` hides ``dvc.yaml`` and ``pyproject.toml`` from tools that look for them in all folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pixmill.core.origin import Origin
from pixmill.core.params.reference import schema

SCHEMA = "params.schema.json"
"""What editors complete and check ``params.yaml`` by."""

_OWN = (".dvc/config", "README.md", "params.yaml", "pyproject.toml", "review.csv", "src/")
"""The files that are the team's from the start."""

_TEMPLATE = Path(__file__).parent / "template"


def render(name: str, package: str, origin: Origin, extras: str = "pipeline") -> dict[str, str]:
    """Return the text of each file of the template, by its path in the project.

    Args:
        name: The project's name.
        package: The package of its own code, an identifier.
        origin: Where the project installs Pixmill from.
        extras: With which extras, such as ``pipeline,heic``.
    """
    requirement = origin.requirement(extras)
    tokens = {
        "@project@": name,
        "@package@": package,
        "@requirement@": requirement,
        "@dependency@": "" if origin.is_path else f'"{requirement}"',
        "@wheel@": before_project(origin, extras),
    }
    files = {SCHEMA: schema()}
    for path in _TEMPLATE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text(encoding="utf-8")
            for token, value in tokens.items():
                text = text.replace(token, value)
            files[_path_of(path.relative_to(_TEMPLATE), package)] = text
    return dict(sorted(files.items()))


def before_project(origin: Origin, extras: str) -> str:
    """Return what ``pip install`` takes before ``-e .``: a wheel, since ``pyproject.toml`` cannot name its path."""
    return f"'{origin.requirement(extras)}' " if origin.is_path else ""


def managed_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return those files of the template that ``pixmill upgrade`` rewrites unless someone edited them.

    Args:
        files: All files of the template, by path.
    """
    return {path: text for path, text in files.items() if not path.startswith(_OWN)}


def _path_of(path: Path, package: str) -> str:
    parts = [f".{part[1:]}" if part[0] == "_" and not part.startswith("__") else part for part in path.parts]
    if parts[:2] == ["src", "package"]:
        parts[1] = package
    return "/".join(parts).removesuffix(".in")
