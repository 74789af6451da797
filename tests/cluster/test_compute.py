"""Passes on a Ray cluster: the same results as here, whatever happens to a row, a node or the machine that asks."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pixmill.compute import RowLimits, map_batches
from pixmill.compute.cluster import Cluster
from pixmill.core.errors import PixmillError
from pixmill.doctor import Status
from pixmill.doctor.services import check_compute
from tests.cluster.conftest import wait_until
from tests.cluster.ray_nodes import RayCluster
from tests.compute.passes import act, addresses, doubled, failing, fatal, identity, slow, stubborn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.slow,
    pytest.mark.services,
    pytest.mark.linux,
    pytest.mark.filterwarnings("ignore:More than 10MB of messages"),  # pytest drops the filters of the connection
]

GUARD: dict[str, Any] = {"limits": RowLimits(seconds=3, memory=1 << 29), "lost": lambda row, loss: (loss, row[1])}


def test_results_come_in_order_from_every_node(cluster: Cluster, ray_cluster: RayCluster) -> None:
    assert list(map_batches(doubled, range(201), batch_size=7)) == [2 * row for row in range(201)]
    assert set(map_batches(addresses, range(60), batch_size=1)) == {ray_cluster.ip(number) for number in range(3)}


def test_a_row_that_hangs_crashes_or_takes_too_much_costs_itself_alone(cluster: Cluster) -> None:
    rows = [("", number) for number in range(40)]
    rows[7], rows[21], rows[22] = ("loop", 7), ("segfault", 21), ("hog", 22)
    here = list(map_batches(act, rows, batch_size=4, **GUARD, local=True))
    assert list(map_batches(act, rows, batch_size=4, **GUARD)) == here
    assert [here[7], here[21], here[22]] == [("timeout", 7), ("crashed", 21), ("memory", 22)]


def test_a_defect_is_raised_here_with_its_traceback_after_the_rows_before_it(cluster: Cluster) -> None:
    results = map_batches(failing, range(9), batch_size=2)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="no row 5") as caught:
        next(results)
    assert "in failing" in str(caught.value.__cause__)
    with pytest.raises(RuntimeError, match="Stubborn: cannot travel"):
        list(map_batches(stubborn, range(9), batch_size=2))


def test_a_node_cannot_import_a_pass_of_a_script(cluster: Cluster) -> None:
    with pytest.raises((ImportError, AttributeError), match=r"nowhere|No module"):
        list(map_batches(_of_nowhere(), range(9), batch_size=2))


def _of_nowhere() -> Callable[[Any], Any]:
    module = type(sys)("nowhere")
    exec("def here(batch): return batch", vars(module))
    sys.modules["nowhere"] = module
    return module.here


def test_rows_and_results_do_not_pile_up(cluster: Cluster) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(27_000)

    results = map_batches(identity, endless(), batch_size=32)
    for _ in range(3000):
        next(results)
    results.close()
    assert taken <= 3000 + 5 * 3 * 32
    wait_until(lambda: cluster.ray.available_resources().get("CPU") == 3)


def test_batches_of_a_lost_node_run_again(
    cluster: Cluster, ray_cluster: RayCluster, added: Callable[..., int], capfd: pytest.CaptureFixture[str]
) -> None:
    lost = added()
    rows = range(400)
    results = map_batches(slow, rows, batch_size=4)
    got = [next(results) for _ in range(100)]
    ray_cluster.kill_node(lost)
    assert [*got, *results] == list(rows)
    wait_until(lambda: len(cluster.nodes) == 3)
    assert f"ray: node {ray_cluster.ip(lost)} was lost" in capfd.readouterr().err


def test_a_batch_that_is_lost_time_and_again_names_the_pass(cluster: Cluster) -> None:
    with pytest.raises(PixmillError, match=r"passes\.fatal lost its process or node 5 times in the same batch"):
        list(map_batches(fatal, range(9), batch_size=8))


def test_a_node_with_another_version_of_a_package_is_named(
    ray_cluster: RayCluster, added: Callable[..., int], tmp_path: Path
) -> None:
    other = tmp_path / "pillow-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: pillow\nVersion: 1.0\n")
    node = ray_cluster.ip(added(environment={"PYTHONPATH": str(tmp_path)}))
    with pytest.raises(PixmillError, match=rf"node {node} .*pillow 1\.0 instead of \d+") as caught:
        list(map_batches(identity, range(200), batch_size=1))
    assert "pip install pillow==" in str(caught.value.next)
    (finding,) = check_compute(Path())
    assert (finding.status, finding.message) == (Status.BAD, caught.value.message)


def test_a_node_that_joins_later_and_does_not_see_a_folder_is_named(
    cluster: Cluster, ray_cluster: RayCluster, added: Callable[..., int], tmp_path: Path
) -> None:
    # Under this path each process sees the folder that it was started in.
    folder = Path("/proc/self/cwd/tests")
    assert cluster.sees(folder)
    assert list(map_batches(identity, range(9), batch_size=2)) == list(range(9))
    node = ray_cluster.ip(added(folder=tmp_path))
    assert not cluster.sees(folder)
    with pytest.raises(PixmillError, match=f"node {node} does not see {folder}"):
        list(map_batches(identity, range(200), batch_size=1))


def test_the_doctor_reports_the_cluster(cluster: Cluster, ray_cluster: RayCluster) -> None:
    (finding,) = check_compute(Path())
    assert finding.status is Status.OK
    nodes = ", ".join(ray_cluster.ip(number) for number in range(3))
    assert finding.message == f"{cluster.address}: 3 processors on {nodes}"


SCRIPT = """
import sys, time
from pixmill.compute import RowLimits, map_batches
from pixmill.core.errors import PixmillError
from tests.compute.passes import act
rows = (("", 1) if number < 128 else ("sleep", number) for number in range(10**9))
try:
    for _ in map_batches(act, rows, batch_size=8, limits=RowLimits(60, 1 << 29), lost=max):
        print("working", flush=True)
except KeyboardInterrupt:
    sys.exit("interrupted")
except PixmillError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def driver(repository: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """A function that starts a pass on a cluster, which never ends."""
    started: list[subprocess.Popen[str]] = []

    def start(address: str) -> subprocess.Popen[str]:
        environment = os.environ | {"PIXMILL_COMPUTE": address}
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT],
            env=environment,
            cwd=repository,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        if any(process.stdout.readline() != "working\n" for _ in range(128)):
            pytest.fail(process.communicate()[1])
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_the_pass_and_frees_the_nodes(
    ray_cluster: RayCluster, driver: Callable[[str], subprocess.Popen[str]], cluster: Cluster
) -> None:
    process = driver(ray_cluster.address)
    process.send_signal(signal.SIGINT)
    told = None
    while told is None:
        try:
            told = process.communicate(timeout=20)[1]
        except subprocess.TimeoutExpired as late:
            # Python drops an interrupt that comes while it deletes an object of gRPC; it must not meet the end.
            if b"interrupted" not in (late.stderr or b""):
                process.send_signal(signal.SIGINT)
    assert told.endswith("interrupted\n")
    wait_until(lambda: cluster.ray.available_resources().get("CPU") == 3)


def test_a_head_that_is_lost_is_an_error_that_says_so(driver: Callable[[str], subprocess.Popen[str]]) -> None:
    alone = RayCluster(nodes=1)
    try:
        process = driver(alone.address)
        alone.kill_node(0)
        _, told = process.communicate(timeout=90)
    finally:
        alone.end()
    assert f"\nthe connection to the Ray cluster {alone.address} is lost\n" in told
    assert "run the same command again: finished work is kept" in told
