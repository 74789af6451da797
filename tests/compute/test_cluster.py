"""What a cluster makes of the answers of its nodes, without one."""

import pickle
from types import SimpleNamespace

import pytest

from pixmill.compute.cluster import Cluster

exceptions = pytest.importorskip("ray.exceptions")

NODE = {"NodeID": "0" * 56, "Alive": True, "Resources": {"CPU": 1.0}, "NodeManagerAddress": "10.0.0.1"}


class Ray:
    """A client of a cluster with one node, whose answer to each task is given."""

    def __init__(self, answer):
        self._answer = answer
        self.exceptions = exceptions
        self.util = SimpleNamespace(client=SimpleNamespace(ray=SimpleNamespace(is_connected=lambda: True)))

    def nodes(self):
        return [NODE]

    def remote(self, **_):
        return lambda _: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=lambda _: "task"))

    def wait(self, references, **_):
        return references, []

    def get(self, _):
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


@pytest.fixture
def sees(monkeypatch, tmp_path):
    """What a cluster whose node gives an answer says of a folder."""

    def sees(answer):
        monkeypatch.setattr("pixmill.compute.cluster.connect", lambda *_: Ray(answer))
        return Cluster("ray://head.test:10001").sees(tmp_path)

    return sees


def test_a_node_that_is_lost_while_it_is_asked_lacks_nothing(sees):
    assert sees(pickle.dumps(None))
    assert sees(exceptions.NodeDiedError("gone"))


def test_a_node_that_cannot_answer_is_not_taken_for_a_lost_one(sees):
    with pytest.raises(exceptions.RayTaskError, match="No module named 'tqdm'"):
        sees(exceptions.RayTaskError("find_lack", "No module named 'tqdm'", ImportError()))
