import colorsys

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from pixmill.evaluate.measure import colour_histograms, histogram_figures, predict_by_colours
from pixmill.images.parts import Part, Shards


def part(name, images, *, classes=3, hue=True, seed=1, side=12):
    """Return images whose class is their hue, or without hue the half that is light."""
    generator = np.random.default_rng([seed, len(name)])
    targets = generator.integers(0, classes, images).astype(np.int32)
    pixels = generator.integers(0, 60, (images, side, side, 3))
    if hue:
        colours = np.array([colorsys.hsv_to_rgb(place / classes, 1, 1) for place in range(classes)])
        pixels = pixels + (180 * colours[targets])[:, None, None, :]
    else:
        light = (np.arange(side) < side // 2)[None, :] == (targets % 2 == 0)[:, None]
        pixels = pixels + 180 * light[:, :, None, None]
    rows = pd.DataFrame({"id": [f"{name}{number:06}" for number in range(images)]})
    return Part(name, rows, targets, Shards([pixels.astype(np.uint8)]))


def test_separates_classes_by_colour():
    figures = histogram_figures(part("train", 300), part("test", 120))
    assert figures["histogram_accuracy"] > 0.95
    assert figures["histogram_macro_f1"] > 0.95


def test_result_does_not_depend_on_threads():
    training = part("train", 200)
    tested = part("test", 100)
    answers = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            answers.append(predict_by_colours(training, tested))
    assert np.array_equal(*answers)


def test_histogram_counts_each_pixel_per_channel_and_jointly():
    generator = np.random.default_rng(2)
    pixels = generator.integers(0, 256, (5, 9, 9, 3)).astype(np.uint8)
    shares = colour_histograms(pixels) ** 2
    assert shares.shape == (5, 112)
    for channel in range(3):
        expected = (
            np.stack(
                [np.bincount(image[..., channel].ravel() // 16, minlength=16) for image in pixels]
            )
            / 81
        )
        assert shares[:, 16 * channel : 16 * channel + 16] == pytest.approx(expected)
    assert shares[:, 48:].sum(axis=1) == pytest.approx(1)
    red = np.full((1, 4, 4, 3), (255, 0, 0), np.uint8)
    assert colour_histograms(red)[0, 48 + 3 * 16] == 1
