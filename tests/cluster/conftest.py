"""Real servers on loopback, each for all tests of a process."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixmill.compute import cluster as module
from pixmill.compute.cluster import Cluster, choose_cluster
from pixmill.web.browser import find_browser
from tests.cluster.ray_nodes import RayCluster
from tests.end_to_end.conftest import copy_of_finished as copy_of_finished
from tests.end_to_end.conftest import finished as finished
from tests.end_to_end.conftest import new_project as new_project
from tests.end_to_end.conftest import same_project as same_project
from tests.servers import MlflowServer, Postgresql, Storage
from tests.webdriver import DriverServer


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    latest = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.05)


def disconnect() -> None:
    """Leave the Ray cluster that passes of this process ran on: it may be connected to one alone."""
    module._connect.cache_clear()
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[RayCluster]:
    """A Ray cluster of three nodes with one processor each; a test that adds nodes kills them."""
    cluster = RayCluster(nodes=3)
    yield cluster
    disconnect()
    cluster.end()


@pytest.fixture
def cluster(ray_cluster: RayCluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Have passes run on the cluster."""
    monkeypatch.setenv("PIXMILL_COMPUTE", ray_cluster.address)
    chosen = choose_cluster()
    assert chosen is not None
    assert ray_cluster.ip(0) in chosen.nodes, "another cluster answered"
    return chosen


@pytest.fixture
def added(ray_cluster: RayCluster, cluster: Cluster) -> Iterator[Callable[..., int]]:
    """A function that adds a node for this test alone, and returns its number."""
    numbers: list[int] = []

    def add(**how: Any) -> int:
        numbers.append(ray_cluster.add_node(**how))
        return numbers[-1]

    yield add
    for number in numbers:
        ray_cluster.kill_node(number)
    wait_until(lambda: len(cluster.nodes) == 3)


@pytest.fixture
def doomed(ray_cluster: RayCluster, cluster: Cluster, added: Callable[..., int]) -> Iterator[str]:
    """The address of a node that is lost in the next pass, whose first batch it gets, since all others are busy."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    busy = cluster.ray.remote(num_cpus=1, max_retries=0)(_busy)
    others = [node["NodeID"] for node in cluster.ray.nodes() if node["Alive"]]
    places = (NodeAffinitySchedulingStrategy(other, soft=False) for other in others)
    tasks = [busy.options(scheduling_strategy=place).remote() for place in places]
    wait_until(lambda: "CPU" not in cluster.ray.available_resources())
    number = added()
    wait_until(lambda: len(cluster.nodes) == 4)

    def lose() -> None:
        wait_until(lambda: ray_cluster.runs_a_batch(number))
        ray_cluster.kill_node(number)
        for task in tasks:
            cluster.ray.cancel(task, force=True)

    losing = threading.Thread(target=lose)
    losing.start()
    yield ray_cluster.ip(number)
    losing.join()
    wait_until(lambda: cluster.ray.available_resources().get("CPU") == 3)


def _busy() -> None:
    time.sleep(600)


@pytest.fixture
def remote_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DriverServer]:
    """A driver of browsers elsewhere, which all browsers are asked of."""
    remote = DriverServer(find_browser(), tmp_path)
    remote.start()
    monkeypatch.setenv("PIXMILL_WEBDRIVER_URL", remote.url)
    yield remote
    remote.kill()


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgresql]:
    """A PostgreSQL; a test that stops it starts it again."""
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
    """Storage with the interface of S3, counted from zero; this process and its children know no other S3."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    s3_server.forget()
    yield s3_server
    s3_server.recover()


@pytest.fixture(scope="session")
def mlflow_server(
    postgresql_server: Postgresql, s3_server: Storage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """An MLflow server on PostgreSQL, with artifacts in S3; a test that kills it starts it again."""
    artifacts = f"s3://{s3_server.bucket}/mlflow"
    folder = tmp_path_factory.mktemp("mlflow")
    server = MlflowServer(folder, postgresql_server.uri, artifacts, **s3_server.environ)
    server.start()
    yield server
    server.kill()
