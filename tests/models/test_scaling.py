"""Standardisation of features."""

import numpy as np
import pytest

from pixmill.core.errors import TrainError
from pixmill.models.scaling import BLOCK_ROWS, Scaling


def test_scaling_of_all_blocks_folds_into_a_layer() -> None:
    chance = np.random.default_rng(7)
    seen = chance.normal(5, 3, (10 * BLOCK_ROWS + 1, 4)).astype(np.float32)
    seen[:, 2] = 0.1
    scaling = Scaling.of(seen)
    np.testing.assert_allclose(scaling.mean, seen.astype(float).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(
        np.delete(scaling.deviation, 2), np.delete(seen.astype(float).std(axis=0), 2), rtol=1e-9
    )
    assert scaling.deviation[2] == 1
    kernel = chance.normal(size=(4, 3))
    bias = chance.normal(size=3)
    folded, shifted = scaling.fold_into(kernel, bias)
    wanted = (seen - scaling.mean) / scaling.deviation @ kernel + bias
    np.testing.assert_allclose(seen @ folded + shifted, wanted, rtol=0, atol=1e-9)


def test_deviation_of_several_layers_has_a_minimum() -> None:
    seen = np.random.default_rng(7).normal(5, [3, 2, 1, 0.01, 0], (1000, 5)).astype(np.float32)
    plain = Scaling.of(seen).deviation
    floored = Scaling.of(seen, several=True).deviation
    assert plain[3] == pytest.approx(0.01, rel=0.1)
    # The median of the features that vary.
    np.testing.assert_allclose(floored, [*plain[:3], 0.2 * np.median(plain[:4]), 1])


def test_rejects_features_that_are_not_finite() -> None:
    seen = np.ones((10, 4), np.float32)
    seen[3, 2] = np.inf
    with pytest.raises(TrainError, match="not finite") as caught:
        Scaling.of(seen)
    assert "train.backbone.name" in caught.value.next
