import os
import shutil

import pytest

from pixmill.core.cells import parse_cells
from pixmill.core.errors import DataError
from pixmill.core.metadata import Facts, write_metadata
from pixmill.core.names import class_by_name, to_slug
from pixmill.fetch import Fetched
from pixmill.images.read_errors import reason_of
from pixmill.scrape.sources import folder
from pixmill.scrape.sources.folder import FolderSource, LabelsFolder
from pixmill.scrape.sources.source import SearchError


@pytest.fixture
def source(data):
    return FolderSource(data)


@pytest.fixture
def read(source):
    return lambda address, max_bytes=10_000: source.read(address, max_bytes=max_bytes)


@pytest.fixture
def divided(data):
    """The same folder as a fixed split: ten images of each class in train, five in test."""
    for part, places in (("train", range(10)), ("test", range(10, 15))):
        for label in ("boot", "hat"):
            (data / part / label).mkdir(parents=True)
            for place in places:
                shutil.copy(data / label / f"{place:03}.png", data / part / label)
    for label in ("boot", "hat"):
        shutil.rmtree(data / label)
    return data


def found(source, label):
    (query,) = source.queries(label, [label])
    return list(source.search(query, access=None))


def addresses(source, label):
    return [candidate.image_url for candidate in found(source, label)]


def test_labels_are_non_empty_folders(source, data):
    for label in ("zebra", "Apple", ".hidden", "empty", "unlabelled"):
        (data / label).mkdir()
    for label in ("zebra", "Apple", ".hidden", "unlabelled"):
        (data / label / "x.png").touch()
    (data / "notes.txt").touch()
    assert source.labels() == ["Apple", "boot", "hat", "zebra"]


def test_unlabelled_is_no_class(source, data):
    (data / "unlabelled").mkdir()
    (data / "unlabelled" / "x.png").touch()
    with pytest.raises(SearchError, match="data/unlabelled is never a class"):
        found(source, "unlabelled")


def test_normalizes_unicode_names(source, data, read):
    for name in ("cafe\u0301", "café"):
        (data / name).mkdir()
        shutil.copy(data / "hat" / "000.png", data / name / f"{len(name)}.png")
    assert source.labels() == ["boot", "café", "hat"]
    assert addresses(source, "café") == ["data/cafe\u0301/5.png", "data/café/4.png"]
    assert [read(address).content for address in addresses(source, "café")] == [
        (data / "hat/000.png").read_bytes()
    ] * 2


def test_ignores_hidden_files(source, data):
    (data / "hat" / ".DS_Store").touch()
    assert len(found(source, "hat")) == 30


@pytest.mark.parametrize("label", ["missing", "empty"])
def test_names_a_class_without_files(source, data, label):
    (data / "empty").mkdir()
    with pytest.raises(SearchError, match=f"data/{label} is {label}") as caught:
        found(source, label)
    assert caught.value.failure == "no_results"
    assert (
        caught.value.advice
        == "put images there, or set classes to the folders with images: boot, hat"
    )


def test_absence_depends_on_content(source, data, tmp_path):
    (data / "cap" / "below").mkdir(parents=True)
    (data / "cap" / "notes.txt").write_text("a text")
    (data / "cap" / "link.png").symlink_to(tmp_path / "nowhere.png")
    assert source.absence("hat") is None
    assert source.absence("cap") == "data/cap has no image among 3 entries; subfolders are not read"
    assert source.absence("Hat") == "data/Hat is missing, but there is hat, which differs in case"
    (tmp_path / "caps").mkdir()
    (data / "fez").symlink_to(tmp_path / "caps")
    assert "data/fez is a link out of data/" in str(FolderSource(data).absence("fez"))
    shutil.copy(data / "hat" / "000.png", data / "cap" / "named.txt")
    assert FolderSource(data).absence("cap") is None


def test_gaps_of_a_fixed_split(divided):
    shutil.rmtree(divided / "test" / "hat")
    (divided / "test" / "boot").rename(divided / "test" / "boots")
    (divided / "val" / "hat").mkdir(parents=True)
    source = FolderSource(divided, layout="fixed")
    assert source.gaps(["boot", "hat"]) == [
        "data/test/boot",
        "data/test/hat",
        "data/val/boot",
        "data/val/hat",
    ]
    assert (
        source.gaps(["a/b"])[0]
        == f"data/test/{to_slug('a/b')}"
        in source.queries("a/b", [])[0].address
    )
    assert source.absence("hat") is None
    assert source.absence("cap") == "data/test/cap and data/val/cap and data/train/cap are missing"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere is missing"):
        FolderSource(tmp_path / "nowhere")


