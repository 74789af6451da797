"""Positions of images on a map by their features, computed in a process of its own.

t-SNE of at most :data:`DRAWN` images (van der Maaten and Hinton, "Visualizing Data using t-SNE",
JMLR 9, 2008), all others beside the one that is most like them. Without threads and with fixed
seeds, equal features give equal bytes.
"""

from __future__ import annotations

import json
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

MIN_IMAGES = 10
"""Minimum number of images with features; fewer have no neighbourhoods."""


def lay_out(features: npt.NDArray[np.floating]) -> Floats:
    """Return the positions of images, shape (n, 2), from 0 to 1; NaN without features.

    Args:
        features: Shape (n, width), in order of the ids: they are hashes, so the first images are an
            even sample, which no label changes. A row of NaN for an image without features;
            :data:`MIN_IMAGES` have some.
    """
    vectors = reduce(features)[:, -_COMPONENTS:]
    ready = np.isfinite(vectors[:, 0])
    vectors = vectors[ready]
    drawn = _embed(vectors[:DRAWN])
    found = np.vstack([drawn, _beside(vectors, drawn)])
    found -= found.min(axis=0)
    places = np.full((len(features), 2), np.nan, np.float32)
    places[ready] = found / max(float(found.max()), 1e-9)
    return places


def _embed(vectors: Floats) -> Floats:
    """Return positions by t-SNE."""
    # Images with equal features would stay on one another.
    start = np.random.default_rng(0).normal(scale=1e-2, size=(len(vectors), 2))
    strongest = vectors[:, :-3:-1]
    start[:, : strongest.shape[1]] += strongest / max(float(vectors[:, -1].std()), 1e-9)
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
    """Return the positions of the other images, each at its nearest drawn one.

    They are moved by less than half the gap to the next drawn one, so as not to cover each other.
    """
    others = vectors[len(drawn) :]
    if not len(others):
        return np.zeros((0, 2))
    from scipy.spatial import KDTree
    from sklearn.metrics import pairwise_distances_argmin

    near = pairwise_distances_argmin(others, vectors[: len(drawn)])
    gaps, _ = KDTree(drawn).query(drawn, k=2)
    away = np.random.default_rng(0).uniform(-0.5, 0.5, (len(others), 2))
    beside: npt.NDArray[np.float64] = drawn[near] + gaps[near, 1:] * away
    return beside


def main() -> None:
    """Read the names of two files; read features from the first, write positions to the second.

    scikit-learn, which takes seconds to load, is loaded before the names come. It tells of its
    progress by printing.
    """
    die_with_parent()
    import sklearn.manifold  # noqa: F401

    if names := sys.stdin.readline():
        source, target = json.loads(names)
        np.save(target, lay_out(np.load(source, mmap_mode="r")))


if __name__ == "__main__":
    main()
