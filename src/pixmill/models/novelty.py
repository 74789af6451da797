"""Novelty: how unlike the training images an image is, from 0 to 1.

It is the share of an image's features that the principal directions of the training images leave unexplained: one minus
the squared length of the projection, relative to that of the standardised features. The length itself would miss images
with little in them. A named output of the network computes it, beside the logits and from the same features.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import write_bytes
from pixmill.models.determinism import first_line
from pixmill.models.heads import head_features, logits_of
from pixmill.models.litert import LOGITS, NOVELTY
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.tensorflow import keras


class Novelty(NamedTuple):
    """What tells the novelty of an image's features, or of the last of them.

    Args:
        mean: The training images' mean, ``float32`` of shape (width,).
        scale: The inverse of their standard deviation, ``float32`` of shape (width,).
        directions: Orthonormal principal directions of their standardised features, ``float32`` of shape
            (width, directions).
    """

    mean: npt.NDArray[np.float32]
    scale: npt.NDArray[np.float32]
    directions: npt.NDArray[np.float32]


def save_novelty(folder: Path, novelty: Novelty) -> None:
    """Write it beside a classifier's weights; equal values give equal bytes."""
    content = io.BytesIO()
    np.savez(content, **novelty._asdict())
    write_bytes(folder / NOVELTY_FILE, content.getvalue())


def load_novelty(folder: Path) -> Novelty | None:
    """Return the novelty that :func:`save_novelty` wrote; ``None`` for a classifier without one.

    Raises:
        ManifestError: The file is malformed.
    """
    if not (folder / NOVELTY_FILE).exists():
        return None
    try:
        # From memory: numpy leaves a file open that is no archive.
        with np.load(io.BytesIO((folder / NOVELTY_FILE).read_bytes()), allow_pickle=False) as arrays:
            return Novelty(*(arrays[name] for name in Novelty._fields))
    except Exception as error:  # Numpy and zipfile raise all kinds of exceptions.
        reason = first_line(error)
        raise ManifestError(f"{folder / NOVELTY_FILE} is not intact: {reason}", next="dvc repro -f train") from error


def add_novelty(model: keras.Model, features: keras.KerasTensor, novelty: Novelty | None, *, name: str) -> keras.Model:
    """Return a graph with the output of another under a name, and with the novelty if there is one.

    Args:
        model: A graph with one output.
        features: The features in it; the novelty is that of the last ones, as many as it has a mean of.
        novelty: What tells it.
        name: The name of the graph's own output.
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
