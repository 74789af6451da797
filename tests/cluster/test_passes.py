"""Each pass of the stages on a Ray cluster, and a pass that loses a node."""

import shutil
import sys
import threading
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from pixmill.core.params import BackboneParams, SplitParams
from pixmill.evaluate.predictions import predict_unlabelled
from pixmill.images.compute import RowLimits, map_batches
from pixmill.images.parts import Shards, open_images
from pixmill.models.features import extract_features
from pixmill.split.packing import pack
from pixmill.validate.survey import survey
from tests.cluster.ray_nodes import LOST_NODE, RayCluster, squares_unless_on_lost_node
from tests.images.packed import pack_images
from tests.models.conftest import some_ids, some_pixels
from tests.split.conftest import write_project

pytestmark = [pytest.mark.slow, pytest.mark.services]

LIMITS = RowLimits(60, 512 << 20)
COUNT = 320


@pytest.fixture
def given(tmp_path, trained_folder):
    """A project with images, packed images, and a model."""
    packed = tmp_path / "packed"
    pack_images(packed, "train", some_pixels(COUNT))
    project = write_project(tmp_path)
    unlabelled = tmp_path / "data" / "unlabelled"
    unlabelled.mkdir(parents=True)
    for image in sorted(project.images.rglob("*.png"))[:40]:
        shutil.copy(image, unlabelled)
    return SimpleNamespace(
        project=project, unlabelled=unlabelled, packed=packed, model=trained_folder
    )


def measures(given, folder):
    rows = given.project.manifest[["id", "path"]]
    found = survey(rows, given.project.images, max_pixels=10_000, limits=LIMITS)
    return found.table.to_csv(), found.greys.tobytes()


def shards(given, folder):
    manifest = given.project.manifest.copy()
    manifest["split"] = pd.array(["train"] * len(manifest), dtype="string")
    manifest["row"] = pd.array(range(len(manifest)), dtype="Int32")
    pack(manifest, given.project.images, folder, SplitParams(image_size=20), LIMITS)
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def features(given, folder):
    images = Shards([open_images(given.packed, "train")])
    return extract_features(
        images, some_ids(COUNT), BackboneParams(), scratch=folder, threads=2
    ).tobytes()


def predictions(given, folder):
    files = sorted(path.name for path in given.unlabelled.iterdir())
    return predict_unlabelled(given.model, given.unlabelled, files).to_csv()


@pytest.fixture
def ray_nodes(tmp_path_factory):
    """Three nodes that cannot see the files of the tests."""
    nodes = RayCluster(3, hidden=tmp_path_factory.getbasetemp())
    yield nodes
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    nodes.end()


def test_passes_give_local_bytes_and_survive_a_lost_node(given, ray_nodes, monkeypatch, tmp_path):
    passes = [features, measures, shards, predictions]
    here = [run(given, tmp_path / "here") for run in passes]
    monkeypatch.setenv("PIXMILL_COMPUTE", ray_nodes.address)
    assert [run(given, tmp_path / "there") for run in passes] == here
    sent = []
    lost = threading.Event()
    # The batch on this node ends only with the node.
    losing = threading.Thread(target=lose_node, args=(ray_nodes, lost))

    def rows_until_the_loss():
        losing.start()
        while not lost.is_set():
            sent.append(len(sent))
            yield sent[-1]

    squares = list(map_batches(squares_unless_on_lost_node, rows_until_the_loss(), batch_size=1))
    losing.join()
    assert squares == [row * row for row in sent]


def lose_node(nodes, lost):
    try:
        latest = time.monotonic() + 240
        while not nodes.runs_a_batch(LOST_NODE):
            assert time.monotonic() < latest
            time.sleep(0.05)
        nodes.kill_node(LOST_NODE)
    finally:
        lost.set()
