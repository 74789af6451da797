"""The pile of images that the grid shows, with their features."""

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.review.grid import pile as pile_module
from pixmill.review.grid.pile import Pile
from pixmill.review.grid.suggesting import DROPPED
from pixmill.review.review_tables import load_tables
from tests.review.conftest import Project, jpeg
from tests.review.grid.test_labels import PARAMS, fill
from tests.waiting import until


def open_pile(root: Path) -> Pile:
    tables = load_tables(root) if (root / "artifacts/scrape").exists() else None
    return Pile(Workspace(root, root), load_params(root), tables)


def test_shows_images_of_the_run_then_others_of_data(project: Project) -> None:
    kept = project.add("coat", urls=["data/coat/a.jpg"], query="wool coat")
    dropped = project.add(reason="tiny")
    project.write()
    fill(
        project.root,
        "coat/a.jpg",
        "coat/new.jpg",
        "hat/other.jpg",
        "unlabelled/deep/b.jpg",
        "unlabelled/.hidden.jpg",
    )
    (project.root / "data/unlabelled/known.jpg").write_bytes(
        jpeg(1)
    )  # of the run, which dropped it
    pile = open_pile(project.root)
    path = project.rows[kept]["path"]
    assert pile.names == [
        f"artifacts/scrape/{path}",
        "data/coat/new.jpg",
        "data/unlabelled/deep/b.jpg",
        "data/unlabelled/known.jpg",
    ]
    assert dropped not in pile.ids
    pile.identify([1, 2, 3])
    assert pile.labels == ["coat", "coat", None, DROPPED]


def test_shows_equal_unlabelled_files_once(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    fill(tmp_path, "unlabelled/a.jpg", "unlabelled/b.jpg")
    shutil.copy(tmp_path / "data/unlabelled/a.jpg", tmp_path / "data/unlabelled/c.jpg")
    pile = open_pile(tmp_path)
    pile.identify([0, 1, 2])
    assert pile.labels == [None, None, DROPPED]


def test_an_end_that_waits_for_features_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    monkeypatch.setattr(pile_module, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Pile, "_work", lambda _: time.sleep(0.3))
    with open_pile(tmp_path):
        pass
    assert capsys.readouterr().err != ""


def test_appends_new_files_and_hides_deleted_ones(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    fill(tmp_path, "unlabelled/b.jpg", "unlabelled/c.jpg")
    pile = open_pile(tmp_path)
    (tmp_path / "data/unlabelled/b.jpg").unlink()
    fill(tmp_path, "unlabelled/a.jpg")
    pile.add(pile.scan())
    assert [Path(name).name for name in pile.names] == ["b.jpg", "c.jpg", "a.jpg"]
    assert pile.labels == [DROPPED, None, None]


def test_hides_files_that_cannot_be_read(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    fill(tmp_path, "unlabelled/a.jpg")
    outside = tmp_path_factory.mktemp("other") / "b.jpg"
    outside.write_bytes(jpeg(1))
    (tmp_path / "data/unlabelled/link.jpg").symlink_to(outside)
    (tmp_path / "data/unlabelled/loop.jpg").symlink_to("loop.jpg")
    pile = open_pile(tmp_path)
    pile.identify([*range(len(pile))])
    assert dict(zip(pile.names, pile.labels, strict=True)) == {
        "data/unlabelled/a.jpg": None,
        "data/unlabelled/link.jpg": DROPPED,
    }
    assert pile.progress()["broken"] == 1


def test_computes_features_once_and_names_broken_files(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(f"{PARAMS}split: {{image_size: 32}}\n")
    fill(tmp_path, *(f"unlabelled/{number}.jpg" for number in range(3)))
    (tmp_path / "data/unlabelled/torn.jpg").write_bytes(jpeg(7)[:300])
    with open_pile(tmp_path) as pile:
        until(lambda: pile.progress()["featured"] + pile.progress()["broken"] == 4, seconds=120)
        assert pile.progress() == {
            "files": 4,
            "hashed": 4,
            "featured": 3,
            "broken": 1,
            "problem": None,
        }
        features = pile.features(range(4))
        assert pile.broken == {3: "truncated"}
    assert features.dtype == np.float16
    assert np.isnan(features[3]).all()
    assert features[:3].std(axis=1).min() > 0
    (tmp_path / "data/unlabelled/0.jpg").rename(tmp_path / "data/unlabelled/moved.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pile, "_extract", lambda *_: iter(()))
        with open_pile(tmp_path) as again:
            until(lambda: again.progress()["featured"] == 3, seconds=60)
            assert np.array_equal(
                again.features([again.row("data/unlabelled/moved.jpg") or 0])[0], features[0]
            )
