"""Packed pictures are read as they are asked for, in the order that is asked for."""

from __future__ import annotations

import numpy as np
import pytest

from pixmill.errors import ManifestError
from tests.train.conftest import CLASSES


def test_pixels_stay_on_disk(part):
    assert isinstance(part("train").pixels, np.memmap)
    assert len(part("train")) == 150


def test_labels_are_places_among_the_classes(part):
    assert part("val").labels[:4].tolist() == [0, 1, 2, 0]
    assert part("val", ("red", "green", "blue")).labels[:4].tolist() == [2, 1, 0, 2]


def test_batches_go_through_the_rows_in_the_order_given(part):
    train = part("train")
    order = np.random.default_rng(7).permutation(150)
    batches = list(train.batches(64, order))
    assert [len(labels) for _, labels in batches] == [64, 64, 22]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, train.pixels[order])
    np.testing.assert_array_equal(np.concatenate([labels for _, labels in batches]), train.labels[order])


def test_without_an_order_rows_come_as_they_lie(part):
    labels = np.concatenate([labels for _, labels in part("val").batches(10)])
    np.testing.assert_array_equal(labels, part("val").labels)


def test_an_absent_array_is_named(part, packed):
    (packed / "val.npy").unlink()
    with pytest.raises(ManifestError, match=r"val\.npy is missing"):
        part("val")


def test_an_array_cut_short_is_refused(part, packed):
    array = packed / "val.npy"
    array.write_bytes(array.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"val\.npy is no array of pictures"):
        part("val")


def test_an_array_of_another_split_is_refused(part, packed):
    np.save(packed / "val.npy", np.load(packed / "val.npy")[:-1])
    with pytest.raises(ManifestError, match=r"val\.npy has 44 pictures, its manifest 45"):
        part("val")


def test_pickles_are_refused(part, packed):
    np.save(packed / "val.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ManifestError, match="no array of pictures"):
        part("val")


def test_labels_of_other_params_are_refused(part):
    with pytest.raises(ManifestError, match=r"holds the labels red, which params\.yaml has not"):
        part("train", CLASSES[:2])
