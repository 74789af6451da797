"""Novelty: how unlike the training images an image is, from 0 to 1.

The share of an image's last features that the principal directions of the training images do not
explain: one minus the squared length of their projection, relative to the squared length of the
standardised features. The absolute length would miss images with little content. The network
computes the novelty from the same features as the logits, as a separate named output.

If the head has features of several layers, the share is multiplied by a distance in all of them:
the mean squared Mahalanobis distance along the leading principal directions, plus the squared
length of the rest, relative to that of training images. The result x becomes x / (1 + x). Early
layers see that an image is blurred, flat or drawn, last ones what it shows; and the directions of a
transformer's last features alone explain nearly any image.

Sources: Hotelling, "Multivariate Quality Control", 1947; Jackson and Mudholkar, "Control Procedures
for Residuals Associated with Principal Component Analysis", Technometrics 21, 1979. Share, distance
and their directions were chosen by measuring, see statistics.md.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pixmill.core.errors import ManifestError
from pixmill.core.files.writing import write_bytes
from pixmill.metrics.arrays import Floats
from pixmill.models.determinism import first_line
from pixmill.models.litert import NOVELTY
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.scaling import Features, Scaling, principal_directions
from pixmill.models.tensorflow import keras

MAX_SAMPLE = 4096
"""Maximum number of images that the novelty is fitted to.

With ten times as many, the directions hardly differ.
"""

_MAX_DIRECTIONS = 64
"""Fewer held-out classes were found with 16 or 32 directions, no more with 128."""

_WHOLE_DIRECTIONS = 8
"""Directions in the features of all layers: with 16 to 64, fewer other images were found."""

_WHOLE_SAMPLE = 1024
"""Maximum number of images that these are fitted to: there are more features than that."""

MIN_LENGTH = 1e-6
"""Added to the squared length of an image's standardised features, which divides."""

_MAX_VALUES = 2**17
"""Maximum size of the directions: half a megabyte."""


class Novelty(NamedTuple):
    """Parameters of the novelty of an image's features.

    Args:
        mean: Mean of the training images' last features, ``float32`` of shape (width,).
        scale: Inverse of their standard deviation, ``float32`` of shape (width,).
        directions: Orthonormal principal directions of their standardised features, ``float32`` of
            shape (width, directions).
        whole_mean: Mean of the features of all layers. ``None``, as for the others: there is one
            layer only, or the model is of an earlier version.
        whole_scale: Factors that give the features the mean squared length 1 outside of
            ``whole_directions``.
        whole_directions: The leading principal directions.
        whole_weights: What the square along each adds to the squared length, shape (directions,).
    """

    mean: Features
    scale: Features
    directions: Features
    whole_mean: Any = None
    whole_scale: Any = None
    whole_directions: Any = None
    whole_weights: Any = None

    def arrays(self) -> dict[str, Any]:
        """Return the parameters that there are, by name."""
        return {name: part for name, part in self._asdict().items() if part is not None}

    def of(self, features: Features) -> Features:
        """Return the novelty of images, as the network computes it, ``float32`` of shape (n,).

        Args:
            features: Of all layers, shape (n, features).
        """
        found: Features = self.compute(features.astype(np.float64))[:, 0].astype(np.float32)
        return found

    def compute(self, features: Any) -> Any:
        """Return the novelty of features, arrays or Keras tensors, shape (n, 1)."""
        last = features[:, -len(self.mean) :]
        whole, along = _squares(last, self.mean, self.scale, self.directions)
        novelty = 1 - _total(along) / (whole + MIN_LENGTH)
        if self.whole_mean is None:
            return novelty
        whole, along = _squares(features, self.whole_mean, self.whole_scale, self.whole_directions)
        novelty = novelty * (whole + along @ self.whole_weights[:, None])
        return 1 - 1 / (1 + novelty)


def _squares(features: Any, mean: Any, scale: Any, directions: Any) -> tuple[Any, Any]:
    """Return the squared length of standardised features, and their squares along directions."""
    standard = (features - mean) * scale
    return _total(standard**2), (standard @ directions) ** 2


def _total(values: Any) -> Any:
    """Return sums of rows: matrix products sum in the same order on every processor."""
    return values @ np.ones((values.shape[1], 1), np.float32)


def fit_novelty(features: Features, top: int) -> Novelty | None:
    """Fit the novelty to training images.

    Return ``None`` if there are too few images, or no directions.

    Args:
        features: Shape (n, width), at most :data:`MAX_SAMPLE` rows.
        top: Number of last features, those of the last layer.

    Raises:
        TrainError: A feature is not finite.
    """
    from threadpoolctl import threadpool_limits

    last = features[:, -top:]
    limit = min(_MAX_DIRECTIONS, _MAX_VALUES // top, min(last.shape) - 1)
    if limit < 1:
        return None
    scaling = Scaling.of(last, several=True)
    # One thread, since the result depends on their number.
    with threadpool_limits(1):
        directions = principal_directions(last, scaling, limit)
        if not directions.size:
            return None
        parts = [scaling.mean, 1 / scaling.deviation, directions]
        if features.shape[1] > top:
            parts += _fit_distance(features[:: -(-len(features) // _WHOLE_SAMPLE)])
    return Novelty(*(part.astype(np.float32) for part in parts))


def _fit_distance(features: Features) -> list[Floats]:
    """Return the parameters of the distance in all features, shape (n, width)."""
    scaling = Scaling.of(features, several=True)
    limit = min(_WHOLE_DIRECTIONS, min(features.shape) - 1)
    directions = principal_directions(features, scaling, limit)
    standard = (features - scaling.mean) / scaling.deviation
    squares = ((standard @ directions) ** 2).mean(axis=0)
    rest = max((standard**2).sum(axis=1).mean() - squares.sum(), MIN_LENGTH)
    weights = rest / (len(squares) * squares) - 1
    return [scaling.mean, 1 / (scaling.deviation * np.sqrt(rest)), directions, weights]


def save_novelty(folder: Path, novelty: Novelty) -> None:
    """Write the novelty parameters next to a classifier's weights.

    Equal values give equal bytes.
    """
    content = io.BytesIO()
    np.savez(content, **novelty.arrays())
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
            if len(arrays) not in (3, len(Novelty._fields)):
                raise ValueError("arrays are missing")
            return Novelty(**arrays)
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
    if novelty is None:
        return model
    outputs = {name: model.output, NOVELTY: novelty.compute(features)}
    return keras.Model(model.input, outputs, name=model.name)
