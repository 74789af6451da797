"""A small collection like Fashion-MNIST, installed as Debian's package would install it."""

from __future__ import annotations

import gzip
import hashlib
import struct

import numpy as np
import pytest

from pixmill.bundled.collection import Collection

LABELS = np.arange(60, dtype=np.uint8) % 10
IMAGES = np.random.default_rng(7).integers(0, 256, (60, 28, 28), dtype=np.uint8)
DATA_MD5 = "f4dcbf43836214949449d04f5d44e004.dir"


def idx(values):
    """Return an array as a gzipped IDX file."""
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    return gzip.compress(header + values.tobytes())


@pytest.fixture
def collection(tmp_path):
    folder = tmp_path / "installed"
    folder.mkdir()
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(IMAGES))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(idx(LABELS))
    return Collection(
        folder=folder,
        package="dataset-of-the-tests",
        images_sha256=hashlib.sha256(IMAGES.tobytes()).hexdigest(),
        labels_sha256=hashlib.sha256(LABELS.tobytes()).hexdigest(),
        data_md5=DATA_MD5,
    )


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder
