"""A project whose web is made of replicas, and a disk that is soon full."""

import shutil
import subprocess
import tempfile

import pytest

from tests.left_out import leave_out
from tests.scrape.acts.project import Project


@pytest.fixture
def project(tmp_path, repository):
    """Make a project in the world that a test has opened."""

    def make(world, name="project"):
        return Project(tmp_path / name, repository, world)

    return make


def pytest_collection_modifyitems(config, items):
    """Leave out what needs a disk of its own where none may be mounted, and say so."""
    if any(map(_on_a_small_disk, items)) and not _may_mount():
        leave_out(config, items, _on_a_small_disk, "no small disk may be mounted here")


def _on_a_small_disk(item):
    return "small_disk" in getattr(item, "fixturenames", ())


@pytest.fixture
def small_disk(tmp_path):
    """A disk that is soon full, until it is mounted anew with more room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def _may_mount():
    with tempfile.TemporaryDirectory() as folder:
        mounted = shutil.which("mount") and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False
        )
        if not mounted or mounted.returncode:
            return False
        subprocess.run(["umount", folder], check=True)
    return True
