"""The index finds every image that correlates with a view."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.images.likeness.hashing import SIDE
from pixmill.images.likeness.neighbours import Index


def unit_vectors(greys):
    vectors = greys.reshape(-1, SIDE * SIDE).astype(float)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=8)
@given(
    st.integers(1, 150), st.integers(1, 9), st.sampled_from([2, 20, 120]), st.integers(0, 2**32 - 1)
)
def test_all_correlated_images_are_found_once(
    count: int, clumps: int, noise: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    middles = generator.integers(0, 256, (clumps, SIDE, SIDE))
    greys = middles[generator.integers(0, clumps, count)] + generator.integers(
        -noise, noise + 1, (count, SIDE, SIDE)
    )
    greys = np.clip(greys, 0, 255).astype(np.uint8)
    views = greys[generator.integers(0, count, (20, 2))]
    found = [
        pair
        for rows, places in Index(greys, np.arange(count)).near(views, 0.97)
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    correlations = (unit_vectors(views) @ unit_vectors(greys).T).reshape(20, 2, count)
    row, place = np.nonzero((correlations >= 0.97).any(axis=1))
    assert set(zip(row.tolist(), place.tolist(), strict=True)) <= set(found)
