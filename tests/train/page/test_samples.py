"""The sheet of packed and augmented training images."""

import io

import numpy as np
import pytest
from PIL import Image

from pixmill.core.params import AugmentationParams
from pixmill.heads import ONE_LABEL
from pixmill.train.page.samples import Samples, draw_samples
from tests.train.conftest import CLASSES, PARAMS

OFF = AugmentationParams(flip=False, rotation=0.0, zoom=0.0, shift=0.0)


@pytest.fixture
def training(trained):
    return trained.training


@pytest.fixture
def draw(training):
    def drawn(**changes):
        return draw_samples(
            training, PARAMS.model_copy(update=changes), head=ONE_LABEL, labels=CLASSES
        )

    return drawn


def test_each_row_starts_with_a_packed_image_of_its_class(draw, training):
    samples = draw()
    assert (samples.labels, samples.augmented) == (CLASSES, True)
    assert samples.pixels.shape == (3, 6, 16, 16, 3)
    assert np.array_equal(samples.pixels[:, 0], training.pixels[:3])
    changed = samples.pixels[:, 1:] != samples.pixels[:, :1]
    assert changed.any(axis=(2, 3, 4)).mean() > 0.9


@pytest.mark.parametrize("changes", [{"augmentation": OFF}, {"model": "features"}])
def test_without_augmentation_rows_have_several_images(draw, training, changes):
    samples = draw(**changes)
    greens = np.flatnonzero(training.targets == 1)[:6]
    assert np.array_equal(samples.pixels[1], training.pixels[greens])
    assert not samples.augmented


@pytest.mark.parametrize(("side", "width"), [(16, 6 * 116 + 4), (150, 6 * 154 + 4)])
def test_small_images_are_enlarged_and_large_ones_reduced(side, width):
    pixels = np.zeros((2, 6, side, side, 3), np.uint8)
    with Image.open(io.BytesIO(Samples(("a", "b"), pixels, augmented=True).sheet())) as sheet:
        assert sheet.size == (width, (width - 4) // 3 + 4)
