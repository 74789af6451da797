"""Files of a folder tree are listed lazily, ordered by path."""

import os

import pytest

from pixmill.images.listing import files_below, path_text


def names(folder):
    return [name for name, _ in files_below(folder)]


def test_files_are_sorted_by_whole_path(tmp_path):
    for name in (
        "a/z.png",
        "a!.png",
        "a-b/c.png",
        "a.png",
        "b/c/d/e.png",
        "b/c.png",
        "ä.png",
        "B.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    expected = [
        "B.png",
        "a!.png",
        "a-b/c.png",
        "a.png",
        "a/z.png",
        "b/c.png",
        "b/c/d/e.png",
        "ä.png",
    ]
    assert names(tmp_path) == expected == sorted(expected)
    assert [path for _, path in files_below(tmp_path)] == [tmp_path / name for name in expected]


def test_hidden_files_and_sidecars_are_skipped_at_any_depth(tmp_path):
    for name in (".git/a.png", "b/.c.png", "b/d.png", ".e.png", "b/d.png.xmp", "f.XMP"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert names(tmp_path) == ["b/d.png"]


def test_links_are_listed_and_not_followed(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.png").touch()
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    assert names(tmp_path) == ["broken", "inner/a.png", "round"]


@pytest.mark.linux
def test_invalid_utf_8_names_are_escaped(tmp_path):
    odd = os.fsdecode(b"\xff.png")
    (tmp_path / odd).touch()
    (tmp_path / "ü.png").touch()
    assert names(tmp_path) == ["\\udcff.png", "ü.png"]
    assert dict(files_below(tmp_path))["\\udcff.png"].name == odd
    assert path_text(odd) == "\\udcff.png"


def test_folders_are_listed_lazily(tmp_path, monkeypatch):
    for folder in "abc":
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "1.png").touch()
    scanned = []

    def scandir(path, real=os.scandir):
        scanned.append(path.name)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    stream = files_below(tmp_path)
    assert next(stream)[0] == "a/1.png"
    assert scanned == [tmp_path.name, "a"]
    assert [name for name, _ in stream] == ["b/1.png", "c/1.png"]
