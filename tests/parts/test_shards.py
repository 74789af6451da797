"""Shards index like the one array that they are pieces of."""

from __future__ import annotations

import mmap

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.parts.shards import Shards, map_shard

COUNT = 12
WHOLE = np.random.default_rng(7).integers(0, 256, (COUNT, 4, 4, 3), dtype=np.uint8)
CUTS = st.lists(st.integers(0, COUNT), max_size=4).map(sorted)
NUMBERS = st.integers(-COUNT, COUNT - 1)
KEYS = st.one_of(
    NUMBERS,
    st.slices(COUNT),
    st.lists(NUMBERS, max_size=9).map(lambda rows: np.array(rows, np.int64)),
    st.lists(st.booleans(), min_size=COUNT, max_size=COUNT).map(np.array),
)


@given(CUTS, KEYS)
def test_any_key_gives_what_the_whole_array_gives(cuts, key):
    shards = Shards(np.split(WHOLE, cuts))
    np.testing.assert_array_equal(shards[key], WHOLE[key])
    assert shards[key].shape == WHOLE[key].shape
    assert shards[key].dtype == np.uint8


@given(CUTS)
def test_length_shape_type_and_the_whole_are_those_of_the_array(cuts):
    shards = Shards(np.split(WHOLE, cuts))
    assert (len(shards), shards.shape, shards.dtype) == (COUNT, WHOLE.shape, WHOLE.dtype)
    np.testing.assert_array_equal(np.asarray(shards), WHOLE)
    np.testing.assert_array_equal(np.asarray(shards, np.float32), WHOLE.astype(np.float32))


@pytest.mark.parametrize(
    "key", [COUNT, -COUNT - 1, np.array([0, COUNT]), np.array([0.5]), np.zeros((2, 2), int), (0, 0)]
)
def test_what_is_not_there_is_no_picture(key):
    with pytest.raises(IndexError):
        Shards(np.split(WHOLE, [5]))[key]


def test_an_array_without_a_copy_is_refused_since_there_is_none():
    with pytest.raises(ValueError, match="without a copy"):
        np.array(Shards(np.split(WHOLE, [5])), copy=False)


def test_a_file_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "0.bin"
    WHOLE.tofile(path)
    pixels = map_shard(path, WHOLE.shape)
    np.testing.assert_array_equal(pixels, WHOLE)
    assert not pixels.flags.writeable
    owner = pixels
    while not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else owner.base


@pytest.mark.parametrize("size", [0, 47, 49])
def test_a_file_of_another_size_is_refused(tmp_path, size):
    path = tmp_path / "0.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"expected 48 bytes, received {size}"):
        map_shard(path, (1, 4, 4, 3))
