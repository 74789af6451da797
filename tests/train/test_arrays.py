"""Arrays come back from their file as they were, or not at all."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from pixmill.train.arrays import read_arrays, write_arrays

ARRAYS = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1),
    "iterations": np.int64(7),
    "nothing": np.zeros((0, 3), np.float32),
    "größe": np.array([True, False]),
}


def test_they_come_back_as_they_were(tmp_path):
    path = tmp_path / "a.arrays"
    again = read_arrays(path, write_arrays(path, ARRAYS))
    assert list(again) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert again[name].dtype == array.dtype
        assert again[name].shape == array.shape
        assert np.array_equal(again[name], array)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_a_changed_byte_is_noticed(tmp_path, place):
    path = tmp_path / "a.arrays"
    digest = write_arrays(path, ARRAYS)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.arrays is not what was written"):
        read_arrays(path, digest)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "a.arrays"
    digest = write_arrays(path, ARRAYS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            write_arrays(path, {"large": np.zeros(10_000, np.float32)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert list(read_arrays(path, digest)) == list(ARRAYS)
    assert list(tmp_path.iterdir()) == [path]
