"""Class folders, splits, masks and labels in file names are recognized."""

import re
import shlex
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from pixmill.core.errors import DataError
from pixmill.dataset.detected import Detected
from pixmill.dataset.folders import find_all, find_in_folder

PNG = b"\x89PNG\r\n\x1a\n"
PATTERN = r"([a-z]+)\.\d+"


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PNG + name.encode())


def labels(found: Detected) -> Counter[tuple[str | None, str | None]]:
    return Counter((item.facts.label, item.facts.split) for item in found.items)


def test_class_folders_with_other_files(tmp_path: Path) -> None:
    there = tmp_path / "there"
    decomposed = unicodedata.normalize("NFD", "café noir")
    put(
        there,
        "coat/a.png",
        "coat/old/a.png",
        "coat/.hidden.png",
        f"{decomposed}/1",
        ".git/x/y.png",
        "loose.png",
    )
    put(there, "__MACOSX/coat/a.png", "coat/.ipynb_checkpoints/a.png")
    put(tmp_path, "elsewhere.jpeg")
    for number in range(40):
        (there / "coat" / f"{number:02}.txt").write_text("no image")
    (there / "coat" / "gone.png").symlink_to(there / "gone")
    (there / "coat" / "link.png").symlink_to(tmp_path / "elsewhere.jpeg")
    (there / "coat" / "loop").symlink_to(there)
    found = find_in_folder(there)
    assert labels(found) == {("café noir", None): 1, ("coat", None): 3}
    assert sorted(item.name for item in found.items) == ["1", "a.png", "link.png", "old/a.png"]
    assert all(item.path.is_file() for item in found.items)
    numbers = [re.findall(r"\((\d+)\): ([^;]*)", remark) for remark in found.remarks]
    assert [(each[0][0], "loop" in each[0][1], "loose" in each[0][1]) for each in numbers] == [
        ("1", True, False),
        ("1", False, False),
        ("40", False, False),
        ("1", False, True),
    ]


def test_labels_have_no_spaces_at_their_ends_and_other_classes_are_left_out(tmp_path: Path) -> None:
    put(tmp_path, "Cats /1.png", " Dogs/1.png", "Owls/1.png", "Bats/old/1.png", "loose.png")
    assert labels(find_in_folder(tmp_path)).keys() == {
        (label, None) for label in ("Bats", "Cats", "Dogs", "Owls")
    }
    found = find_in_folder(tmp_path, ["Cats", "Dogs"])
    assert labels(found) == {("Cats", None): 1, ("Dogs", None): 1}
    assert [remark.partition(";")[0] for remark in found.remarks] == [
        "left out: images in no class folder (1): loose.png",
        "left out: other classes (2): Bats, Owls",
    ]
    assert labels(find_in_folder(tmp_path, pattern="(.+)/")).keys() >= {
        ("Cats", None),
        ("Dogs", None),
    }


@pytest.mark.parametrize(
    ("train", "test", "val"),
    [
        ("train", "test", "val"),
        ("Training", "Testing", "Validation"),
        ("seg_train/seg_train", "seg_test/seg_test", None),
        ("archive/train", "archive/test", "archive/valid"),
        ("pets_TRAIN", "pets_TEST", "pets dev"),
        ("train/images", "test/images", None),
    ],
)
@pytest.mark.parametrize("no_splits", [False, True])
def test_finds_splits_by_name(
    train: str, test: str, val: str | None, no_splits: bool, tmp_path: Path
) -> None:
    splits = {"train": train, "test": test, **({"val": val} if val else {})}
    for folder in splits.values():
        put(tmp_path, f"{folder}/cat/1.png", f"{folder}/dog/more/2.png")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "classes.txt").write_text("no image")
    found = find_in_folder(tmp_path, no_splits=no_splits)
    expected = Counter(
        (label, None if no_splits else split) for label in ("cat", "dog") for split in splits
    )
    assert labels(found) == expected
    assert {item.name for item in found.items} == {"1.png", "more/2.png"}
    assert "--ignore-splits" in found.options


