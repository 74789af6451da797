"""Chance follows from seed and epoch, whatever happened before."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from pixmill.models import fix_threads, reseed
from pixmill.params import BlockParams, CnnParams


@pytest.fixture
def dropping(build):
    """Return a classifier with three random layers."""
    return build(cnn=CnnParams(blocks=(BlockParams(filters=4, dropout=0.5), BlockParams(filters=4, dropout=0.5))))


def states(model):
    return [tuple(np.asarray(each)) for each in model.variables if each.path.endswith("seed_generator_state")]


def test_each_random_layer_has_a_state_of_its_own(dropping):
    reseed(dropping, seed=7, epoch=1)
    assert len(set(states(dropping))) == 3


def test_states_follow_from_seed_and_epoch_alone(dropping, pixels):
    def drawn(seed, epoch):
        reseed(dropping, seed=seed, epoch=epoch)
        return np.asarray(dropping(pixels, training=True))

    first = drawn(7, 1)
    assert not np.array_equal(np.asarray(dropping(pixels, training=True)), first)
    assert not np.array_equal(drawn(7, 2), first)
    assert not np.array_equal(drawn(8, 1), first)
    np.testing.assert_array_equal(drawn(7, 1), first)


def test_variables_are_as_good_as_the_model_that_they_are_of(dropping):
    reseed(dropping, seed=7, epoch=3)
    expected = states(dropping)
    reseed(dropping, seed=0, epoch=0)
    reseed(iter(dropping.variables), seed=7, epoch=3)
    assert states(dropping) == expected


def test_the_number_of_threads_stays_once_there_is_something_computed(dropping):
    fix_threads(2)
    with pytest.raises(RuntimeError, match="cannot be modified after initialization"):
        fix_threads(3)


def test_products_of_matrices_are_computed_with_as_many():
    threadpool_limits(1)
    fix_threads(2)
    assert {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"} == {2}
