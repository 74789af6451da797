"""The files of a new project, from ``template/``.

They lie there as they are in a project, except for tokens such as ``@project@`` and for some names. A leading ``_``
stands for a dot, since packaging tools leave hidden files out, and ``src/package`` for the folder of the project's own
code. The suffix ``.in`` hides ``dvc.yaml`` and ``pyproject.toml`` from tools that look for them in all folders.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from pixmill.core.install.origin import Origin
from pixmill.core.install.pyproject import read_project
from pixmill.core.params.reference import schema

SCHEMA = "params.schema.json"
"""What editors complete and check ``params.yaml`` by."""

_OWN = (".dvc/config", "README.md", "params.yaml", "pyproject.toml", "review.csv", "src/")
"""The files that are the team's from the start."""

_TEMPLATE = Path(__file__).parent / "template"


_OURS = {"pixmill", "stages", "tests"}


def project_names(root: Path) -> tuple[str, str]:
    """Return the project's name and the package of its own code, such as ``my-shoes`` and ``my_shoes``.

    The name is that in ``pyproject.toml``, or else the folder's, in ASCII where it would be no name of a package. The
    package has ``my_`` before it where it would be no package, or would hide another. A renamed project keeps its own.

    >>> project_names(Path("Schöne Schuhe")), project_names(Path("2026"))
    (('schone-schuhe', 'schone_schuhe'), ('2026', 'my_2026'))

    Args:
        root: The project's folder, which need not exist.
    """
    name = read_project(root).name or root.name
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    package = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "project"
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        name = package.replace("_", "-")
    if there := sorted((root / "src").glob("*/scrape")):
        return name, there[0].parent.name
    # A package without an `__init__.py`, as ours, hides no other.
    if package[0].isdigit() or keyword.iskeyword(package) or package in _OURS | sys.stdlib_module_names:
        return name, f"my_{package}"
    installed = importlib.util.find_spec(package)
    return name, package if installed is None or installed.origin is None else f"my_{package}"


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
