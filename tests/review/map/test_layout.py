"""Positions on the map: equal twice, neighbours by features, images that are not drawn."""

import numpy as np
import pytest

from pixmill.review.map import layout


def clusters(count):
    """Return features of two clusters, alternately."""
    chance = np.random.default_rng(3)
    centres = chance.normal(size=(2, 24))
    return (5 * centres[np.arange(count) % 2] + chance.normal(size=(count, 24))).astype(np.float16)


def test_equal_features_give_equal_bytes_and_clusters_stay_apart():
    features = clusters(60)
    places = layout.lay_out(features)
    assert layout.lay_out(features).tobytes() == places.tobytes()
    assert (places.min(axis=0).tolist(), float(places.max())) == ([0, 0], 1)
    distances = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(60)
    assert (distances.argmin(axis=1) % 2 == np.arange(60) % 2).all()


def test_images_that_are_not_drawn_lie_beside_the_most_similar_one(monkeypatch):
    monkeypatch.setattr(layout, "DRAWN", 40)
    features = clusters(40)
    copies = layout.lay_out(np.vstack([features, features[7:12]]))
    among = np.linalg.norm(copies[:40, None] - copies[:40], axis=2) + 9 * np.eye(40)
    beside = np.linalg.norm(copies[40:] - copies[7:12], axis=1)
    assert (beside <= among[7:12].min(axis=1) + 1e-6).all()


@pytest.mark.parametrize("values", [clusters(10), np.ones((10, 24), np.float16)])
def test_few_images_and_images_without_features(values):
    places = layout.lay_out(np.vstack([values, np.full((1, 24), np.nan, np.float16)]))
    assert np.isfinite(places[:10]).all()
    assert np.isnan(places[10]).all()