@pytest.mark.parametrize(
    ("files", "expected", "remarks"),
    [
        # a flat test has no labels, nor does a folder of predictions
        (["train/a/1", "train/b/1", "test/1", "pred/1"], {"a": 1, "b": 1, None: 2}, 1),
        (["train/a/1", "train/b/1", "val/a/1", "val/b/1", "test/test/1"],
         {"a train": 1, "b train": 1, "a test": 1, "b test": 1, None: 1}, 2),
        (["train/a/1", "train/b/1", "test/a/1"], {"a train": 1, "b train": 1, "a test": 1}, 1),
        (["a/train/1", "a/test/1", "b/train/1"], {"a train": 1, "a test": 1, "b train": 1}, 1),
        (["a/1", "b/1", "unlabelled/1"], {"a": 1, "b": 1, None: 1}, 1),
        (["default/1", "sport/1"], {"default": 1, "sport": 1}, 0),
        (["bus/1", "train/1"], {"bus": 1, "train": 1}, 0),
        # without a folder train
        (["dataset/a/1", "dataset/b/1", "test/a/1", "test/b/1"],
         {"a train": 1, "b train": 1, "a test": 1, "b test": 1}, 1),
        # classes named like splits
        ([f"{split}/{label}/1" for split in ("train", "test") for label in ("a", "test", "train")],
         {f"{label} {split}": 1 for split in ("train", "test")
          for label in ("a", "test", "train")}, 0),
        (["control/1", "test/1"], {"control": 1, "test": 1}, 0),
        # words of splits in names of classes
        (["Predictions/1", "dev board/1", "test tube/1"],
         {"Predictions": 1, "dev board": 1, "test tube": 1}, 0),
        # masks
        (["a/images/1", "a/masks/1", "b/images/1", "b/masks/1"], {"a": 1, "b": 1}, 1),
        (["a/1.png", "a/1_mask.png", "a/1_mask_1.png", "b/2.png"], {"a": 1, "b": 1}, 1),
        (["mask/1", "no_mask/1", "test/1"], {"mask": 1, "no_mask": 1, None: 1}, 1),
    ],
)  # fmt: skip
def test_layouts(
    files: list[str], expected: dict[str | None, int], remarks: int, tmp_path: Path
) -> None:
    put(tmp_path, *files)
    found = find_in_folder(tmp_path)
    counts = Counter(
        item.facts.label and " ".join(filter(None, [item.facts.label, item.facts.split]))
        for item in found.items
    )
    assert (counts, len(found.remarks)) == (expected, remarks), found


def test_classes_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "animals/cat/1", "animals/dog/1/2", "plants/rose/1", "plants/ivy/1", "note.png")
    found = find_in_folder(tmp_path, ["rose", "dog"])
    assert sorted((item.facts.label, item.name) for item in found.items) == [
        ("dog", "1/2"),
        ("rose", "1"),
    ]
    assert labels(find_in_folder(tmp_path, pattern="([^/]+)/[^/]+$"))[("cat", None)] == 1
    assert labels(find_in_folder(tmp_path, pattern="rose|cat")) == {
        ("rose", None): 1,
        ("cat", None): 1,
        (None, None): 3,
    }


@pytest.mark.parametrize(
    ("files", "options", "expected"),
    [
        (["a/1", "b/1", "test/1"], {"classes": ["a", "b", "test"]}, {"a": 1, "b": 1, "test": 1}),
        (["labeled/1", "unlabeled/1"], {"classes": ["labeled", "unlabeled"]},
         {"labeled": 1, "unlabeled": 1}),
        (["images/1", "masks/1"], {"classes": ["images", "masks"]}, {"images": 1, "masks": 1}),
        (["a/images/1", "a/masks/1", "b/1"], {"pattern": "^([^/]+)/"}, {"a": 2, "b": 1}),
    ],
)  # fmt: skip
def test_chosen_classes_win_over_guesses(
    files: list[str], options: dict[str, object], expected: dict[str, int], tmp_path: Path
) -> None:
    put(tmp_path, *files)
    found = find_in_folder(tmp_path, **options)  # type: ignore[arg-type]
    assert labels(found) == {(label, None): number for label, number in expected.items()}
    assert found.remarks == ()


