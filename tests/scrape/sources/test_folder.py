import asyncio
import os

import pytest

from pixmill.errors import ScrapeError
from pixmill.fetch import Fetched, Limits
from pixmill.scrape.sources import FolderSource


@pytest.fixture
def source(data):
    return FolderSource(data)


@pytest.fixture
def read(source):
    def read(url, max_bytes=10_000):
        async def fetch():
            async with source.reader(Limits(max_bytes=max_bytes)) as reader:
                return await reader.fetch(url)

        return asyncio.run(fetch())

    return read


def found(source, label):
    (query,) = [query for query in source.queries(["boot", "hat"]) if query.label == label]
    return [candidate.image_url for candidate in source.search(query)]


def test_files_come_by_name(source):
    assert found(source, "hat") == [f"data/hat/{place:03}.png" for place in range(30)]


def test_classes_come_first_then_every_other_folder(source, data):
    for label in ("zebra", "apple", ".hidden", "empty"):
        (data / label).mkdir()
    for label in ("zebra", "apple", ".hidden"):
        (data / label / "x.png").touch()
    (data / "notes.txt").touch()
    assert [query.label for query in source.queries(["hat", "boot", "missing"])] == [
        "hat",
        "boot",
        "missing",
        "apple",
        "zebra",
    ]


def test_hidden_files_are_left_out(source, data):
    (data / "hat" / ".DS_Store").touch()
    assert len(found(source, "hat")) == 30


@pytest.mark.parametrize("label", ["missing", "empty"])
def test_a_class_without_files_is_named(source, data, label):
    (data / "empty").mkdir()
    with pytest.raises(ScrapeError, match=f"data/{label} is {label}"):
        list(source.search(source.queries([label])[0]))


def test_a_file_is_read_as_it_is(read, data):
    assert read("data/hat/007.png") == Fetched((data / "hat" / "007.png").read_bytes(), "data/hat/007.png")


def test_links_do_not_lead_out(read, data, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_text("secret")
    (data / "hat" / "out.png").symlink_to(secret)
    (data / "out").symlink_to(tmp_path)
    for url in ("data/hat/out.png", "data/out/secret.png", "data/../secret.png"):
        assert read(url).reason == "symlink"


def test_links_within_are_followed(read, data):
    (data / "hat" / "in.png").symlink_to(data / "boot" / "000.png")
    assert read("data/hat/in.png").content == (data / "boot" / "000.png").read_bytes()


def test_links_into_the_cache_of_dvc_are_followed(read, data, tmp_path):
    cached = tmp_path / "cache" / "files" / "md5" / "ab" / ("c" * 30)
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"cached")
    (data / "hat" / "linked.png").symlink_to(cached)
    assert read("data/hat/linked.png").content == b"cached"


def test_what_is_no_file_has_its_reason(read, data):
    (data / "hat" / "folder").mkdir()
    (data / "hat" / "round.png").symlink_to("round.png")
    os.mkfifo(data / "hat" / "pipe")
    urls = ("data/hat/folder", "data/hat/round.png", "data/hat/pipe", "data/hat/missing.png")
    assert [read(url).reason for url in urls] == ["folder", "unreadable", "special", "unreadable"]


def test_a_file_above_the_limit(read):
    assert read("data/hat/000.png", max_bytes=10).reason == "too_large"


def test_a_name_that_is_no_text(source, read, data):
    (data / "hat" / os.fsdecode(b"\xff.png")).touch()
    name = "data/hat/\\udcff.png"
    assert name in found(source, "hat")
    assert read(name).reason == "unreadable"