def test_remarks_on_loose_files(source, data):
    assert source.remarks() == []
    (data / "one.png").touch()
    (data / "two.png").touch()
    assert source.remarks() == [
        "data has files outside the class folders, ignored: one.png, two.png"
    ]


def test_keeps_a_fixed_split(divided):
    (divided / "groups.csv").touch()  # for split.group_by
    source = FolderSource(divided, layout="fixed")
    assert source.labels() == ["boot", "hat"]
    assert source.remarks() == []
    hats = found(source, "hat")
    assert [hat.image_url for hat in hats] == [
        *(f"data/test/hat/{place:03}.png" for place in range(10, 15)),
        *(f"data/train/hat/{place:03}.png" for place in range(10)),
    ]
    # test comes first, so an image in both splits stays in test.
    assert [hat.given_split for hat in hats] == ["test"] * 5 + ["train"] * 10
    assert [hat.rank for hat in hats] == list(range(15))
    assert source.read(hats[0].image_url, max_bytes=10_000).content.startswith(b"\x89PNG")


def test_remarks_on_unknown_splits(divided):
    for name in ("valid", "unlabelled", ".cache"):
        (divided / name / "hat").mkdir(parents=True)
    source = FolderSource(divided, layout="fixed")
    assert source.remarks() == [
        "data has other entries than the splits train, val and test, ignored: valid; if they are "
        "images without a "
        "label to predict, set evaluate.unlabelled in params.yaml, such as to data/valid"
    ]
    assert source.remarks(used=["valid"]) == []


@pytest.mark.parametrize("part", ["train", "test"])
def test_names_a_missing_split(divided, part):
    shutil.rmtree(divided / part)
    with pytest.raises(
        DataError,
        match=rf"data/{part} is missing: the fixed layout.*\nNext: .*scrape\.folder\.layout",
    ):
        FolderSource(divided, layout="fixed")


def test_remarks_on_a_split_read_as_classes(divided):
    (remark,) = FolderSource(divided).remarks()
    assert "set scrape.folder.layout to fixed" in remark


def test_reads_a_file(read, data):
    assert read("data/hat/007.png") == Fetched(
        (data / "hat" / "007.png").read_bytes(), "data/hat/007.png"
    )


