"""The bundled pictures are the chosen ones, larger, dark on white, and the same everywhere."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from pixmill.bundled.pictures import CLASSES, PER_CLASS, enlarge, write_pictures

pictures = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(lambda shape: arrays(np.uint8, shape))


@given(pictures)
def test_enlarging_multiplies_both_sides_by_four(pixels):
    height, width = pixels.shape
    assert enlarge(pixels).shape == (4 * height, 4 * width)


@given(pictures)
def test_enlarging_treats_all_directions_alike(pixels):
    larger = enlarge(pixels)
    assert np.array_equal(enlarge(pixels.T), larger.T)
    assert np.array_equal(enlarge(pixels[::-1]), larger[::-1])


@pytest.mark.parametrize("grey", [0, 1, 128, 255])
def test_an_even_grey_stays_as_it_is(grey):
    assert (enlarge(np.full((5, 9), grey, np.uint8)) == grey).all()


def test_a_ramp_stays_a_ramp():
    ramp = np.arange(0, 160, 16, dtype=np.uint8)[None, :].repeat(3, 0)
    inner = enlarge(ramp)[0, 8:-8].astype(int)
    assert set(np.diff(inner)) == {4}


def test_values_are_pinned():
    pixels = (np.arange(28 * 28) * 37 % 256).astype(np.uint8).reshape(28, 28)
    assert hashlib.sha256(enlarge(pixels).tobytes()).hexdigest() == (
        "3c0003935a0548c3a6502d4025d99dd7a5745dfb145c83001423e57d560e6620"
    )


def test_each_class_gets_its_first_pictures_dark_on_white(tmp_path):
    labels = np.tile(np.arange(10, dtype=np.uint8), PER_CLASS + 5)
    images = np.zeros((len(labels), 2, 2), np.uint8)
    images[:, 0, 0] = np.arange(len(labels)) % 251
    write_pictures(tmp_path, images, labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(CLASSES)
    for name, label in CLASSES.items():
        files = sorted((tmp_path / name).iterdir())
        assert [path.name for path in files] == [f"{number:04d}.png" for number in range(PER_CLASS)]
        for number in (0, PER_CLASS - 1):
            with Image.open(files[number]) as picture:
                expected = 255 - enlarge(images[label + 10 * number])
                assert picture.mode == "L"
                assert np.array_equal(np.asarray(picture), expected)
