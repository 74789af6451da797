"""The images of a review, with their features."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.review.grid.images import ImageTable
from pixmill.review.review_tables import load_tables
from tests.review.conftest import PARAMS, Project, fill, jpeg
from tests.waiting import until


def open_table(root: Path) -> ImageTable:
    tables = load_tables(root) if (root / "artifacts/scrape").exists() else None
    return ImageTable(Workspace(root, root), load_params(root), tables)


def shown(images: ImageTable) -> list[str]:
    images.identify(range(len(images)))
    return [name for row, name in enumerate(images.names) if row not in images.hidden]


def test_shows_images_of_the_run_then_others_of_data(project: Project) -> None:
    kept = project.add("coat", urls=["data/coat/a.jpg"], query="wool coat")
    project.add(reason="too_small")
    waiting = project.add(None, reason="unlabelled", urls=["data/unlabelled/w.jpg"])
    project.sightings[-1]["label"] = None
    project.write()
    fill(project.root, "coat/a.jpg", "coat/new.jpg", "hat/other.jpg", "unlabelled/deep/b.jpg")
    fill(project.root, "unlabelled/.hidden.jpg", "unlabelled/w.jpg")
    # Of the run, which dropped it.
    (project.root / "data/unlabelled/known.jpg").write_bytes(jpeg(1))
    images = open_table(project.root)
    run = sorted((kept, waiting))
    assert shown(images) == [
        *(f"artifacts/scrape/{project.rows[name]['path']}" for name in run),
        "data/coat/new.jpg",
        "data/unlabelled/deep/b.jpg",
    ]
    came = {images.names[row].rpartition("/")[2]: images.came[row] for row in range(len(images))}
    assert (came["new.jpg"], came["b.jpg"], came[f"{waiting}.jpg"]) == (("coat",), (), ())


def test_shows_equal_unlabelled_files_once(tmp_path: Path) -> None:
    fill(tmp_path, "unlabelled/a.jpg", "unlabelled/b.jpg")
    shutil.copy(tmp_path / "data/unlabelled/a.jpg", tmp_path / "data/unlabelled/c.jpg")
    assert shown(open_table(tmp_path)) == ["data/unlabelled/a.jpg", "data/unlabelled/b.jpg"]


def test_hides_files_that_cannot_be_read(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    fill(tmp_path, "unlabelled/a.jpg")
    outside = tmp_path_factory.mktemp("other") / "b.jpg"
    outside.write_bytes(jpeg(1))
    (tmp_path / "data/unlabelled/link.jpg").symlink_to(outside)
    (tmp_path / "data/unlabelled/loop.jpg").symlink_to("loop.jpg")
    images = open_table(tmp_path)
    assert shown(images) == ["data/unlabelled/a.jpg"]
    assert images.progress()["broken"] == 1


def test_computes_features_once_and_names_broken_files(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"{PARAMS}split: {{image_size: 32}}\n")
    fill(tmp_path, *(f"unlabelled/{number}.jpg" for number in range(3)))
    (tmp_path / "data/unlabelled/torn.jpg").write_bytes(jpeg(7)[:300])
    with open_table(tmp_path) as images:
        images.begin()
        until(lambda: images.progress()["featured"] + images.progress()["broken"] == 4, seconds=120)
        assert images.progress() == {
            "files": 4,
            "hashed": 4,
            "featured": 3,
            "broken": 1,
            "problem": None,
            "opens": False,
        }
        features = images.features(range(4))
        assert images.broken == {3: "truncated"}
    assert features.dtype == np.float16
    assert np.isnan(features[3]).all()
    assert features[:3].std(axis=1).min() > 0
    (tmp_path / "data/unlabelled/0.jpg").rename(tmp_path / "data/unlabelled/moved.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageTable, "_extract", lambda *_: iter(()))
        with open_table(tmp_path) as again:
            again.begin()
            until(lambda: again.progress()["featured"] == 3, seconds=60)
            row = again.names.index("data/unlabelled/moved.jpg")
            assert np.array_equal(again.features([row])[0], features[0])
