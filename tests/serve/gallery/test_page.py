"""The gallery is one HTML file of limited size that works offline."""

import io
import random
import re

import numpy as np
import pytest
from PIL import Image

from pixmill.metrics.prior_shift import PriorShift
from pixmill.serve.predict.gallery.report import render_gallery
from tests.serve.gallery.made import model, row, unread

LABELS = ("coat", "shoe", "shirt")


def jpeg(number: int, side: int = 40) -> bytes:
    """Return an image of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (number * 37 % 256, number * 11 % 256, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def photos(tmp_path):
    """Write images, and return their rows."""
    (tmp_path / "photos").mkdir()

    def written(n: int):
        made = []
        for number in range(n):
            content = jpeg(number)
            (tmp_path / "photos" / f"{number}.jpg").write_bytes(content)
            weights = [1.0 + (number + place) % 3 * (number % 5) for place in range(3)]
            made.append(row(LABELS, number, weights, content=content))
        return made

    return written


def none(path: str) -> None:
    return None


def titles(html: str) -> list[str]:
    return re.findall(r"<h[123][^>]*>([^<]*)</h", html)


def test_shows_counts_samples_classes_and_unreadable_files(photos, tmp_path) -> None:
    rows = [*photos(60), unread("photos/a.txt", "html"), unread("photos/b.jpg", "truncated")]
    html = render_gallery(rows, model(LABELS), content=tmp_path.joinpath, workers=1)
    assert titles(html) == [
        "Predictions for 60 images",
        "Classes",
        "Random sample",
        "Least certain",
        "Unreadable files",
    ]
    assert "A web page instead of an image: 1" in html
    assert "The file is truncated: 1" in html
    assert "<li>photos/a.txt</li>" in html
    assert html.count('<details class="class">') == 3
    assert (
        html.count('src="data:image/jpeg;base64,')
        == html.count('<figure class="card')
        == 48 + 48 + 60
    )
    assert "no image" not in html
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)|url\(|@import""", html)


def test_says_which_classes_cannot_occur_and_that_none_of_these_is_not_sure() -> None:
    shifted = model(LABELS, shift=PriorShift((1.0, 0.0, 2.0), 0.75, 0.5), metrics={"accuracy": 0.9})
    rows = [row(LABELS, 1, [8, 1, 1]), row(LABELS, 2, [4, 3, 3])]
    rows.append(row(LABELS, 3, [1, 8, 1]) | {"predicted": "none of these", "sure": None})
    html = render_gallery(rows, shifted, content=none)
    assert "version 3, with --classes or --prior." in html
    assert "without --classes and --prior, the model is right on 90.0" in html
    assert "Never predicted: shirt." in html
    assert "Cannot occur, by --classes or --prior: shoe." in html
    assert '<span class="key"></span> sure or none of these <span' in html
    plain = render_gallery(rows[:2], model(LABELS), content=none)
    assert "Never predicted: shoe, shirt." in plain
    assert "--classes" not in plain


def test_missing_and_changed_files_have_cards_without_an_image(photos, tmp_path) -> None:
    rows = photos(4)
    (tmp_path / "photos/1.jpg").unlink()
    (tmp_path / "photos/2.jpg").write_bytes(jpeg(9))
    paths = {
        "photos/0.jpg": jpeg(0),
        "photos/3.jpg": jpeg(8),
    }  # Bytes: the original ones, and others.
    html = render_gallery(
        rows, model(LABELS), content=lambda path: paths.get(path, tmp_path / path), workers=1
    )
    assert html.count('src="data:') == 1
    assert html.count("no image") == 3


def test_names_are_escaped(tmp_path) -> None:
    label = "<b>coat</b>"
    path = "\"><script>alert('x')</script>.jpg"
    labels = (label, "shoe")
    html = render_gallery(
        [row(labels, 1, [1, 0], path=path), unread(path, "<i>")],
        model(labels, name="<i>"),
        content=none,
    )
    assert html.count("<script") == 1
    assert "<b>coat" not in html
    assert "<i>" not in html.replace('<i style="', "")


def test_size_is_limited() -> None:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG", quality=95)
    contents = {
        f"{number}-{'x' * 300}.jpg": buffer.getvalue() + b"%d" % number for number in range(500)
    }
    labels = tuple(f"{number} of classes with {'very ' * 20}long names" for number in range(60))
    chance = random.Random(0)
    rows = (
        row(labels, 0, [chance.random() for _ in labels], path=path, content=content)
        for path, content in contents.items()
    )
    html = render_gallery(rows, model(labels), content=contents.get)
    assert 300 < html.count('src="data:') < html.count('<figure class="card')
    assert 3_000_000 < len(html.encode()) < 5_000_000
