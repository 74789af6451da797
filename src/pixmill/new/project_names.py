"""The names of a project: that of its folder, and that of the package of its own code."""

import importlib.util
import keyword
import re
import sys
import unicodedata
from pathlib import Path

from pixmill.project.pyproject import read_project

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
