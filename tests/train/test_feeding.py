"""Batches come whole, in their order, a few ahead and no more."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from pixmill.train.feeding import epoch_order, feed


def test_every_picture_comes_once_with_its_target(parts):
    part, order = parts["train"], epoch_order(150, seed=7, epoch=1)
    batches = list(feed(part, 32, order))
    assert [len(targets) for _, targets in batches] == [32, 32, 32, 32, 22]
    assert all(pixels.dtype == np.uint8 for pixels, _ in batches)
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in batches]), part.pixels[order])
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in batches]), part.targets[order])


def test_without_an_order_they_come_as_they_lie(parts):
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in feed(parts["val"], 7)]), parts["val"].pixels)


def test_the_order_follows_from_seed_and_epoch():
    first = epoch_order(100, seed=7, epoch=1)
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    np.testing.assert_array_equal(epoch_order(100, seed=7, epoch=1), first)
    assert not np.array_equal(epoch_order(100, seed=7, epoch=2), first)
    assert not np.array_equal(epoch_order(100, seed=8, epoch=1), first)


class Watched:
    """Count the rows that are asked for, and fail at one of them."""

    def __init__(self, pixels, fails_at=None):
        self._pixels, self._fails_at = pixels, fails_at
        self.asked = 0

    def __getitem__(self, rows):
        if self._fails_at in rows:
            raise OSError("the disk is gone")
        self.asked += len(rows)
        return self._pixels[rows]


def watch(part, **how):
    watched = Watched(part.pixels, **how)
    object.__setattr__(part, "pixels", watched)
    return watched


def test_no_more_than_a_few_batches_are_held(parts):
    watched = watch(parts["train"])
    batches = feed(parts["train"], 10)
    for taken in range(1, 6):
        next(batches)
        assert watched.asked <= (taken + 2) * 10
    batches.close()


def test_a_training_that_stops_leaves_no_thread(parts):
    batches = feed(parts["train"], 10)
    next(batches)
    batches.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("feed")]


def test_what_fails_in_the_thread_fails_here(parts):
    watch(parts["train"], fails_at=55)
    with pytest.raises(OSError, match="the disk is gone"):
        list(feed(parts["train"], 10))
