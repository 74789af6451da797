"""Baseline: logistic regression on colour histograms, which ignores shapes."""

import warnings
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pixmill.images.parts import Part
from pixmill.metrics.scores import macro_f1

_CHANNEL_BINS = 16
"""Bins of each single-channel histogram."""

_JOINT_BINS = 4
"""Bins per channel of the joint histogram."""

_LENGTH = 3 * _CHANNEL_BINS + _JOINT_BINS**3

_MAX_SIDE = 64
"""Maximum rows and columns of pixels that are counted; a subsample gives nearly the same histogram."""

_MAX_IMAGES = 20_000
"""Maximum training images, to bound time and memory."""

_BATCH = 256


def histogram_figures(training: Part, tested: Part) -> dict[str, float]:
    """Return ``histogram_accuracy`` and ``histogram_macro_f1``, as in ``plots/evaluate/full.json``.

    Args:
        training: The packed training split.
        tested: The packed test split.
    """
    predicted = predict_by_colours(training, tested)
    actual = tested.targets.astype(np.int64)
    return {
        "histogram_accuracy": float(np.mean(predicted == actual)),
        "histogram_macro_f1": macro_f1(actual, predicted),
    }


def predict_by_colours(training: Part, tested: Part) -> npt.NDArray[np.int64]:
    """Return the class of each test image by logistic regression on colour histograms.

    The fit uses one thread, because the result depends on the number of threads.

    Args:
        training: The packed training split; 20,000 evenly spaced images are used if there are more.
        tested: The packed test split.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows = np.unique(np.linspace(0, len(training) - 1, min(len(training), _MAX_IMAGES)).astype(np.int64))
    targets = training.targets[rows].astype(np.int64)
    if len(np.unique(targets)) == 1:
        return np.full(len(tested), targets[0])
    with threadpool_limits(1), warnings.catch_warnings():
        # Full convergence is not needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        features = np.concatenate(list(_features(training, rows)))
        mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
        model = LogisticRegression(C=0.1, max_iter=100, tol=1e-3).fit((features - mean) / spread, targets)
        batches = _features(tested, np.arange(len(tested)))
        return np.concatenate([model.predict((batch - mean) / spread) for batch in batches]).astype(np.int64)


def colour_histograms(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return colour histograms as square roots of shares, shape (images, 112).

    The columns are 16 bins per channel, then 64 joint bins, four per channel. The square root turns Euclidean distance
    into Hellinger distance, in which large plain areas do not dominate.

    Args:
        pixels: ``uint8`` of shape (images, height, width, 3).
    """
    every = -(-max(pixels.shape[1:3]) // _MAX_SIDE)
    sampled = pixels[:, ::every, ::every].reshape(len(pixels), -1, 3).astype(np.int64)
    levels = sampled // (256 // _CHANNEL_BINS) + _CHANNEL_BINS * np.arange(3)
    steps = sampled // (256 // _JOINT_BINS)
    colours = 3 * _CHANNEL_BINS + (steps[..., 0] * _JOINT_BINS + steps[..., 1]) * _JOINT_BINS + steps[..., 2]
    places = np.concatenate([levels.reshape(len(pixels), -1), colours], axis=1)
    places += _LENGTH * np.arange(len(pixels))[:, None]
    counts = np.bincount(places.ravel(), minlength=_LENGTH * len(pixels)).reshape(len(pixels), _LENGTH)
    shares: npt.NDArray[np.float64] = np.sqrt(counts / sampled.shape[1])
    return shares


def _features(part: Part, rows: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[np.float64]]:
    for start in range(0, len(rows), _BATCH):
        yield colour_histograms(part.pixels[rows[start : start + _BATCH]])
