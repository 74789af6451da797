"""Check the machine: Python, Git, the packages and the disk."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pixmill.core.install.extras import list_requirements
from pixmill.core.install.origin import install_command
from pixmill.core.repository.git import git, require_git
from pixmill.project.doctor.finding import Finding, Status, check

_GIB = 2**30
_COMFORTABLE, _LEAST = 5 * _GIB, 300_000_000
"""Weights, packed arrays and caches of the bundled images take the least, in bytes."""


@check("Python")
def check_python(_: Path) -> Iterator[Finding]:
    """Name this Python, and tell whether it is the one that DVC would run."""
    yield Finding("Python", Status.OK, f"{'.'.join(map(str, sys.version_info[:3]))}, {sys.executable}")
    yield check_path()


def check_path() -> Finding:
    """Tell whether the Python that DVC would run is this one."""
    folder, python = Path(sys.executable).parent, shutil.which("python")
    if python is not None and Path(python).parent.resolve() == folder.resolve():
        return Finding("PATH", Status.OK, f"dvc runs {python}")
    message = f"dvc would run {python or 'no python'}, not {sys.executable}"
    return Finding("PATH", Status.WARNING, message, next=f'export PATH="{folder}:$PATH"')


@check("Git")
def check_git(root: Path) -> Iterator[Finding]:
    """Tell whether there is Git, without which nothing is compared, and whether it knows who commits.

    Args:
        root: The project's folder.
    """
    require_git()
    if git(root, "var", "GIT_AUTHOR_IDENT") is None:
        advice = 'git config --global user.name "Your Name" && git config --global user.email you@example.org'
        yield Finding("Git", Status.WARNING, "it does not know who you are, so it refuses to commit", next=advice)
    else:
        yield Finding("Git", Status.OK, str(shutil.which("git")))


@check("packages")
def check_packages(root: Path) -> Iterator[Finding]:
    """Compare the installed packages with what the project's Pixmill needs.

    Args:
        root: The project's folder.
    """
    from pixmill.core.provenance.lock import read_lock
    from pixmill.pages import shorten

    extras = "pipeline" if (lock := read_lock(root)) is None else lock.extras
    listed = (root / "requirements.txt").is_file()
    advice = "pip install -r requirements.txt" if listed else install_command(extras)
    missing, other = set(), set()
    for requirement in list_requirements(extras.split(",")):
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            missing.add(requirement.name)
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            other.add(f"{requirement.name} {version} (expected {requirement.specifier})")
    if missing:
        yield Finding("packages", Status.BAD, shorten(f"missing: {', '.join(sorted(missing))}", 300), next=advice)
    if other:
        message = shorten(f"other versions: {', '.join(sorted(other))}", 300)
        yield Finding("packages", Status.WARNING, message, next=advice)
    if not missing and not other:
        yield Finding("packages", Status.OK, "all that Pixmill needs")


@check("code")
def check_code(root: Path) -> Iterator[Finding]:
    """Compare the installed Pixmill and libraries with a project's ``pixmill.lock``.

    Args:
        root: The project's folder.
    """
    from pixmill.core.provenance import lock

    if (project := lock.read_lock(root)) is None:
        return
    lock.check_code(project, installed := lock.installed_lock())
    if (other := lock.other_libraries(project, installed)) is not None:
        yield Finding("code", Status.WARNING, other[0], next=other[1])
    else:
        yield Finding("code", Status.OK, f"as {lock.FILE} names it")


@check("disk")
def check_disk(root: Path) -> Iterator[Finding]:
    """Tell how much room the project's disk has.

    Args:
        root: The project's folder.
    """
    free = shutil.disk_usage(root).free
    status = Status.OK if free >= _COMFORTABLE else Status.WARNING if free >= _LEAST else Status.BAD
    advice = "pixmill clean   # tells what takes the space, and what nothing needs" if status is not Status.OK else None
    yield Finding("disk", status, f"{free / _GIB:.1f} GiB free at {root}", next=advice)
