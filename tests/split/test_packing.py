"""Packed rows are the fitted pictures, and a pass that fails leaves nothing behind."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.errors import ManifestError
from pixmill.images import decode, fit
from pixmill.images.png import png_bytes
from pixmill.split.packing import Packed, pack


@pytest.fixture
def pictures(project):
    paths = sorted(project.pictures.rglob("*.png"))[:40]
    return [
        Packed(path.stem, path, 24 * 16, "val" if n % 4 == 0 else "train", n // 4 if n % 4 == 0 else n - n // 4 - 1)
        for n, path in enumerate(paths)
    ]


SIZES = {"train": 30, "val": 10}


def test_each_row_is_its_picture_fitted(project, pictures):
    pack(pictures, project.out, SIZES, image_size=20, aspect="pad")
    for picture in pictures:
        array = np.load(project.out / f"{picture.part}.npy", mmap_mode="r")
        assert array.shape == (SIZES[picture.part], 20, 20, 3)
        assert array.dtype == np.uint8
        expected = fit(decode(picture.path.read_bytes()).pixels, 20, "pad")
        np.testing.assert_array_equal(array[picture.row], expected)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is not the picture that validate saw"),
        (lambda path: path.write_bytes(png_bytes(np.zeros((16, 24, 3), np.uint8))), "is not the picture that validate"),
    ],
    ids=["gone", "cut", "another"],
)
def test_a_changed_picture_stops_the_pass_and_leaves_nothing(project, pictures, damage, message):
    damage(pictures[-1].path)
    with pytest.raises(ManifestError, match=message) as caught:
        pack(pictures, project.out, SIZES, image_size=20, aspect="pad")
    assert str(pictures[-1].path) in caught.value.message
    assert caught.value.next == "dvc repro -f scrape"
    assert list(project.out.iterdir()) == []
