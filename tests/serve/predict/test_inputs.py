"""Paths, folders, patterns and URLs as a stream of images."""

import os
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.models.inference import Located
from pixmill.serve.predict.inputs import find_images


def found(*words, excluded=()):
    return list(find_images(words, excluded))


def names(*words, **options):
    return [each.name for each in found(*words, **options)]


EVERY = [
    "photos/00.jpeg",
    "photos/01.png",
    "photos/02.webp",
    "photos/04.png",
    "photos/05.webp",
    "photos/06.jpeg",
    "photos/08.webp",
    "photos/09.jpeg",
    "photos/10.png",
    "photos/cut.jpg",
    "photos/empty.png",
    "photos/new/03.jpeg",
    "photos/new/07.png",
    "photos/new/11.webp",
    "photos/new/again.jpg",
    "photos/notes.txt",
]


def test_a_folder_yields_its_files_recursively(photos):
    (photos / ".hidden.jpg").touch()
    assert names("photos") == names("photos/") == names("./photos") == EVERY
    assert names(str(photos)) == [str(photos.parent / name) for name in EVERY]
    assert found("photos")[0].source == Located(Path("photos/00.jpeg"), Path("photos"))
    os.chdir(photos)
    assert names(".") == [name.removeprefix("photos/") for name in EVERY]


def test_keeps_the_order_and_expands_patterns(photos):
    assert names("photos/new/*.jp*g", "photos/01.png") == [
        "photos/new/03.jpeg",
        "photos/new/again.jpg",
        "photos/01.png",
    ]
    assert names("photos/**/*.png") == [name for name in EVERY if name.endswith(".png")]
    assert sorted(names("photos/**")) == EVERY
    assert names("photos/ne?") == [name for name in EVERY if "new" in name]


@pytest.mark.parametrize("word", ["gone.jpg", "photos/*.gif", "", "ftp://example.org/a.jpg"])
def test_refuses_missing_files(photos, word):
    with pytest.raises(DataError, match=r"does not exist|no file matches"):
        find_images(["photos", word])


def test_refuses_no_words():
    with pytest.raises(DataError, match="no images are named"):
        find_images([])


def test_urls(photos):
    (each,) = found("HTTPS://example.org/a.jpg?b=1")
    assert (each.name, each.source) == (
        "HTTPS://example.org/a.jpg?b=1",
        "HTTPS://example.org/a.jpg?b=1",
    )
    assert find_images(["photos", "HTTPS://example.org/a.jpg"]).count() == len(EVERY) + 1


def test_refuses_empty_folders(photos):
    Path("empty/.hidden").mkdir(parents=True)
    with pytest.raises(DataError, match="no files in empty"):
        find_images(["photos", "empty"])


def test_excludes_outputs(photos):
    (photos / "answers.csv").touch()
    (photos / "new" / "answers.csv").touch()
    excluded = [Path("photos/answers.csv")]
    assert names("photos", excluded=excluded) == sorted([*EVERY, "photos/new/answers.csv"])
    assert names("photos/a*", "photos/answers.csv", "photos/notes.txt", excluded=excluded) == [
        "photos/notes.txt"
    ]


def test_refuses_outputs_alone(photos):
    with pytest.raises(DataError, match="all files are outputs"):
        find_images(["photos/new"], [Path("photos")])


def test_names_are_not_formulas(photos):
    os.chdir(photos)
    for name in ("=1+1.png", "@x.png", "+1.png", "\n=1.png"):
        Path(name).touch()
    assert names("=1+1.png", "@x.png", "+1.png", "\n=1.png") == [
        "./=1+1.png",
        "./@x.png",
        "./+1.png",
        "./\n=1.png",
    ]
    assert not [name for name in names(".") if name[0] in "=+-@"]
