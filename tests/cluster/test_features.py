"""Features that the nodes of a cluster compute."""

import numpy as np
import pytest

from pixmill.core.params import BackboneParams
from pixmill.images.parts import open_shards, shard_path, write_header
from pixmill.learn import extract_features
from pixmill.learn.features import FeatureStore
from tests.learn.conftest import some_ids, some_pixels

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    # Ray's own processes' logs.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

SIDE, COUNT = 32, 320


@pytest.fixture(scope="module")
def nodes():
    """Yield a cluster of three nodes."""
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 << 20}
    head = {**options, "ray_client_server_port": 27411, "include_dashboard": False, "node_ip_address": "127.0.0.81"}
    cluster = Cluster(initialize_head=True, connect=False, head_node_args=head)
    for number in (82, 83):
        cluster.add_node(**options, node_ip_address=f"127.0.0.{number}")
    yield cluster
    cluster.shutdown()


@pytest.fixture
def see(converted, nodes, tmp_path, monkeypatch):
    """Return a function that computes the features of packed images here, or on the cluster."""
    pixels = some_pixels(COUNT)
    (tmp_path / "split" / "train").mkdir(parents=True)
    shard_path(tmp_path / "split", "train", 0).write_bytes(pixels.tobytes())
    write_header(tmp_path / "split", "train", side=SIDE, rows=[COUNT])

    def see(scratch, compute):
        monkeypatch.setenv("PIXMILL_COMPUTE", compute)
        converted(scratch, SIDE)
        shards = open_shards(tmp_path / "split", "train")
        return extract_features(shards, some_ids(COUNT), BackboneParams(), scratch=scratch, threads=2)

    return see


CLUSTER = "ray://127.0.0.81:27411"


def test_nodes_give_the_bytes_of_this_machine_also_when_one_is_lost(see, nodes, tmp_path, monkeypatch) -> None:
    here = see(tmp_path / "local", "local")
    np.testing.assert_array_equal(see(tmp_path / "nodes", CLUSTER), here)
    lost = []
    monkeypatch.setattr("pixmill.learn.features._CHUNK", 32)
    write = FeatureStore.write

    def lose_a_node(store, names, rows):
        write(store, names, rows)
        if not lost:
            lost.append(nodes.list_all_nodes()[-1])
            nodes.remove_node(lost[0], allow_graceful=False)

    monkeypatch.setattr(FeatureStore, "write", lose_a_node)
    np.testing.assert_array_equal(see(tmp_path / "fewer", CLUSTER), here)
    assert lost
