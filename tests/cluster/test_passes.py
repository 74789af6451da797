"""Each pass of the stages on a Ray cluster while a node is lost: the bytes of this machine."""

import shutil
import sys
import threading
import time
from types import SimpleNamespace

import pandas as pd
import pytest

from pixmill.compute import RowLimits
from pixmill.core.params import BackboneParams, SplitParams
from pixmill.evaluate.predictions import predict_unlabelled
from pixmill.images.parts import Shards, open_images
from pixmill.learn.features import extract_features
from pixmill.split.packing import pack
from pixmill.validate.survey import survey
from tests.cluster.ray_nodes import RayCluster
from tests.images.packed import pack_images
from tests.learn.conftest import some_ids, some_pixels
from tests.split.conftest import write_project

pytestmark = [pytest.mark.slow, pytest.mark.services]

LIMITS = RowLimits(60, 512 << 20)
COUNT = 320


@pytest.fixture
def given(tmp_path, trained_folder):
    """Images in a project, images that are packed, and a model."""
    packed = tmp_path / "packed"
    pack_images(packed, "train", some_pixels(COUNT))
    project = write_project(tmp_path)
    unlabelled = tmp_path / "data" / "unlabelled"
    unlabelled.mkdir(parents=True)
    for image in sorted(project.images.rglob("*.png"))[:40]:
        shutil.copy(image, unlabelled)
    return SimpleNamespace(project=project, unlabelled=unlabelled, packed=packed, model=trained_folder)


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
    return extract_features(images, some_ids(COUNT), BackboneParams(), scratch=folder, threads=2).tobytes()


def predictions(given, folder):
    return predict_unlabelled(given.model, given.unlabelled).to_csv()


@pytest.fixture
def ray_nodes(tmp_path_factory):
    """Three nodes that see none of the tests' files."""
    nodes = RayCluster(3, hidden=tmp_path_factory.getbasetemp())
    yield nodes
    if "ray" in sys.modules:
        sys.modules["ray"].shutdown()
    nodes.end()


def test_passes_that_lose_a_node_give_the_bytes_of_this_machine(given, ray_nodes, monkeypatch, tmp_path):
    passes = [features, measures, shards, predictions]
    here = [run(given, tmp_path / "here") for run in passes]
    monkeypatch.setenv("PIXMILL_COMPUTE", ray_nodes.address)
    latest, lost = time.monotonic() + 300, []

    def lose():
        while time.monotonic() < latest and not lost:
            if ray_nodes.runs_a_batch(2):
                ray_nodes.kill_node(2)
                lost.append(2)
            time.sleep(0.01)

    losing = threading.Thread(target=lose)
    losing.start()
    there = [run(given, tmp_path / "there") for run in passes]
    latest = 0
    losing.join()
    assert lost == [2]
    assert there == here
