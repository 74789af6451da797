"""The index finds every image that correlates with a view."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pixmill.images.likeness.hashing import SIDE
from pixmill.images.likeness.neighbours import Index, ball_radii, project
from pixmill.images.likeness.similarity import VIEWS, views


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
    seen = greys[generator.integers(0, count, (20, VIEWS))]
    index = Index(greys, np.arange(count), 0.97)
    points = np.stack([project(some) for some in seen])
    found = [
        pair
        for rows, places in index.near(points, ball_radii(points))
        for pair in zip(rows.tolist(), places.tolist(), strict=True)
    ]
    assert len(found) == len(set(found))
    correlations = (unit_vectors(seen) @ unit_vectors(greys).T).reshape(20, VIEWS, count)
    row, place = np.nonzero((correlations >= 0.97).any(axis=1))
    assert set(zip(row.tolist(), place.tolist(), strict=True)) <= set(found)


def test_images_with_a_view_near_new_ones_are_found() -> None:
    coarse = np.random.default_rng(0).integers(0, 256, (80, 6, 6), dtype=np.uint8)
    greys = np.stack([np.asarray(Image.fromarray(one).resize((SIDE, SIDE))) for one in coarse])
    greys[60:] = views(greys[:20])[np.arange(20), np.arange(20)]
    index = Index(greys, np.arange(60), 0.99)
    radii = ball_radii(np.stack([project(some) for some in views(greys)]))
    radii[5] = np.nan
    targets = Index(greys, np.arange(60, 80), 0.99)
    expected = set(range(20)) - {5}
    found = set(index.around(targets, radii).tolist())
    assert expected <= found
    assert len(found) < 30
