"""How long the first run of a project will take, from the time that some of its images take here."""

import hashlib
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pixmill.compute import RowLimits, default_workers, map_batches
from pixmill.core.params import Params
from pixmill.images import UndecodableError, decode, fit, read_image
from pixmill.images.measures import measure

_SAMPLE, _FEWEST = 20, 5
"""Images that are timed, and fewest times that count."""

_PATIENCE, _LIMIT = 2.0, 1.0
"""Seconds after which no more are timed, and that a single image may take."""

_SETUP = 60.0
"""Seconds that a first run takes without images: starting five stages, and converting the backbone."""

_FEATURES = 0.010
"""Seconds on one processor for the features of an image of 224 x 224 pixels by EfficientNet-Lite0, the default."""

_OTHER = 0.006
"""Seconds for an image besides: hashing and copying it, fitting and evaluating the classifier."""

_UNMEASURED = 0.08
"""Seconds for an image in all, of photographs on two processors, where nothing can be measured."""


def forecast_seconds(images: Sequence[Path], params: Params) -> float:
    """Return about how many seconds the first ``dvc repro`` will take.

    Up to twenty images, evenly spaced, are decoded, measured and resized in guarded worker processes, as validate and
    split do, for up to about three seconds. The features' time is that of the default backbone, which runs only once
    it was converted, for ten seconds or so. For other models nothing is measured.

    Args:
        images: The files.
        params: The project's params.
    """
    each = None
    if params.train.model == "features" and params.train.backbone.name == "efficientnet_lite0":
        each = _decoding_seconds(images, params)
    if each is None:
        return _SETUP + _UNMEASURED * len(images)
    side = params.train.backbone.image_size or params.split.image_size
    share = (each + _FEATURES * (side / 224) ** 2) / default_workers()
    return _SETUP + (share + _OTHER) * len(images)


def _decoding_seconds(images: Sequence[Path], params: Params) -> float | None:
    """Return the mean time of an image on one processor; ``None`` if too few could be measured in time."""
    rows = np.unique(np.linspace(0, len(images) - 1, min(_SAMPLE, len(images))).astype(int)).tolist()
    timed = partial(_time_images, params=params)
    limits = RowLimits(_LIMIT, params.validate.memory << 20)
    end = time.monotonic() + _PATIENCE
    found: list[float] = []
    measured = map_batches(timed, [images[row] for row in rows], limits=limits, lost=lambda *_: None, local=True)
    for seconds in measured:
        if seconds is not None:
            found.append(seconds)
        if time.monotonic() > end:
            break
    return float(np.mean(found)) if len(found) >= _FEWEST else None


def _time_images(paths: Sequence[Path], *, params: Params) -> list[float | None]:
    """Return the seconds that validate and split need for each image; ``None`` where it does not decode."""
    split, most = params.split, params.validate.max_pixels
    times: list[float | None] = []
    for path in paths:
        start = time.perf_counter()
        try:
            content = read_image(path)
            measure(content, hashlib.sha256(content).hexdigest(), max_pixels=most)
            pixels = np.asarray(decode(content, max_pixels=most).image.convert("RGB"))
        except (UndecodableError, OSError):
            times.append(None)
            continue
        fit(pixels, split.image_size, split.aspect, split.resize)
        times.append(time.perf_counter() - start)
    return times
