"""The tiny project, made once; each test has a copy."""

from pathlib import Path

import pytest

from tests.tiny_project import copy_project, make_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project with committed results."""
    return make_project(tmp_path_factory.mktemp("home") / "pets")


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that has never run."""
    return make_project(tmp_path_factory.mktemp("home") / "new", run=False)


@pytest.fixture
def project(finished: Path, tmp_path: Path) -> Path:
    return copy_project(finished, tmp_path / "pets")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
