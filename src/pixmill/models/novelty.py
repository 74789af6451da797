"""Novelty: how unlike the training images an image is, from 0 to 1.

Novelty is the share of an image's features that the principal directions of the training images do
not explain: one minus the squared length of their projection, relative to the squared length of the
standardised features. The absolute length would miss images with little content. The network
computes it from the same features as the logits, as a separate named output.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import write_bytes
from pixmill.models.determinism import first_line
from pixmill.models.layers import head_features, logits_of
from pixmill.models.litert import LOGITS, NOVELTY
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.scaling import Features, Scaling, principal_directions
from pixmill.models.tensorflow import keras

MAX_SAMPLE = 4096
"""Maximum number of images that the novelty is fitted to.

With ten times as many, the directions hardly differ.
"""

_MAX_DIRECTIONS = 64
"""Fewer held-out classes were found with 16 or 32 directions, no more with 128."""

MIN_LENGTH = 1e-6
"""Minimum squared length of an image's standardised features, which divides."""

_MAX_VALUES = 2**17
"""Maximum size of the directions: half a megabyte."""


class Novelty(NamedTuple):
    """Parameters of the novelty of an image's last features.

    Args:
        mean: Mean of the training images' features, ``float32`` of shape (width,).
        scale: Inverse of their standard deviation, ``float32`` of shape (width,).
        directions: Orthonormal principal directions of their standardised features, ``float32`` of
            shape (width, directions).
    """

    mean: Features
    scale: Features
    directions: Features

    def of(self, features: Features) -> Features:
        """Return the novelty of images, as the network computes it, ``float32`` of shape (n,).

        Args:
            features: Shape (n, at least width); the last ones count.
        """
        standard = (features[:, -len(self.mean) :].astype(np.float64) - self.mean) * self.scale
        explained = ((standard @ self.directions) ** 2).sum(axis=1)
        found: Features = (
            1 - explained / np.maximum((standard**2).sum(axis=1), MIN_LENGTH)
        ).astype(np.float32)
        return found


def fit_novelty(features: Features) -> Novelty | None:
    """Fit the novelty to training images.

    Return ``None`` if there are too few images, or no directions.

    Args:
        features: Shape (n, width), at most :data:`MAX_SAMPLE` rows.

    Raises:
        TrainError: A feature is not finite.
    """
    from threadpoolctl import threadpool_limits

    count, width = features.shape
    limit = min(_MAX_DIRECTIONS, _MAX_VALUES // width, width - 1, count - 1)
    if limit < 1:
        return None
    scaling = Scaling.of(features, several=True)
    # One thread, since the result depends on their number.
    with threadpool_limits(1):
        directions = principal_directions(features, scaling, limit)
    if not directions.size:
        return None
    parts = (scaling.mean, 1 / scaling.deviation, directions)
    return Novelty(*(part.astype(np.float32) for part in parts))


def save_novelty(folder: Path, novelty: Novelty) -> None:
    """Write the novelty parameters next to a classifier's weights.

    Equal values give equal bytes.
    """
    content = io.BytesIO()
    np.savez(content, **novelty._asdict())
    write_bytes(folder / NOVELTY_FILE, content.getvalue())


def load_novelty(folder: Path) -> Novelty | None:
    """Return the novelty parameters that :func:`save_novelty` wrote.

    ``None`` for a classifier without novelty.

    Raises:
        ManifestError: The file is malformed.
    """
    if not (folder / NOVELTY_FILE).exists():
        return None
    try:
        # Read into memory first: numpy does not close a file that is not an archive.
        with np.load(
            io.BytesIO((folder / NOVELTY_FILE).read_bytes()), allow_pickle=False
        ) as arrays:
            return Novelty(*(arrays[name] for name in Novelty._fields))
    except Exception as error:  # numpy and zipfile raise all kinds of exceptions.
        reason = first_line(error)
        raise ManifestError(
            f"{folder / NOVELTY_FILE} is not intact: {reason}", next="dvc repro -f train"
        ) from error


def add_novelty(
    model: keras.Model, features: keras.KerasTensor, novelty: Novelty | None, *, name: str
) -> keras.Model:
    """Return a graph with a second output, the novelty.

    Without parameters, return the graph itself.

    Args:
        model: A graph with one output.
        features: The features in the graph; the last ones determine the novelty.
        novelty: Parameters of the novelty, if any.
        name: Name of the first output.
    """
    from pixmill.models.novelty_layer import NoveltyLayer

    if novelty is None:
        return model
    width, directions = novelty.directions.shape
    layer = NoveltyLayer(width, directions, dtype="float32", name=NOVELTY)
    layer.build((None, width))
    layer.set_weights(list(novelty))
    return keras.Model(model.input, {name: model.output, NOVELTY: layer(features)}, name=model.name)


def logits_and_novelty(classifier: keras.Model, novelty: Novelty | None) -> keras.Model:
    """Return a classifier's graph from pixels to its logits and the novelty, by name."""
    graph = keras.Model(classifier.input, logits_of(classifier), name="network")
    return add_novelty(graph, head_features(classifier), novelty, name=LOGITS)
