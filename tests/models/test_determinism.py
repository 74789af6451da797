"""Random states and threads."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pixmill.core.params import BlockParams, CnnParams
from pixmill.models.determinism import fix_threads, reseed


@pytest.fixture
def dropping(build):
    """Return a classifier with three random layers."""
    return build(cnn=CnnParams(blocks=(BlockParams(filters=4, dropout=0.5), BlockParams(filters=4, dropout=0.5))))


def states(model):
    return [tuple(np.asarray(each)) for each in model.variables if each.path.endswith("seed_generator_state")]


def test_reseed_depends_only_on_seed_and_epoch(dropping, pixels):
    def drawn(seed, epoch):
        reseed(dropping, seed=seed, epoch=epoch)
        return np.asarray(dropping(pixels, training=True))

    first = drawn(7, 1)
    assert not np.array_equal(np.asarray(dropping(pixels, training=True)), first)
    assert not np.array_equal(drawn(7, 2), first)
    assert not np.array_equal(drawn(8, 1), first)
    np.testing.assert_array_equal(drawn(7, 1), first)


def test_fix_threads_limits_matrix_products():
    threadpool_limits(1)
    fix_threads(2)
    assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}
