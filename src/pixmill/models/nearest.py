"""Training images that another image resembles most, by the features of the backbone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.core.files.writing import file_digest
from pixmill.images.verified_reading import UndecodableError
from pixmill.models.classifier import Classifier
from pixmill.models.model_folder import NOVELTY_FILE
from pixmill.models.novelty import Novelty, load_novelty

NEAREST = 3
"""Number of training images to show beside an image."""


def to_vectors(features: npt.NDArray[np.float32], novelty: Novelty) -> npt.NDArray[np.float16]:
    """Return unit vectors along the principal directions of the training images.

    Args:
        features: Features of the backbone, shape (n, at least width); the last ones count.
        novelty: The directions, with the scale of the features.
    """
    standard = (features[:, -len(novelty.mean) :].astype(np.float64) - novelty.mean) * novelty.scale
    along = standard @ novelty.directions
    unit = along / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    return np.asarray(unit, np.dtype("<f2"))


def vector_of(content: bytes, classifier: Classifier, folder: Path) -> bytes | None:
    """Return the vector of a file.

    ``None`` if it is no image, or if the model has no separate backbone or no novelty.

    Args:
        content: Bytes of the file.
        classifier: The model.
        folder: Its folder.
    """
    novelty = load_novelty(folder)
    if classifier.backbone is None or novelty is None:
        return None
    try:
        pixels = classifier.preprocessing(content)[None]
        return to_vectors(classifier.backbone(pixels), novelty).tobytes()
    except UndecodableError:
        return None


def most_similar(training: Mapping[str, Sequence[Any]], vector: bytes) -> list[dict[str, Any]]:
    """Return ``row``, ``id``, ``label`` and cosine ``similarity`` of the most similar images.

    Args:
        training: Columns ``id``, ``label`` and ``vector``.
        vector: Vector of an image.
    """
    vectors = (
        np.frombuffer(b"".join(training["vector"]), "<f2")
        .reshape(-1, len(vector) // 2)
        .astype(np.float32)
    )
    similarity = vectors @ np.frombuffer(vector, "<f2").astype(np.float32)
    return [
        {
            "row": row,
            **{name: training[name][row] for name in ("id", "label")},
            "similarity": float(similarity[row]),
        }
        for row in np.argsort(-similarity, kind="stable")[:NEAREST].tolist()
    ]


def load_training(root: Path, folder: Path) -> dict[str, list[Any]] | None:
    """Return the training images as :func:`most_similar` takes them.

    ``None`` without an evaluation of this model.

    Args:
        root: Project folder.
        folder: The model's folder, or its file.
    """
    path = root / "artifacts" / "evaluate" / "nearest.parquet"
    novelty = folder / NOVELTY_FILE
    if not (path.exists() and novelty.exists() and find_spec("pyarrow")):
        return None
    import pyarrow.parquet as pq

    with pq.ParquetFile(
        path
    ) as file:  # pq.read_table imports pyarrow.dataset, which takes half a second
        training: dict[str, list[Any]] = file.read().to_pydict()
    return training if training["novelty"][0] == file_digest(novelty, "md5") else None
