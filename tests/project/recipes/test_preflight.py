"""What a run lacks on this machine is told before it starts."""

import base64
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.params import Params
from pixmill.project.recipes import Issue, find_issues

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAEnNCcKAAAAAElFTkSuQmCC")
"""One black pixel; what stands behind it makes another file, and no other image."""


def params(classes: tuple[str, ...] = ("coat", "hat"), unlabelled: str | None = None, **scrape: Any) -> Params:
    given = {"source": "folder", "snapshot": "2026-11-20", **scrape}
    return Params.model_validate({"classes": classes, "scrape": given, "evaluate": {"unlabelled": unlabelled}})


def fill(folder: Path, count: int, content: bytes = PNG) -> None:
    folder.mkdir(parents=True)
    for place in range(count):
        (folder / f"{place}.png").write_bytes(content + f"{folder.name} {place}".encode())


def told(root: Path, given: Params) -> list[tuple[str, bool]]:
    return [(issue.message, issue.stops) for issue in find_issues(root, given)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for label in ("coat", "hat"):
        fill(tmp_path / "data" / label, 3)
    return tmp_path


def test_folders_that_fit_the_classes_are_sound(root: Path) -> None:
    assert list(find_issues(root, params())) == []


def test_classes_without_images_and_other_folders_stop(root: Path) -> None:
    fill(root / "data" / "texts", 2, b"a text")
    (root / "data" / "empty").mkdir()
    (root / "data" / "caps").mkdir()
    (root / "data" / "caps" / "1.png").write_bytes(PNG)
    found = list(find_issues(root, params(("coat", "hat", "empty", "texts", "none"))))
    advice = "put images there, or set classes to the folders with images: caps, coat, hat"
    assert found == [
        Issue(
            "data/ has folders that are not among the classes of params.yaml: caps",
            "add them to classes, or move them out of data/: validate stops at labels that no class has. Images "
            "without a label belong in data/unlabelled, with evaluate.unlabelled: data/unlabelled in params.yaml",
            stops=True,
        ),
        Issue("data/empty is empty\ndata/texts has no image among 2 entries\ndata/none is missing", advice, stops=True),
    ]


def test_where_another_source_may_bring_the_images_nothing_stops(root: Path) -> None:
    mixed = {"source_by_class": {"cap": ["folder", "bing"]}}
    assert told(root, params(("coat", "cap"), **mixed))[-1] == ("data/cap is missing", True)
    assert told(root, params(("coat", "cap"), **mixed, tolerate=0.5))[-1] == ("data/cap is missing", False)
    assert told(root, params(("coat", "hat", "cap"), source_by_class={"cap": ["bing"]})) == []


def test_a_fixed_split_is_looked_at_part_by_part(root: Path) -> None:
    fixed = params(folder={"layout": "fixed"})
    [(message, stops)] = told(root, fixed)
    assert message.startswith(str(root / "data" / "test"))
    assert stops
    for part, label in (("train", "coat"), ("train", "hat"), ("test", "coat")):
        fill(root / "data" / part / label, 3)
    assert told(root, fixed)[1:] == [("data/test/hat: no files, and split stops where a split lacks a class", True)]


def test_images_without_a_label_that_no_stage_looks_at_are_told(root: Path) -> None:
    fill(root / "data" / "unlabelled", 2)
    assert told(root, params()) == [("data/unlabelled is there, but no stage looks at it", False)]
    assert told(root, params(unlabelled="data/unlabelled")) == []
    for part in ("train", "test"):
        for label in ("coat", "hat"):
            fill(root / "data" / part / label, 3)
    fill(root / "data" / "pool", 2)
    fixed = {"folder": {"layout": "fixed"}}
    assert "set evaluate.unlabelled in params.yaml, such as to data/" in told(root, params(**fixed))[0][0]
    [(message, _)] = told(root, params(**fixed, unlabelled="data/pool"))
    assert message.startswith("data has other entries than the splits train, val and test, ignored: coat, hat; if")


def test_missing_images_are_brought_back_first(tmp_path: Path) -> None:
    keras = params(source="keras")
    assert [issue.next for issue in find_issues(tmp_path, keras)] == ["pixmill data"]
    (tmp_path / "data.dvc").write_text("outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  path: data\n")
    assert [issue.next for issue in find_issues(tmp_path, keras)] == ["dvc pull data.dvc"]
    assert [(issue.next, issue.stops) for issue in find_issues(tmp_path, params())] == [("dvc pull data.dvc", False)]
    (tmp_path / "data").mkdir()
    assert list(find_issues(tmp_path, keras)) == []


def test_lists_and_the_unlabelled_folder_are_looked_for(root: Path) -> None:
    assert told(root, params(source="urls"))[0] == (
        "scrape.urls.files is empty; the source 'urls' reads its URLs from there",
        True,
    )
    listed = params(source="urls", urls={"files": ["lists/a.csv"]}, unlabelled="data/new")
    (first, _), second = told(root, listed)
    assert first == f"{root / 'lists/a.csv'} of scrape.urls.files is missing"
    assert second == ("data/new is missing, so evaluate will predict no unlabelled images", False)
    (root / "lists").mkdir()
    (root / "lists" / "a.csv").write_text("url,label\nhttps://a.test/1.jpg,coat\n")
    (root / "data" / "new").mkdir()
    assert told(root, listed) == []


def test_a_limit_below_what_the_gate_demands_stops_whatever_the_source(root: Path) -> None:
    for source in ("folder", "bing"):
        [(message, stops)] = told(root, params(source=source, per_class=29))
        assert message.startswith("scrape.per_class (29) leaves each class fewer images than")
        assert stops
    assert told(root, params(per_class=30)) == []
