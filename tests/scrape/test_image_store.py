import pytest

from pixmill.core.errors import ScrapeError
from pixmill.scrape.image_store import ImageStore, Picture


@pytest.fixture
def pictures(tmp_path):
    return ImageStore(tmp_path / "images")


@pytest.fixture
def kept(pictures, picture):
    content = picture(1)
    kept = Picture.of(content)
    pictures.add(kept, content)
    return kept


@pytest.mark.parametrize(("kind", "extension"), [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp")])
def test_a_picture_is_named_by_its_content(picture, kind, extension):
    named = Picture.of(picture(1, kind))
    assert named.name == f"{named.id[:2]}/{named.id}{extension}"
    assert named.format == kind.lower()


@pytest.mark.parametrize("content", [b"", b"text", b"<html>", b"<svg>", b"PK\x03\x04"])
def test_what_is_no_picture_has_no_format(content):
    assert Picture.of(content).format is None
    assert Picture.of(content).name.endswith(".bin")


def test_a_picture_is_kept(pictures, kept, picture):
    assert pictures.path(kept).read_bytes() == picture(1)
    assert pictures.holds(kept)


def test_a_damaged_picture_is_not_held_and_is_mended(pictures, kept, picture, tmp_path):
    pictures.path(kept).write_bytes(b"damaged")
    again = ImageStore(tmp_path / "images")
    assert not again.holds(kept)
    again.add(kept, picture(1))
    assert again.path(kept).read_bytes() == picture(1)


def test_a_copy_is_no_link(pictures, kept, picture, tmp_path):
    """An editor that saves in place must not reach the store."""
    others = ImageStore(tmp_path / "others")
    others.copy(kept, pictures)
    with others.path(kept).open("r+b") as file:
        file.write(b"edited")
    assert pictures.path(kept).read_bytes() == picture(1)


def test_a_link_in_the_output_is_replaced_not_written_through(pictures, kept, picture, tmp_path):
    """DVC may link pictures into the workspace from its cache."""
    others = ImageStore(tmp_path / "others")
    others.path(kept).parent.mkdir(parents=True)
    cached = tmp_path / "cached"
    cached.write_bytes(b"another picture's place in the cache")
    others.path(kept).symlink_to(cached)
    others.copy(kept, pictures)
    assert others.path(kept).read_bytes() == picture(1)
    assert cached.read_bytes() == b"another picture's place in the cache"


def test_a_picture_that_vanished_is_named(pictures, kept, tmp_path):
    """Scratch may be deleted at any time."""
    pictures.path(kept).unlink()
    others = ImageStore(tmp_path / "others")
    with pytest.raises(ScrapeError, match=f"{kept.id}.png was removed while it was in use") as stop:
        others.copy(kept, pictures)
    assert stop.value.next == "dvc repro scrape"
    assert not others.holds(kept)


def test_pruning_keeps_what_it_is_told_to(pictures, kept, picture):
    other = Picture.of(picture(2))
    pictures.add(other, picture(2))
    (pictures.folder / "stray.txt").write_text("")
    (pictures.folder / "ff" / "deep").mkdir(parents=True)
    (pictures.folder / "ff" / "deep" / ".part-1-x").write_text("")
    pictures.prune([kept.name])
    assert [path for path in pictures.folder.rglob("*") if path.is_file()] == [pictures.path(kept)]
    assert [path.name for path in pictures.folder.iterdir()] == [kept.id[:2]]


def test_pruning_nothing(pictures):
    pictures.prune([])
    assert not pictures.folder.exists()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_longest_side_is_told_by_the_header(pictures, picture, kind):
    content = picture(1, kind, side=60)
    wide = Picture.of(content)
    pictures.add(wide, content)
    assert pictures.longest_side(wide) == 60


def test_what_has_no_header_has_no_side(pictures, kept, picture):
    cut = Picture.of(picture(1, "JPEG")[:20])
    assert pictures.longest_side(cut) is None  # it does not lie here at all
    pictures.add(cut, picture(1, "JPEG")[:20])
    assert pictures.longest_side(cut) is None
