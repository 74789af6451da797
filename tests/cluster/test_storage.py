"""Nodes that do not see the project read images from its DVC remote on S3, with the same results."""

import contextlib
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.compute import RowLimits
from pixmill.compute.cluster import choose_cluster
from pixmill.core.errors import PixmillError
from pixmill.core.params import SplitParams
from pixmill.evaluate.predictions import predict_unlabelled
from pixmill.learn.inference import Located, predict_images
from pixmill.split.packing import pack
from pixmill.validate.survey import survey
from tests.cluster.conftest import disconnect
from tests.cluster.ray_nodes import RayCluster
from tests.split.conftest import write_project

pytestmark = [pytest.mark.slow, pytest.mark.services]

LIMITS = RowLimits(60, 512 << 20)


def dvc(root, *words):
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True, capture_output=True)


@pytest.fixture(scope="module")
def project(tmp_path_factory, s3_server):
    """Sixty images and a folder without labels, tracked by DVC and pushed to S3; its settings have the credentials."""
    made = write_project(tmp_path_factory.mktemp("project"))
    unlabelled = made.root / "data/unlabelled"
    unlabelled.mkdir(parents=True)
    for number, path in enumerate(sorted(made.images.rglob("*.png"))[:12]):
        shutil.copy(path, unlabelled / f"{number} é.png")
    (unlabelled / "empty.jpg").touch()
    (unlabelled / "text.jpg").write_text("text")
    outside = made.root / "outside.png"
    shutil.copy(unlabelled / "0 é.png", outside)
    dvc(made.root, "init", "--no-scm")
    dvc(made.root, "add", "data", "artifacts/scrape")
    dvc(made.root, "remote", "add", "-d", "team", f"s3://{s3_server.bucket}/store")
    for setting in (("endpointurl", s3_server.url), ("access_key_id", "key"), ("secret_access_key", "secret")):
        dvc(made.root, "remote", "modify", "team", *setting)
    dvc(made.root, "push")
    # As a file, DVC knows it.
    (unlabelled / "0 é.png").unlink()
    (unlabelled / "0 é.png").symlink_to(outside)
    return made


@pytest.fixture(scope="module")
def blind_nodes(project):
    """The address of two nodes that find an empty folder where the project is."""
    disconnect()
    nodes = RayCluster(nodes=2, hidden=project.root)
    yield nodes.address
    disconnect()
    nodes.end()


@pytest.fixture
def blind(project, blind_nodes, monkeypatch):
    """Let this process use the nodes."""
    monkeypatch.chdir(project.root)

    def use():
        monkeypatch.setenv("PIXMILL_COMPUTE", blind_nodes)
        assert not choose_cluster().sees(project.images)

    return use


def files(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_measures_are_the_same_and_an_image_that_is_nowhere_is_a_row(project, blind):
    rows = project.manifest[["id", "path"]].copy()
    rows.loc[len(rows)] = ["0" * 64, "images/00/gone.png"]
    here = survey(rows, project.images, max_pixels=10_000, limits=LIMITS)
    blind()
    there = survey(rows, project.images, max_pixels=10_000, limits=LIMITS)
    pd.testing.assert_frame_equal(here.table, there.table)
    np.testing.assert_array_equal(here.greys, there.greys)
    assert there.table["failure"].tolist()[-1] == "missing_file"
    assert there.table["failure"].count() == 1


def test_shards_are_the_same_bytes(project, blind, tmp_path):
    manifest = project.manifest.copy()
    manifest["split"] = pd.array(["val", "train", "train"] * 20, dtype="string")
    manifest["row"] = manifest.groupby("split").cumcount().astype("Int32")
    params = SplitParams(image_size=20)
    pack(manifest, project.images, tmp_path / "here", params, LIMITS)
    blind()
    pack(manifest, project.images, project.root / "there", params, LIMITS)
    assert files(project.root / "there") == files(tmp_path / "here")


def test_unlabelled_images_and_any_others_have_the_same_predictions(project, blind, trained_folder, tmp_path):
    folder = project.root / "data/unlabelled"
    model = shutil.copytree(trained_folder, project.root / "train")
    strangers = shutil.copytree(folder, project.root / "strangers", symlinks=True)
    rows = [Located(path, strangers) for path in sorted(strangers.iterdir())]
    here = predict_unlabelled(model, folder), list(predict_images(model, rows))
    blind()
    there = predict_unlabelled(model, folder), list(predict_images(model, rows))
    pd.testing.assert_frame_equal(here[0], there[0])
    assert set(here[0]["reason"].dropna()) == {"empty", "unknown", "symlink"}
    assert [repr(answer) for answer in here[1]] == [repr(answer) for answer in there[1]]


def test_what_was_not_pushed_is_no_missing_file(project, blind, s3):
    import boto3

    lost = Path(project.manifest["path"][7])
    content = (project.images / lost).read_bytes()
    digest = hashlib.md5(content).hexdigest()
    with contextlib.closing(boto3.client("s3")) as client:
        client.delete_object(Bucket=s3.bucket, Key=f"store/files/md5/{digest[:2]}/{digest[2:]}")
    blind()
    with pytest.raises(PixmillError, match=f"lacks .*{lost.name}") as caught:
        survey(project.manifest[["id", "path"]], project.images, max_pixels=10_000, limits=LIMITS)
    assert caught.value.next.startswith("dvc push")
