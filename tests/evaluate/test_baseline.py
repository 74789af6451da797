import colorsys

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from pixmill.evaluate.measure import histogram_figures, predict_by_colours
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
