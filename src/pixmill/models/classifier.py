"""The kind of model that params choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.models.backbone import build_backbone_classifier
from pixmill.models.cnn import build_cnn
from pixmill.params import TrainParams

if TYPE_CHECKING:
    import keras

__all__ = ["build_classifier"]


def build_classifier(params: TrainParams, *, labels: int, image_size: int, root: Path | None = None) -> keras.Model:
    """Return a classifier with fresh weights, drawn from ``params.seed``.

    It is one functional graph, un-nested and uncompiled: float32 pixels from 0 to 255 of shape (n, image_size,
    image_size, 3) in, float32 probabilities of shape (n, labels) out. All that happens to a picture after its resize
    happens within.

    Args:
        params: The section ``train``.
        labels: How many classes there are.
        image_size: Side of the pictures in pixels.
        root: The project's folder, where a file of weights is looked for; default: the current one.

    Raises:
        TrainError: The pictures are too small for so many layers, or a backbone's weights cannot be had.
    """
    if params.model == "cnn":
        return build_cnn(params.cnn, labels=labels, image_size=image_size, seed=params.seed)
    return build_backbone_classifier(params, labels=labels, image_size=image_size, root=root)