def test_refuses_links_out_of_the_folder(read, data, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_text("secret")
    (data / "hat" / "out.png").symlink_to(secret)
    (data / "out").symlink_to(tmp_path)
    for address in ("data/hat/out.png", "data/out/secret.png", "data/../secret.png"):
        assert read(address).reason == "symlink"


def test_links_out_of_the_folder_are_not_opened(source, data, tmp_path, monkeypatch):
    (tmp_path / "secret.png").write_bytes(b"%PDF-1.4")
    (data / "hat" / "out.png").symlink_to(tmp_path / "secret.png")
    (data / "hat" / "in.png").write_bytes(b"%PDF-1.4")
    looked = []
    monkeypatch.setattr(
        folder, "reason_of", lambda path: looked.append(path.name) or reason_of(path)
    )
    assert [what for what, _ in source.unread()] == [
        "data/ has 1 file: a PDF document instead of an image"
    ]
    assert "in.png" in looked
    assert "out.png" not in looked


def test_follows_links_into_the_dvc_cache(read, data, tmp_path):
    cached = tmp_path / "cache" / "files" / "md5" / "ab" / ("c" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cached")
    (data / "hat" / "linked.png").symlink_to(cached)
    assert read("data/hat/linked.png").content == b"cached"


def test_refuses_special_files(read, data):
    (data / "hat" / "folder").mkdir()
    (data / "hat" / "round.png").symlink_to("round.png")
    os.mkfifo(data / "hat" / "pipe")
    addresses = ("data/hat/folder", "data/hat/round.png", "data/hat/pipe", "data/hat/missing.png")
    assert [read(address).reason for address in addresses] == [
        "folder",
        "unreadable",
        "special",
        "unreadable",
    ]


def test_undecodable_names(source, read, data):
    (data / "hat" / os.fsdecode(b"\xff.png")).touch()
    name = "data/hat/\\udcff.png"
    assert name in addresses(source, "hat")
    assert read(name).reason == "unreadable"


@pytest.fixture
def tabled(data):
    """Folders with a table that labels files outside class folders, and moves one to hat."""
    (data / "images" / "deep").mkdir(parents=True)
    for name in ("1.png", "deep/2.png", "deep/3.png"):
        shutil.copy(data / "hat" / "000.png", data / "images" / name)
    facts = Facts(page_url="https://a.test/7", licence="CC0", author="Ada")
    rows = {
        "images/1.png": Facts(label="hat", split="train"),
        "images/deep/2.png": Facts(label="scarf", split="val"),
        "boot/001.png": Facts(label="hat", split="test"),
        "hat/002.png": facts,
        "hat/gone.png": Facts(),
    }
    write_metadata(data, rows)
    return FolderSource(data)


def test_rows_label_images_anywhere(tabled, data):
    assert tabled.labels() == ["boot", "hat", "scarf"]
    hats = found(tabled, "hat")
    assert [hat.image_url for hat in hats if hat.given_split] == [
        "data/boot/001.png",
        "data/images/1.png",
    ]
    assert len(hats) == 32
    (known,) = [hat for hat in hats if hat.page_url]
    assert (known.image_url, known.page_url, known.licence, known.author, known.given_split) == (
        "data/hat/002.png",
        "https://a.test/7",
        "CC0",
        "Ada",
        None,
    )
    (scarf,) = found(tabled, "scarf")
    assert (scarf.image_url, scarf.given_split) == ("data/images/deep/2.png", "val")
    assert (
        tabled.read(scarf.image_url, max_bytes=10_000).content
        == (data / "hat/000.png").read_bytes()
    )
    assert "data/boot/001.png" not in addresses(tabled, "boot")
    assert tabled.absence("scarf") is None
    assert tabled.unread() == []


def test_rows_match_names_of_macos(data):
    (data / "hat" / "000.png").rename(data / "hat" / "cafe\u0301.png")
    write_metadata(data, {"hat/caf\u00e9.png": Facts(label="scarf")})
    assert addresses(FolderSource(data), "scarf") == ["data/hat/cafe\u0301.png"]


def test_remarks_on_a_table(tabled):
    assert tabled.remarks() == ["data/metadata.csv has 1 row without a file, ignored: hat/gone.png"]


def test_rows_beside_a_fixed_split(divided):
    (divided / "more").mkdir()
    shutil.copy(divided / "train" / "hat" / "000.png", divided / "more" / "1.png")
    write_metadata(
        divided, {"more/1.png": Facts(label="hat"), "train/hat/001.png": Facts(split="val")}
    )
    source = FolderSource(divided, layout="fixed")
    assert source.remarks() == []
    hats = {hat.image_url: hat.given_split for hat in found(source, "hat")}
    assert len(hats) == 16
    assert (
        hats["data/more/1.png"],
        hats["data/train/hat/001.png"],
        hats["data/test/hat/010.png"],
    ) == (
        None,
        "val",
        "test",
    )


def test_classes_of_other_names(data):
    (data / "hat").rename(data / "Hat_(straw)___new")
    (data / "boot").rename(data / "a-b-c14cddc0")
    write_metadata(data, {"a-b-c14cddc0/001.png": Facts(label="Hat_(straw)___new")})
    names = class_by_name(["hat", "a/b", "con"], {"hat": ["Hat_(straw)___new"]})
    source = FolderSource(data, classes=names)
    assert source.labels() == ["a/b", "hat"]
    assert [len(found(source, label)) for label in ("a/b", "hat")] == [29, 31]
    assert source.absence("con") == "data/con-1143da2b is missing"


def test_several_labels_an_image(data):
    (data / "new").mkdir()
    (data / "unlabelled").mkdir()
    for name in ("new/1.png", "new/2.png", "unlabelled/3.png", "unlabelled/4.png"):
        shutil.copy(data / "hat" / "000.png", data / name)
    write_metadata(
        data,
        {
            "hat/000.png": Facts("red", not_label="boot"),
            "hat/001.png": Facts(not_label="hat"),
            "new/1.png": Facts("red; hat", split="test"),
            "unlabelled/3.png": Facts(not_label="red"),
        },
    )
    labels = ("boot", "hat", "red")
    source = LabelsFolder(data, classes=class_by_name(labels, {}))
    queries = {query for label in labels for query in source.queries(label, [label])}
    assert len(queries) == 1
    candidates = list(source.search(queries.pop(), access=None))
    cells = {each.image_url.removeprefix("data/"): parse_cells(each.label) for each in candidates}
    assert len(candidates) == len(cells) == 60 + 3
    assert cells["boot/000.png"] == {"boot": True}
    assert cells["hat/000.png"] == {"red": True, "boot": False}
    assert cells["hat/001.png"] == {"hat": False}
    assert cells["new/1.png"] == {"hat": True, "red": True}
    assert cells["new/2.png"] == {"new": True}
    assert cells["unlabelled/3.png"] == {"red": False}
    assert candidates[0].given_split == "test"
    (pile,) = source.search_unlabelled(data / "unlabelled")
    assert pile.image_url == "data/unlabelled/4.png"
    assert source.absence("red") is None
    assert "sock" in source.absence("sock")
