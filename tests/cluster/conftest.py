"""Real servers on loopback, each for all tests of a process."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.cluster.ray_nodes import RayCluster
from tests.end_to_end.conftest import copy_of_finished as copy_of_finished
from tests.end_to_end.conftest import finished as finished
from tests.end_to_end.conftest import new_project as new_project
from tests.servers import MlflowServer, Postgresql, Storage


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster of three nodes with one processor each; a test that adds nodes kills them."""
    cluster = RayCluster(nodes=3)
    yield cluster
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    cluster.end()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A PostgreSQL; a test that stops it starts it again."""
    server = Postgresql(tmp_path_factory.mktemp("postgresql"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _storage() -> Iterator[Storage]:
    storage = Storage()
    storage.start()
    yield storage
    storage.stop()


@pytest.fixture
def s3(_storage: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """Storage with the interface of S3, counted from zero; this process and its children know no other S3."""
    for name, value in _storage.environ.items():
        monkeypatch.setenv(name, value)
    _storage.forget()
    yield _storage
    _storage.recover()


@pytest.fixture(scope="session")
def mlflow_server(
    postgresql_server: Postgresql, _storage: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server on PostgreSQL, with artifacts in S3; a test that kills it starts it again."""
    artifacts = f"s3://{_storage.bucket}/mlflow"
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(folder, postgresql_server.uri, artifacts, **_storage.environ)
    server.start()
    yield server
    server.kill()
