import pytest

from pixmill.core.errors import ScrapeError
from pixmill.scrape.candidate import StoredImage
from pixmill.scrape.journal import ImageStore


@pytest.fixture
def images(tmp_path):
    return ImageStore(tmp_path / "images")


@pytest.fixture
def kept(images, image):
    content = image(1)
    kept = StoredImage.of(content)
    images.add(kept, content)
    return kept


@pytest.mark.parametrize(
    ("kind", "extension"), [("PNG", ".png"), ("JPEG", ".jpg"), ("GIF", ".gif"), ("WEBP", ".webp")]
)
def test_names_an_image_by_its_content(image, kind, extension):
    named = StoredImage.of(image(1, kind))
    assert named.name == f"{named.id[:2]}/{named.id}{extension}"
    assert named.format == kind.lower()


@pytest.mark.parametrize("content", [b"", b"text", b"<html>", b"<svg>", b"PK\x03\x04"])
def test_other_content_has_no_format(content):
    assert StoredImage.of(content).format is None
    assert StoredImage.of(content).name.endswith(".bin")


def test_repairs_a_damaged_image(images, kept, image, tmp_path):
    images.path(kept).write_bytes(b"damaged")
    again = ImageStore(tmp_path / "images")
    assert not again.holds(kept)
    again.add(kept, image(1))
    assert again.path(kept).read_bytes() == image(1)


def test_copies_by_hard_link_and_detects_edits(images, kept, image, tmp_path):
    others = ImageStore(tmp_path / "others")
    others.copy(kept, images)
    assert others.path(kept).samefile(images.path(kept))
    others.path(kept).write_bytes(b"edited in place")
    assert not ImageStore(images.folder).holds(kept)


def test_replaces_symlinks_instead_of_writing_through_them(images, kept, image, tmp_path):
    """DVC may link images from its cache."""
    others = ImageStore(tmp_path / "others")
    others.path(kept).parent.mkdir(parents=True)
    cached = tmp_path / "cached"
    cached.write_bytes(b"another image's place in the cache")
    others.path(kept).symlink_to(cached)
    others.copy(kept, images)
    assert others.path(kept).read_bytes() == image(1)
    assert cached.read_bytes() == b"another image's place in the cache"


def test_names_a_vanished_image(images, kept, tmp_path):
    """Scratch may be deleted at any time."""
    images.path(kept).unlink()
    others = ImageStore(tmp_path / "others")
    with pytest.raises(ScrapeError, match=f"{kept.id}.png was removed during the scrape") as stop:
        others.copy(kept, images)
    assert stop.value.next == "dvc repro scrape"
    assert not others.holds(kept)


def test_prune(images, kept, image):
    other = StoredImage.of(image(2))
    images.add(other, image(2))
    (images.folder / "stray.txt").write_text("")
    (images.folder / "ff" / "deep").mkdir(parents=True)
    (images.folder / "ff" / "deep" / ".part-1-x").write_text("")
    images.prune([kept.name])
    assert [path for path in images.folder.rglob("*") if path.is_file()] == [images.path(kept)]
    assert [path.name for path in images.folder.iterdir()] == [kept.id[:2]]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_longest_side(images, image, kind):
    content = image(1, kind, side=60)
    wide = StoredImage.of(content)
    images.add(wide, content)
    assert images.longest_side(wide) == 60
