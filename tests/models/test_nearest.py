"""The nearest training images by features."""

import numpy as np

from pixmill.models.nearest import NEAREST, most_similar, to_vectors
from pixmill.models.novelty import Novelty


def test_most_similar_have_the_highest_cosines():
    chance = np.random.default_rng(1)
    directions = np.linalg.qr(chance.normal(size=(6, 4)))[0]
    novelty = Novelty(
        np.ones(6, np.float32), np.full(6, 2, np.float32), directions.astype(np.float32)
    )
    features = chance.normal(size=(9, 8)).astype(np.float32)
    vectors = [row.tobytes() for row in to_vectors(features, novelty)]
    training = {
        "id": [f"{number}" for number in range(9)],
        "label": list("abcabcabc"),
        "vector": vectors,
    }
    exact = (features[:, -6:] - 1) * 2 @ directions
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    for row, vector in enumerate(vectors):
        found = most_similar(training, vector)
        assert [found[0][name] for name in ("row", "id", "label")] == [
            row,
            f"{row}",
            "abc"[row % 3],
        ]
        similarities = [each["similarity"] for each in found]
        np.testing.assert_allclose(
            similarities, np.sort(exact @ exact[row])[::-1][:NEAREST], atol=2e-3
        )
