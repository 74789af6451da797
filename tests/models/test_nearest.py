"""The nearest training images by features."""

import numpy as np

from pixmill.models.nearest import NEAREST, TrainingImages, to_vectors
from pixmill.models.novelty import Novelty


def test_nearest_images_survive_the_file(tmp_path):
    chance = np.random.default_rng(1)
    directions = np.linalg.qr(chance.normal(size=(6, 4)))[0]
    novelty = Novelty(np.ones(6, np.float32), np.full(6, 2, np.float32), directions.astype(np.float32))
    features = chance.normal(size=(9, 8)).astype(np.float32)
    vectors = to_vectors(features, novelty)
    training = TrainingImages([f"{n}" for n in range(9)], list("abcabcabc"), vectors)
    training.save(tmp_path / "nearest.parquet")
    loaded = TrainingImages.load(tmp_path / "nearest.parquet")
    assert (loaded.ids, loaded.labels) == (training.ids, training.labels)
    exact = (features[:, -6:] - 1) * 2 @ directions
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    for row, found in enumerate(loaded.nearest(vectors)):
        expected = np.sort(exact @ exact[row])[::-1][:NEAREST]
        assert found[0][0] == row
        np.testing.assert_allclose([similarity for _, similarity in found], expected, atol=2e-3)
