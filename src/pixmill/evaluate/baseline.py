"""What colours alone tell: a baseline that never looks at a shape."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pixmill.images.parts import Part
from pixmill.metrics.scores import macro_f1

__all__ = ["colour_histograms", "histogram_figures", "predict_by_colours"]

_LEVELS = 16
"""Steps of each channel by itself."""

_STEPS = 4
"""Steps of each channel in colours, of which there are 4 x 4 x 4."""

_LENGTH = 3 * _LEVELS + _STEPS**3

_SIDE = 64
"""Rows and columns of pixels that are counted at most: what a histogram tells is told by fewer pixels too."""

_IMAGES = 20_000
"""Images of the training part that are learnt from at most, so that neither time nor memory grows with them."""

_BATCH = 256


def histogram_figures(training: Part, tested: Part) -> dict[str, float]:
    """Return ``histogram_accuracy`` and ``histogram_macro_f1``, as in ``plots/evaluate/full.json``.

    Args:
        training: The packed training part.
        tested: The packed test part.
    """
    predicted = predict_by_colours(training, tested)
    actual = tested.targets.astype(np.int64)
    return {
        "histogram_accuracy": float(np.mean(predicted == actual)),
        "histogram_macro_f1": macro_f1(actual, predicted),
    }


def predict_by_colours(training: Part, tested: Part) -> npt.NDArray[np.int64]:
    """Return the class of each test image by logistic regression on histograms of colours.

    It runs on one thread, so that the same images give the same answer whatever the number of cores.

    Args:
        training: The packed training part; of more than 20,000 images, that many evenly spaced ones count.
        tested: The packed test part.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows = np.unique(np.linspace(0, len(training) - 1, min(len(training), _IMAGES)).astype(np.int64))
    targets = training.targets[rows].astype(np.int64)
    if len(np.unique(targets)) == 1:
        return np.full(len(tested), targets[0])
    with threadpool_limits(1), warnings.catch_warnings():
        # After so many steps it is a baseline, whether or not another step would have moved it a little.
        warnings.simplefilter("ignore", ConvergenceWarning)
        features = np.concatenate(list(_features(training, rows)))
        mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
        model = LogisticRegression(C=0.1, max_iter=100, tol=1e-3).fit((features - mean) / spread, targets)
        batches = _features(tested, np.arange(len(tested)))
        return np.concatenate([model.predict((batch - mean) / spread) for batch in batches]).astype(np.int64)


def colour_histograms(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return how much of each image has which colour, as roots of shares: of shape (images, 112).

    First sixteen steps of each channel by itself, then 64 colours of four steps a channel. The root makes Euclidean
    distance a distance of distributions (Hellinger's), in which large plain areas do not drown the rest.

    Args:
        pixels: ``uint8`` of shape (images, height, width, 3).
    """
    every = -(-max(pixels.shape[1:3]) // _SIDE)
    sampled = pixels[:, ::every, ::every].reshape(len(pixels), -1, 3).astype(np.int64)
    levels = sampled // (256 // _LEVELS) + _LEVELS * np.arange(3)
    steps = sampled // (256 // _STEPS)
    colours = 3 * _LEVELS + (steps[..., 0] * _STEPS + steps[..., 1]) * _STEPS + steps[..., 2]
    places = np.concatenate([levels.reshape(len(pixels), -1), colours], axis=1)
    places += _LENGTH * np.arange(len(pixels))[:, None]
    counts = np.bincount(places.ravel(), minlength=_LENGTH * len(pixels)).reshape(len(pixels), _LENGTH)
    shares: npt.NDArray[np.float64] = np.sqrt(counts / sampled.shape[1])
    return shares


def _features(part: Part, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(rows), _BATCH):
        yield colour_histograms(part.pixels[rows[start : start + _BATCH]])