@pytest.mark.parametrize(
    "name",
    [
        "{label}.{n}.jpg",
        "{label}_{n:03}.png",
        "{label} ({n}).jpg",
        "{label}{n}.jpg",
        "{n:04}_{label}.jpg",
    ],
)
@pytest.mark.parametrize("folder", ["", "train/", "train/train/"])
def test_proposes_a_pattern_of_labels_in_file_names(name: str, folder: str, tmp_path: Path) -> None:
    for label in ("cat", "great dane"):
        put(tmp_path, *(folder + name.format(label=label, n=n) for n in range(5)))
    with pytest.raises(DataError) as refused:
        find_in_folder(tmp_path)
    proposed = re.search("--pattern '([^']+)'", str(refused.value.next))
    assert proposed
    assert labels(find_in_folder(tmp_path, pattern=proposed[1])) == {
        ("cat", None): 5,
        ("great dane", None): 5,
    }


def test_patterns_with_splits(tmp_path: Path) -> None:
    put(tmp_path, *(f"train/{label}.{n}.jpg" for label in ("cat", "dog") for n in range(5)))
    put(tmp_path, "test1/1.jpg", "test1/12.jpg")
    assert labels(find_in_folder(tmp_path, pattern=PATTERN)) == {
        ("cat", None): 5,
        ("dog", None): 5,
        (None, None): 2,
    }
    put(tmp_path, "test1/cat.1.jpg", "test1/dog.2.jpg")
    assert labels(find_in_folder(tmp_path, pattern=PATTERN))[("cat", "test")] == 1


def test_links_to_folders_are_named_with_a_copy_that_has_their_images(tmp_path: Path) -> None:
    put(tmp_path / "store", "cat/1.png", "dog/1.png")
    (tmp_path / "set").mkdir()
    for label in ("cat", "dog"):
        (tmp_path / "set" / label).symlink_to(tmp_path / "store" / label)
    with pytest.raises(DataError, match=r"has no images\n.* \(2\): cat, dog; cp") as refused:
        find_in_folder(tmp_path / "set")
    command = re.search(r"cp -rL \S+ COPY", str(refused.value))
    assert command
    subprocess.run(shlex.split(command[0]), check=True, cwd=tmp_path)
    assert labels(find_in_folder(tmp_path / "COPY")) == {("cat", None): 1, ("dog", None): 1}


@pytest.mark.parametrize(
    ("files", "options", "message"),
    [
        (["1.png", "2.png"], {}, "neither class folders nor .*\n.*--classes A,B"),
        (["cat_1.png", "cat_2.png", "dog_1.png"], {}, r"\nNext: .*--pattern '.*' \(gives cat, dog"),
        (["images/default/1.png"], {}, "neither class folders nor"),
        (["coat/1.png", "hat/1.png"], {"classes": ["coat", "shoe"]},
         "images of shoe; it has coat, hat"),
        (["train/good/1", "test/good/1", "test/broken/1"], {},
         "no images of broken, .*\nNext: .*--ignore-splits"),
        (["train/a/1", "train/b/1", "test/a/1", "test/c/1"], {},
         "of c, only of a, b; .*--ignore-splits; .*--classes$"),
        (["train/A/1", "train/b/1", "test/a/1", "test/b/1"], {},
         "of a, only of A, b; .*lower case\n.*rename"),
        (["cat/1.png", "dog/1.png"], {"pattern": "([A-Z]+)_"},
         r"--pattern label files such as cat/1\.png"),
    ],
)  # fmt: skip
def test_refusals_name_the_way_out(
    files: list[str], options: dict[str, object], message: str, tmp_path: Path
) -> None:
    put(tmp_path, *files)
    with pytest.raises(DataError) as refused:
        find_in_folder(tmp_path, **options)  # type: ignore[arg-type]
    assert re.search(message, str(refused.value), re.DOTALL), refused.value


