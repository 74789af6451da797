import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import DataError
from pixmill.images.idx import read_idx

VALUES = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)


def encoded(values):
    return (
        bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_reads_plain_and_gzipped_files(tmp_path, pack):
    (tmp_path / "images").write_bytes(pack(encoded(VALUES)))
    assert np.array_equal(read_idx(tmp_path / "images"), VALUES)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "it begins with b''"),
        (b"\0\0\x0d\x01\0\0\0\x01abcd", "not the header of an IDX file of bytes"),
        (b"\0\0\x08\x01\0\0\0\x09abc", "cannot reshape array of size 3"),
        (gzip.compress(encoded(VALUES))[:-9], "ended before the end-of-stream marker"),
        (b"\x1f\x8bno gzip", "cannot be read"),
    ],
)
def test_damaged_file_is_reported(tmp_path, content, error):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=error) as caught:
        read_idx(path)
    assert str(path) in caught.value.message
    assert caught.value.next == f"replace {path} with the published file"


@given(st.binary(max_size=30), st.integers(0, 40), st.booleans())
def test_any_bytes_are_an_array_or_a_data_error(tmp_path_factory, noise, place, zipped):
    content = encoded(VALUES)
    content = content[:place] + noise + content[place + len(noise) :]
    path = tmp_path_factory.getbasetemp() / "odd"
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        assert read_idx(path).dtype == np.uint8
    except DataError:
        return
