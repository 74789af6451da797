"""The names of a project: that of its folder, and that of the package of its own code."""

import importlib.util
import keyword
import re
import sys
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.project.pyproject import read_project

_OURS = {"pixmill", "stages", "tests"}


def project_names(root: Path) -> tuple[str, str]:
    """Return the project's name and the package of its own code, such as ``my-shoes`` and ``my_shoes``.

    The name is that in ``pyproject.toml``, or else the folder's. A project that is renamed keeps its package.

    Args:
        root: The project's folder, which need not exist.

    Raises:
        PixmillError: The name is that of no package, or of one that is there already.
    """
    name = read_project(root).name or root.name
    there = sorted((root / "src").glob("*/scrape"))
    package = there[0].parent.name if there else re.sub(r"[-. ]", "_", name.lower())
    if not re.fullmatch(r"[a-z]([a-z0-9_]*[a-z0-9])?", package) or keyword.iskeyword(package) or " " in name:
        raise _unfit(name, "is not a valid Python package name, which your plugins need")
    # A package without an `__init__.py`, as ours, hides no other.
    installed = None if there else importlib.util.find_spec(package)
    if package in _OURS | sys.stdlib_module_names or (installed is not None and installed.origin is not None):
        raise _unfit(name, "is the name of another Python package")
    return name, package


def _unfit(name: str, why: str) -> PixmillError:
    return PixmillError(
        f"'{name}' {why}", next="choose another name, of the folder or in pyproject.toml, such as my-shoes or shoes2"
    )
