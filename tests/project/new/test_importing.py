"""Labelled images are found in common folder layouts and copied."""

import re
import unicodedata
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.project.new.importing import copy_images, find_images

PNG = b"\x89PNG\r\n\x1a\n"


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())


def test_class_folders_with_other_files(tmp_path: Path) -> None:
    there, data = tmp_path / "there", tmp_path / "data"
    decomposed = unicodedata.normalize("NFD", "café noir")
    put(there, "coat/a.png", "coat/old/a.png", "coat/old-a.png", "coat/.hidden.png", f"{decomposed}/1", ".git/x/y.png")
    put(there, "__MACOSX/coat/a.png", "loose.png")
    put(tmp_path, "elsewhere.jpeg")
    for number in range(40):
        (there / "coat" / f"{number:02}.txt").write_text("no image")
    (there / "coat" / "gone.png").symlink_to(there / "gone")
    (there / "coat" / "link.png").symlink_to(tmp_path / "elsewhere.jpeg")
    found = find_images(there)
    assert (found.classes, found.layout, sum(map(len, found.images.values()))) == (("café noir", "coat"), "classes", 5)
    (remark,) = found.remarks
    assert remark.startswith("41 files are not images and were left out: coat/00.txt, coat/01.txt")
    assert not found.lies_in(there)
    copy_images(found, data, scratch=tmp_path / "scratch")
    copies = sorted(path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file())
    assert copies == ["café noir/1", "coat/a.png", "coat/link.png", "coat/old-a-2.png", "coat/old-a.png"]
    # The originals are independent of the copies.
    assert not (data / "coat" / "link.png").is_symlink()
    (data / "coat" / "a.png").write_bytes(b"")
    assert (there / "coat" / "a.png").read_bytes() == PNG + b"coat/a.png"


@pytest.mark.parametrize(
    ("train", "test", "val"),
    [
        ("train", "test", "val"),
        ("Training", "Testing", "Validation"),
        ("seg_train/seg_train", "seg_test/seg_test", None),
        ("archive/train", "archive/test", "archive/valid"),
        ("pets_TRAIN", "pets_TEST", "pets dev"),
    ],
)
def test_finds_splits_by_name(train: str, test: str, val: str | None, tmp_path: Path) -> None:
    splits = {"train": train, "test": test, **({"val": val} if val else {})}
    for folder in splits.values():
        put(tmp_path, f"{folder}/cat/1.png", f"{folder}/dog/1.png")
    (tmp_path / "README.txt").write_text("no image")
    found = find_images(tmp_path)
    assert (found.classes, found.layout, found.remarks) == (("cat", "dog"), "fixed", ())
    assert set(found.images) == {f"{split}/{label}" for split in splits for label in ("cat", "dog")}
    assert find_images(tmp_path, ["dog", "cat"]).classes == ("dog", "cat")


def test_val_replaces_a_missing_test_split(tmp_path: Path) -> None:
    put(tmp_path, "train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png", "pred/1.png")
    found = find_images(tmp_path)
    assert set(found.images) == {"train/a", "train/b", "test/a", "test/b"}
    assert "no test split: val is used as test" in found.remarks[0]
    assert found.remarks[1].startswith("these folders are not splits and were left out: pred; ")


@pytest.mark.parametrize(
    ("files", "classes", "message"),
    [
        (["1.png", "2.png"], [], "has no class folders"),
        (["coat/1.png", "coat/2.png"], [], "has only the class folder coat"),
        (["coat/1.png", "hat/1.png"], ["hat"], "has only the class folder hat"),
        (["coat/1.png", "hat/1.png"], ["coat", "shoe"], "has no folders for the classes shoe; it has coat, hat"),
        (["coat/1.png", "hat/1.png", "bag/.empty"], [], "folders of bag\nNext: .* --classes 'coat,hat'"),
        (["train/a/1.png", "train/b/1.png", "test/a/1", "test/b/1", "tests/a/1", "testing/a/1", "testing/b/1"], [],
         "several folders for the split test: test, testing"),
    ],
)  # fmt: skip
def test_rejects_folders_without_classes(files: list[str], classes: list[str], message: str, tmp_path: Path) -> None:
    put(tmp_path, *files)
    with pytest.raises(DataError) as refused:
        find_images(tmp_path, classes)
    assert re.search(message, str(refused.value)), refused.value


def test_rejects_an_archive(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").touch()
    with pytest.raises(DataError, match="is not a folder") as refused:
        find_images(tmp_path / "pets.zip")
    assert (refused.value.next or "").startswith("unpack")


def test_files_that_are_no_images_are_named_by_their_first_bytes(tmp_path: Path) -> None:
    contents = {
        "1.jpg": b"version https://git-lfs.github.com/spec/v1\noid",
        "2.pgm": b"P5 2 2 255\n",
        "3.svg": b"<svg>",
        "4.jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        "5.dcm": bytes(128) + b"DICM",
    }
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for name, content in contents.items():
            (tmp_path / label / name).write_bytes(content)
        (tmp_path / label / "6.jpg").symlink_to("../.git/annex/objects/x/y/SHA256E-s1--a.jpg")
    with pytest.raises(DataError) as caught:
        find_images(tmp_path)
    assert all(word in caught.value.message for word in ("Git LFS", "PGM", "SVG", "JPEG 2000", "DICOM", "git-annex"))
    assert all(word in str(caught.value.next) for word in ("git lfs pull", "git annex get", "convert"))
    put(tmp_path, "cat/7.png", "dog/7.png")
    assert len(find_images(tmp_path).remarks) == len(contents) + 1
