"""Files of a new project, rendered from ``template/``.

The templates contain tokens such as ``@project@``. In their names, a leading ``_`` becomes a dot,
because packaging tools skip hidden files, and ``src/package`` becomes the folder of the project's
package. The suffix ``.in`` hides ``dvc.yaml`` and ``pyproject.toml`` from tools that search for
them.
"""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pixmill.core.cells import Task
from pixmill.core.install.origin import Origin
from pixmill.core.install.pyproject import read_project
from pixmill.core.params.reference import schema
from pixmill.core.provenance.lock import Lock, installed_lock, text_digest
from pixmill.project.new.pins import CONSTRAINTS, pinned_files
from pixmill.project.new.supply import Supply

SCHEMA = "params.schema.json"
"""JSON Schema with which editors complete and check ``params.yaml``."""

_TEAM_FILES = (
    ".dvc/config",
    "README.md",
    "decisions.csv",
    "params.yaml",
    "pyproject.toml",
    "src/",
)
"""Files that upgrades never rewrite."""

_TEMPLATE = Path(__file__).parent / "template"


_RESERVED = {"pixmill", "stages", "tests"}


def project_names(root: Path) -> tuple[str, str]:
    """Return the names of the project and of its package, such as ``my-shoes`` and ``my_shoes``.

    The name comes from ``pyproject.toml``, else from the folder, converted to ASCII if it is no
    valid project name. The package gets the prefix ``my_`` if it would be invalid or hide another
    one. A renamed project keeps its package.

    >>> project_names(Path("Schöne Schuhe")), project_names(Path("2026"))
    (('schone-schuhe', 'schone_schuhe'), ('2026', 'my_2026'))

    Args:
        root: Project folder; may not exist.
    """
    name = read_project(root).name or root.name
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    package = re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "project"
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", name):
        name = package.replace("_", "-")
    if packages := sorted((root / "src").glob("*/scrape")):
        return name, packages[0].parent.name
    # A namespace package, such as one of a project, hides no other.
    if (
        package[0].isdigit()
        or keyword.iskeyword(package)
        or package in _RESERVED | sys.stdlib_module_names
    ):
        return name, f"my_{package}"
    installed = importlib.util.find_spec(package)
    return name, package if installed is None or installed.origin is None else f"my_{package}"


def render(
    name: str,
    package: str,
    supply: Supply,
    extras: str = "pipeline",
    *,
    task: Task = "one_label",
) -> dict[str, str]:
    """Return the content of each file by its path in the project.

    Args:
        name: Name of the project.
        package: Name of its package, an identifier.
        supply: How it installs Pixmill.
        extras: Extras that it installs, such as ``pipeline,heic``.
        task: Task of its params.
    """
    requirement = supply.origin.requirement(extras)
    tokens = {
        "@project@": name,
        "@package@": package,
        "@requirement@": requirement,
        "@dependency@": "" if supply.origin.is_path else f'"{requirement}"',
        "@install@": install_project(supply.origin, extras),
    }
    files = {SCHEMA: schema(), **pinned_files(supply.locked(extras), extras)}
    for path in _TEMPLATE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            text = path.read_text(encoding="utf-8")
            for token, value in tokens.items():
                text = text.replace(token, value)
            files[_path_of(path.relative_to(_TEMPLATE), package)] = text
    if task != "one_label":
        files["dvc.yaml"] = _track_task(files["dvc.yaml"])
    return dict(sorted(files.items()))


def _track_task(pipeline: str) -> str:
    """Return a ``dvc.yaml`` that depends on the task, without plots of one label an image."""
    text = pipeline.replace("params: [classes, ", "params: [task, classes, ")
    text = re.sub(r", plots/evaluate/(?:coverage_val|uncalibrated)\.csv: accuracy", "", text)
    absent = "Learning curve|Confusion matrix|Accuracy by slice"
    return re.sub(rf"^- (?:{absent}):.*\n(?: .*\n)*", "", text, flags=re.M)


def install_project(origin: Origin, extras: str) -> str:
    """Return the command that installs a project; ``pyproject.toml`` names no wheel."""
    wheel = f"'{origin.requirement(extras)}' " if origin.is_path else ""
    return f"pip install -c {CONSTRAINTS} {wheel}-e ."


def managed_files(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that ``pixmill upgrade`` rewrites unless they were edited.

    Args:
        files: All files of the template by path.
    """
    return {path: text for path, text in files.items() if not path.startswith(_TEAM_FILES)}


def lock_of(files: Mapping[str, str], supply: Supply, extras: str) -> Lock:
    """Return the lock of a project with these files of the template.

    Args:
        files: All files of the template by path.
        supply: From where the project installs Pixmill.
        extras: Extras that it installs.
    """
    template = {path: text_digest(text) for path, text in managed_files(files).items()}
    return replace(installed_lock(), template=template, origin=supply.origin, extras=extras)


def _path_of(path: Path, package: str) -> str:
    parts = [
        f".{part[1:]}" if part[0] == "_" and not part.startswith("__") else part
        for part in path.parts
    ]
    if parts[:2] == ["src", "package"]:
        parts[1] = package
    return "/".join(parts).removesuffix(".in")
