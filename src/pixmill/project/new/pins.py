"""Pinned packages of a project: versions with which Pixmill was tested, for every platform."""

import re
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from pixmill.core.files.writing import read_if_any
from pixmill.core.install.extras import LIBRARIES, installed_version

CONSTRAINTS = "constraints.txt"
"""Versions for people: ``pip install -c constraints.txt``."""

REQUIREMENTS = "requirements.txt"
"""The same with hashes, for CI: ``pip install --require-hashes -r requirements.txt``."""

_LOCKS = Path(__file__).parent / "locks"
"""Packages of the extra ``pipeline``; for further extras, those that they add or replace.

See ``make requirements``.
"""

_HEADER = (
    "# Written by `pixmill new` and `pixmill upgrade`: packages that Pixmill was tested with.\n"
)


def pinned_files(pixmill: str | None, extras: str) -> dict[str, str]:
    """Return both files by path.

    Args:
        pixmill: Line that installs Pixmill; ``None`` if it has no hash.
        extras: Extras of the project, such as ``pipeline,heic``. The versions for people cover all
            extras.
    """
    needed = {
        name: block
        for extra in ("pipeline", *extras.split(","))
        for name, block in _blocks(extra).items()
    }
    known = "".join(block for path in _LOCKS.iterdir() for block in _blocks(path.stem).values())
    versions = {f"{version}\n" for version in re.findall(r"^(\w.*) \\$", known, re.MULTILINE)}
    own = "" if pixmill is None else f"{pixmill}\n"
    return {
        CONSTRAINTS: "".join([_HEADER, *sorted(versions)]),
        REQUIREMENTS: "".join([_HEADER, own, *(block for _, block in sorted(needed.items()))]),
    }


def other_versions(root: Path) -> Iterator[str]:
    """Yield the packages that may affect an output and differ from the project's pins."""
    for line in (read_if_any(root / CONSTRAINTS) or "").splitlines():
        if (name := line.partition("==")[0]) not in LIBRARIES:
            continue
        with suppress(InvalidRequirement, PackageNotFoundError):  # edited; of another extra
            pin = Requirement(line)
            version = installed_version(name)
            if (pin.marker is None or pin.marker.evaluate()) and not pin.specifier.contains(
                version, prereleases=True
            ):
                yield f"{name} {version} ({CONSTRAINTS}: {str(pin.specifier).lstrip('=')})"


def _blocks(extra: str) -> dict[str, str]:
    """Return the lines of each package, which may have several versions for different platforms."""
    path = _LOCKS / f"{extra}.txt"
    blocks = dict[str, str]()
    for block in re.findall(r"^\w.*\n(?: .*\n)*", read_if_any(path) or "", re.MULTILINE):
        name = block.partition("==")[0]
        blocks[name] = blocks.get(name, "") + block
    return blocks
