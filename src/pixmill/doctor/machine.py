"""Look at the machine: Python, the packages and the disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.doctor.finding import Finding, State

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

__all__ = ["look_at_disk", "look_at_packages", "look_at_python"]

_GIB = 2**30
_NEEDED = 1 * _GIB
"""Weights, packed arrays and caches of the bundled pictures take some 300 MB."""

_COMFORTABLE = 5 * _GIB
_NAMED = 5


def look_at_python(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Tell whether this Python is one that Pixmill runs on, and the one that DVC would run.

    Args:
        environ: Where ``PATH`` stands.
    """
    from packaging.specifiers import SpecifierSet

    version = ".".join(map(str, sys.version_info[:3]))
    wanted = metadata.metadata("pixmill")["Requires-Python"]
    if version in SpecifierSet(wanted):
        yield Finding("Python", State.OK, f"{version}, {sys.executable}")
    else:
        yield Finding(
            "Python",
            State.BAD,
            f"{version} ({sys.executable}); expected {wanted}",
            next="rm -r .venv && make setup PYTHON=python3.12",
        )
    found = shutil.which("python", path=environ.get("PATH", ""))
    if found is not None and Path(found).parent.resolve() == Path(sys.executable).parent.resolve():
        yield Finding("PATH", State.OK, f"dvc runs {found}")
    else:
        yield Finding(
            "PATH",
            State.WARNING,
            f"dvc would run {found or 'no python at all'}, not {sys.executable}",
            next=f'export PATH="{Path(sys.executable).parent}:$PATH"',
        )


def look_at_packages(root: Path) -> Iterator[Finding]:
    """Compare the installed packages with ``requirements.txt``, or without one with what Pixmill asks for.

    Args:
        root: The project's folder.
    """
    missing, other, right = [], [], 0
    for name, specifier in sorted(_required(root)):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
            continue
        if specifier.contains(version, prereleases=True):
            right += 1
        else:
            other.append(f"{name} {version} (expected {specifier})")
    if missing:
        yield Finding("packages", State.BAD, f"{len(missing)} missing: {_some(missing)}", next="make setup")
    if other:
        yield Finding("packages", State.WARNING, f"{len(other)} of another version: {_some(other)}", next="make setup")
    if not missing and not other:
        yield Finding("packages", State.OK, f"all {right} as required")


def look_at_disk(root: Path) -> Iterator[Finding]:
    """Tell how much room the project's disk has.

    Args:
        root: The project's folder.
    """
    free = shutil.disk_usage(root).free
    words = f"{free / _GIB:.1f} GiB free at {root}"
    if free >= _COMFORTABLE:
        yield Finding("disk", State.OK, words)
    else:
        state = State.WARNING if free >= _NEEDED else State.BAD
        yield Finding("disk", state, words, next="dvc gc --workspace && rm -r .pixmill   # both can be made again")


def _required(root: Path) -> Iterator[tuple[str, SpecifierSet]]:
    from packaging.requirements import InvalidRequirement, Requirement

    path = root / "requirements.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else metadata.requires("pixmill") or []
    for line in lines:
        text = line.partition("#")[0].strip().removesuffix("\\").strip()
        if not text or text.startswith("-"):
            continue  # a hash or an option of pip
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue  # a person's own line, which only pip can read
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name, requirement.specifier


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
