"""What a run lacks on this machine is told before it starts."""

import base64
from pathlib import Path
from typing import Any

import pytest

from pixmill.core.params import Params
from pixmill.use import Issue, find_issues, preflight, salt_for_folders

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNgYGAAAAAEAAEnNCcKAAAAAElFTkSuQmCC")
"""One black pixel; what stands behind it makes another file, and no other image."""


def params(
    classes: tuple[str, ...] = ("coat", "hat"), unlabelled: str | None = None, salt: str = "pixmill", **scrape: Any
) -> Params:
    sections = {"evaluate": {"unlabelled": unlabelled}, "split": {"salt": salt}}
    given = {"source": "folder", "snapshot": "2026-11-20", **scrape}
    return Params.model_validate({"classes": classes, "scrape": given, **sections})


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
    assert first == f"{root / 'lists/a.csv'} of scrape.urls.files cannot be read: No such file or directory"
    assert second == ("data/new is missing, so evaluate will predict no unlabelled images", False)
    (root / "lists").mkdir()
    (root / "lists" / "a.csv").write_text("url,label\nhttps://a.test/1.jpg,coat\n")
    (root / "data" / "new").mkdir()
    assert told(root, listed) == []


@pytest.fixture
def poor(tmp_path: Path) -> str:
    """Fill two folders and return a salt that divides them badly."""
    for label in ("coat", "hat"):
        fill(tmp_path / "data" / label, 40)
    return next(salt for number in range(20) if salt_for_folders(tmp_path, params(salt=(salt := f"poor {number}"))))


def test_salts_are_for_folders_alone(tmp_path: Path, poor: str) -> None:
    assert "split.salt: pixmill-" in str(salt_for_folders(tmp_path, params(salt=poor)))
    assert salt_for_folders(tmp_path, params(salt=poor, folder={"layout": "fixed"})) is None
    assert salt_for_folders(tmp_path, params(salt=poor, source_by_class={"hat": ["folder", "bing"]})) is None
    assert salt_for_folders(tmp_path / "data", params(salt=poor)) is None
    # Which of the files are taken is not known yet.
    assert salt_for_folders(tmp_path, params(salt=poor, per_class=30)) is None
    assert salt_for_folders(tmp_path, params(salt=poor, per_query=30)) is None


@pytest.mark.parametrize(("limit", "most"), [("_FILES", 79), ("_BYTES", 80)])
def test_of_many_or_large_files_none_is_hashed(
    tmp_path: Path, poor: str, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    assert salt_for_folders(tmp_path, params(salt=poor)) is not None
    monkeypatch.setattr(preflight, limit, most)
    assert salt_for_folders(tmp_path, params(salt=poor)) is None


def test_a_salt_counts_each_image_once_and_nothing_else(tmp_path: Path, poor: str) -> None:
    before = salt_for_folders(tmp_path, params(salt=poor))
    for label in ("coat", "hat"):
        (tmp_path / "data" / label / "copy.png").write_bytes((tmp_path / "data" / label / "0.png").read_bytes())
        fill(tmp_path / "data" / label / "below", 2)
        (tmp_path / "data" / label / "notes.txt").write_text("a text")
    (tmp_path / "data" / "hat" / "cut.png").write_bytes(PNG[:12])
    assert salt_for_folders(tmp_path, params(salt=poor)) == before
    (tmp_path / "data" / "hat" / "0.png").unlink()
    (tmp_path / "data" / "hat" / "copy.png").unlink()
    assert " of 39 'hat'" in str(salt_for_folders(tmp_path, params(salt=poor)))


@pytest.mark.parametrize(("tolerate", "stops"), [(0.0, True), (0.5, False)])
def test_a_host_that_the_scrape_would_refuse_is_named(root: Path, tolerate: float, stops: bool) -> None:
    wiki = {"source": "wikimedia", "wikimedia": {"api": "http://127.0.0.1:8080/w/api.php"}, "tolerate": tolerate}
    (root / "data.dvc").write_text("")
    [(message, stopping)] = told(root, params(**wiki))
    assert message == (
        "a scrape will refuse http://127.0.0.1:8080: 127.0.0.1 is not a public address "
        "(if the host is yours: scrape.allow_hosts: ['127.0.0.1:8080'])"
    )
    assert stopping is stops
    assert told(root, params(**wiki, allow_hosts=["127.0.0.1:8080"])) == []
