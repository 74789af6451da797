"""Positions of images on a map by their features; a process of its own for few seconds to minutes.

t-SNE of at most :data:`DRAWN` images (van der Maaten and Hinton, "Visualizing Data using t-SNE",
JMLR 9, 2008), all others beside the one that is most like them. Without threads and with fixed
seeds, equal features give equal bytes.
"""

from __future__ import annotations

import os
import sys

import numpy as np
import numpy.typing as npt

from pixmill.core.process.lifetime import die_with_parent
from pixmill.review.grid.suggesting import Floats, reduce

DRAWN = 20_000
"""Maximum number of images for t-SNE, which takes 80 s of a processor for them."""

ITERATIONS = 500
"""With 1,000, clusters look the same, and 20,000 images take twice as long."""

_COMPONENTS = 50
_PERPLEXITY = 30.0
_MIN_IMAGES = 10
"""Fewer images lie along the two strongest principal components."""


def lay_out(features: npt.NDArray[np.floating]) -> Floats:
    """Return the positions of images, shape (n, 2), from 0 to 1; NaN without features.

    Args:
        features: Shape (n, width), in order of the ids: they are hashes, so the first images are an
            even sample, which no label changes. A row of NaN for an image without features.
    """
    vectors = reduce(features)[:, -_COMPONENTS:]
    ready = np.flatnonzero(np.isfinite(vectors[:, 0]))
    vectors = vectors[ready]
    vectors = np.pad(vectors, ((0, 0), (max(0, 2 - vectors.shape[1]), 0)))
    places = np.full((len(features), 2), np.nan, np.float32)
    if len(ready):
        drawn = _embed(vectors[:DRAWN])
        places[ready] = np.vstack([drawn, _beside(vectors, drawn)])
        places -= places[ready].min(axis=0)
        places /= max(float(places[ready].max()), 1e-9)
    return places


def _embed(vectors: Floats) -> Floats:
    """Return positions by t-SNE."""
    start = vectors[:, :-3:-1] / max(float(vectors[:, -1].std()), 1e-9)
    # Images with equal features would stay on one another.
    start = start + np.random.default_rng(0).normal(scale=1e-2, size=start.shape)
    if len(vectors) < _MIN_IMAGES:
        return np.asarray(start, np.float32)
    from sklearn.manifold import TSNE

    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        init=np.asarray(1e-4 * start, np.float32),
        max_iter=ITERATIONS,
        n_jobs=1,
        random_state=0,
        verbose=2,
    )
    return np.asarray(tsne.fit_transform(vectors), np.float32)


def _beside(vectors: Floats, drawn: Floats) -> npt.NDArray[np.float64]:
    """Return the positions of the other images: nearer to the drawn one than the next one is."""
    from scipy.spatial import KDTree
    from sklearn.metrics import pairwise_distances_argmin

    others = vectors[len(drawn) :]
    if not len(others):
        return np.zeros((0, 2))
    near = pairwise_distances_argmin(others, vectors[: len(drawn)])
    gaps, _ = KDTree(drawn).query(drawn, k=2)
    away = np.random.default_rng(0).uniform(-0.5, 0.5, (len(others), 2))
    beside: npt.NDArray[np.float64] = drawn[near] + gaps[near, 1:] * away
    return beside


def main() -> None:
    """Read features from standard input, ``float16`` of the shape in the arguments; write a file.

    scikit-learn tells of its progress by printing.
    """
    die_with_parent()
    os.nice(10)  # the page stays quick
    (count, width, path) = sys.argv[1:]
    shape = (int(count), int(width))
    np.save(path, lay_out(np.memmap(sys.stdin.buffer, np.float16, "r", shape=shape)))


if __name__ == "__main__":
    main()
