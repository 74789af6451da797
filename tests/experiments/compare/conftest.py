"""A project with a history, made once; tests that change it get a copy."""

import shutil

import pytest

from pixmill.core.files.workspace import Workspace
from tests.experiments.compare.projects import produce, record, start
from tests.made_once import make_once
from tests.version_control import dvc_repo, git


@pytest.fixture(scope="session")
def history(tmp_path_factory):
    """A project on ``stronger``, with ``main``, a tag ``v1``, and an experiment ``wider``."""
    with pytest.MonkeyPatch.context() as patch:
        # Isolate tests from the user's DVC config.
        for name in ("SITE_CACHE_DIR", "GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR"):
            patch.setenv(f"DVC_{name}", str(tmp_path_factory.mktemp(name.lower())))
        yield make_once(tmp_path_factory, "history", make_history) / "project"


def make_history(folder):
    root = folder / "project"
    start(root)
    produce(root, epochs=3, wrong=4)
    record(root, "Reproduce the results")
    git(root, "tag", "-a", "v1", "-m", "The first release")
    git(root, "switch", "-c", "stronger")
    produce(root, epochs=9, wrong=2)
    record(root, "Train longer")
    produce(root, epochs=12, wrong=0)
    record(root)
    with dvc_repo(root) as repo:
        repo.experiments.save(name="wider")
        git(root, "checkout", ".")
        repo.checkout(force=True)


@pytest.fixture
def project(history, tmp_path):
    """A copy of the history for a test to change."""
    return shutil.copytree(history, tmp_path / "project", symlinks=True)


@pytest.fixture
def clone(history, tmp_path):
    """A clone of the history, without DVC's cache."""
    git(tmp_path, "clone", str(history), "clone")
    return tmp_path / "clone"


@pytest.fixture
def workspace(project):
    return Workspace(root=project, home=project)
