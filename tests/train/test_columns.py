import numpy as np
import pytest

from pixmill.train.columns import minimise_columns


def test_each_column_reaches_its_own_minimum():
    generator = np.random.default_rng(7)
    roots = generator.normal(size=(3, 6, 6))
    curvatures = roots @ roots.transpose(0, 2, 1) + 0.1 * np.eye(6)
    curvatures *= np.array([1, 100, 0.01])[:, None, None]
    minima = generator.normal(size=(6, 3))
    points = []

    def function(flat):
        gap = flat.reshape(6, 3) - minima
        slope = np.einsum("kij,jk->ik", curvatures, gap)
        return (gap * slope).sum(axis=0) / 2, slope.ravel()

    found = minimise_columns(
        function, np.zeros((6, 3)), points.append, iterations=200, tolerance=1e-9
    )

    assert found.success
    assert found.x.reshape(6, 3) == pytest.approx(minima, abs=1e-5)
    np.testing.assert_array_equal(points[-1], found.x)


def test_too_few_iterations_are_no_success():
    found = minimise_columns(
        lambda flat: (flat**4, 4 * flat**3),
        np.ones((1, 1)),
        lambda _: None,
        iterations=1,
        tolerance=1e-12,
    )

    assert not found.success
    assert found.x < 1
