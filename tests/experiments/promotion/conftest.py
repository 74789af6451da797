"""A project with models to promote, made once; each test gets a copy."""

import contextlib
import json
import shutil

import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.experiments.promotion.promoting import promote
from pixmill.tracking.model_versions import Registry
from pixmill.tracking.store import connect
from tests.experiments.promotion.projects import record_runs, start
from tests.made_once import make_once


@pytest.fixture(scope="session")
def made(empty_database, tmp_path_factory):
    """A folder with the project, its database, and the ids of the runs."""

    def make(folder):
        root = folder / "project"
        start(root)
        shutil.copy(empty_database, root)
        runs = record_runs(connect(f"sqlite:///{root}/mlflow.db"), root / "files")
        (folder / "runs.json").write_text(json.dumps(runs))

    with pytest.MonkeyPatch.context() as patch:
        # Isolate tests from the user's DVC config.
        for name in ("SITE_CACHE_DIR", "GLOBAL_CONFIG_DIR", "SYSTEM_CONFIG_DIR"):
            patch.setenv(f"DVC_{name}", str(tmp_path_factory.mktemp(name.lower())))
        yield make_once(tmp_path_factory, "registry", make)


@pytest.fixture(scope="session")
def promoted(made, tmp_path_factory):
    """The project with the first model as champion."""

    def make(folder):
        root = shutil.copytree(made / "project", folder / "project", symlinks=True)
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(root):
            set_author(patch)
            promote(Workspace(root, root), load_params(root))

    return make_once(tmp_path_factory, "promoted", make) / "project"


def set_author(patch):
    """Set the author, and unset variables of CI and MLflow."""
    for name in (
        "MLFLOW_TRACKING_URI",
        "GITHUB_TRIGGERING_ACTOR",
        "GITHUB_ACTOR",
        "GITLAB_USER_LOGIN",
    ):
        patch.delenv(name, raising=False)
    patch.setenv("GIT_AUTHOR_NAME", "Ada")
    patch.setenv("GIT_AUTHOR_EMAIL", "ada@example.org")


@pytest.fixture
def champion():
    """Start the test with the first model as champion."""


@pytest.fixture
def project(request, made, tmp_path, monkeypatch):
    """A copy of the project for a test to change."""
    ready = (
        request.getfixturevalue("promoted")
        if "champion" in request.fixturenames
        else made / "project"
    )
    root = shutil.copytree(ready, tmp_path / "project", symlinks=True)
    set_author(monkeypatch)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def runs(made):
    """Ids of the runs by model name."""
    return json.loads((made / "runs.json").read_text())


@pytest.fixture
def workspace(project):
    return Workspace(root=project, home=project)


@pytest.fixture
def registry(workspace):
    return Registry(workspace)


@pytest.fixture
def give(workspace):
    """Return a function that promotes in this process."""

    def promoted(what=None, **options):
        return promote(workspace, load_params(workspace.root), what, **options)

    return promoted
