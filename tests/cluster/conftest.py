"""Real servers on loopback, shared by the tests of a process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pixmill.fetch.browser import find_browser
from tests.end_to_end.conftest import copy_of_finished as copy_of_finished
from tests.end_to_end.conftest import finished as finished
from tests.servers import MlflowServer, Postgresql, Storage
from tests.webdriver import DriverServer


@pytest.fixture
def remote_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DriverServer]:
    """A remote driver that opens all browsers of the test."""
    remote = DriverServer(find_browser(), tmp_path)
    remote.start()
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", remote.url)
    yield remote
    remote.kill()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A PostgreSQL server; tests that stop it must restart it."""
    server = Postgresql(tmp_path_factory.mktemp("postgresql"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Storage]:
    storage = Storage()
    storage.start()
    yield storage
    storage.stop()


@pytest.fixture
def s3(s3_server: Storage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """S3 storage with reset counters, the only S3 of this process and its children."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    s3_server.forget()
    yield s3_server
    s3_server.recover()


@pytest.fixture(scope="session")
def mlflow_server(
    postgresql_server: Postgresql, s3_server: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server on PostgreSQL, with artifacts in S3; tests that kill it must restart it."""
    artifacts = f"s3://{s3_server.bucket}/mlflow"
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(folder, postgresql_server.uri, artifacts, **s3_server.environ)
    server.start()
    yield server
    server.kill()