def test_unreadable_files_are_explained_by_their_first_bytes(tmp_path: Path) -> None:
    contents = {
        "1.jpg": b"version https://git-lfs.github.com/spec/v1\noid",
        "2.pgm": b"P5 2 2 255\n",
        "3.svg": b"<svg>",
        "4.jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
        "5.dcm": bytes(128) + b"DICM",
        "6.jpg": b"",
    }
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        for name, content in contents.items():
            (tmp_path / label / name).write_bytes(content)
        (tmp_path / label / "7.jpg").symlink_to("../.git/annex/objects/x/y/SHA256E-s1--a.jpg")
    with pytest.raises(DataError) as caught:
        find_in_folder(tmp_path)
    assert all(
        word in caught.value.message
        for word in ("Git LFS", "PGM", "SVG", "JPEG 2000", "DICOM", "git-annex")
    )
    assert all(
        word in caught.value.message for word in ("git lfs pull", "git annex get", "convert")
    )
    put(tmp_path, "cat/8.png", "owl/8.png")  # The class dog is lost, unless it is given up.
    with pytest.raises(DataError, match="no images of dog; it has cat, owl\n") as caught:
        find_in_folder(tmp_path)
    assert "--classes" in str(caught.value.next)


@pytest.mark.parametrize("label", ["cat", None])
def test_all_images_with_one_label(label: str | None, tmp_path: Path) -> None:
    put(tmp_path, "dog/1.png", "masks/1.png", "test/1_mask.png", "1.png")
    (tmp_path / "notes.txt").write_text("no image")
    found = find_all(tmp_path, label)
    assert labels(found) == {(label, None): 4}
    assert len(found.remarks) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="has no images"):
        find_all(tmp_path / "empty", label)


BOTH = {"cat", "dog"}
_DATES = ("2023/05", "2023/06", "2024/05")


@pytest.mark.parametrize(
    ("names", "expected", "other"),
    [
        ([f"{date}/{kind}/1.png" for date in _DATES for kind in BOTH], BOTH, {"2023", "2024"}),
        (
            ["2023-05-01/cat/1.png", "2023-05-02/cat/2.png", "2023-05-02/dog/3.png"],
            BOTH,
            {"2023-05-01", "2023-05-02"},
        ),
        (
            [
                f"{day}/{part}/{kind}/1.png"
                for day in "12"
                for part in ("train", "test")
                for kind in BOTH
            ],
            BOTH,
            {"1", "2"},
        ),
        (["1/left a/1.png", "2/left b/2.png", "3/right/3.png"], {"1", "2", "3"}, None),
        ([f"{number}/{kind}.png" for number in "123" for kind in BOTH], {"1", "2", "3"}, None),
        (["1/1.png", "1/cat/2.png", "2/cat/3.png", "2/dog/4.png"], {"1", "2"}, None),
        (["one/cat/1.png", "2/cat/2.png", "2/dog/3.png"], {"one", "2"}, None),
    ],
)
def test_dates_and_counters_above_classes(
    names: list[str], expected: set[str], other: set[str] | None, tmp_path: Path
) -> None:
    put(tmp_path, *names)
    found = find_in_folder(tmp_path)
    assert {item.facts.label for item in found.items} == expected
    lines = [line for line in found.remarks if "dates" in line]
    patterns = [line.rpartition("--pattern ")[2].strip("'") for line in lines]
    read = [find_in_folder(tmp_path, pattern=each, no_splits=True).items for each in patterns]
    assert [{item.facts.label for item in items} for items in read] == [other] * (other is not None)
