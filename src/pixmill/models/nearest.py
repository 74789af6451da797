"""Training images that a new image resembles most, by the features of the backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pixmill.core.files.writing import replacing
from pixmill.models.novelty import Novelty

NEAREST = 3
"""Number of training images to show beside an image."""


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """The training images by their features, as ``artifacts/evaluate/nearest.parquet`` keeps them.

    Args:
        ids: Ids of the images.
        labels: Their labels.
        vectors: Unit vectors along the principal directions of :class:`Novelty`, ``float16`` of shape (n, directions).
    """

    ids: list[str]
    labels: list[str]
    vectors: npt.NDArray[np.float16]

    def nearest(self, vectors: npt.NDArray[np.float16]) -> list[list[tuple[int, float]]]:
        """Return the rows of the :data:`NEAREST` training images with their cosine similarity, nearest first.

        Args:
            vectors: Results of :func:`to_vectors`, one row for each image.
        """
        found: list[list[tuple[int, float]]] = []
        others = self.vectors.astype(np.float32)
        for one in vectors.astype(np.float32):
            similar = others @ one
            first = np.argsort(-similar, kind="stable")[:NEAREST].tolist()
            found.append([(row, float(similar[row])) for row in first])
        return found

    def save(self, path: Path) -> None:
        """Write the images as Parquet, atomically; equal values give equal bytes."""
        rows = [row.tobytes() for row in self.vectors.astype("<f2")]
        table = pa.table({"id": self.ids, "label": self.labels, "vector": pa.array(rows, pa.binary())})
        with replacing(path) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    @classmethod
    def load(cls, path: Path) -> TrainingImages:
        """Read the images that :meth:`save` wrote."""
        columns = pq.read_table(path).to_pydict()
        vectors = np.frombuffer(b"".join(columns["vector"]), "<f2").reshape(len(columns["id"]), -1)
        return cls(columns["id"], columns["label"], vectors)


def to_vectors(features: npt.NDArray[np.float32], novelty: Novelty) -> npt.NDArray[np.float16]:
    """Return features as unit vectors along the principal directions of the training images.

    Args:
        features: Features of the backbone, shape (n, at least width); the last ones count.
        novelty: The directions, with the scale of the features.
    """
    standard = (features[:, -len(novelty.mean) :].astype(np.float64) - novelty.mean) * novelty.scale
    along = standard @ novelty.directions
    lengths = np.linalg.norm(along, axis=1, keepdims=True)
    vectors: npt.NDArray[np.float16] = (along / np.maximum(lengths, 1e-12)).astype(np.float16)
    return vectors
