"""Checkpoints of finished and unfinished trainings."""

import numpy as np
import pytest

from pixmill.train import Callback
from pixmill.train import checkpoints as module
from pixmill.train.checkpoints import Checkpoint, Checkpoints, discard, pin, pinned_keys
from pixmill.train.history import Epoch, Timing
from tests.train.conftest import EpochCallback

HISTORY = [Epoch(1, 1 / 3, 0.5, 0.7, 0.6, 0.1), Epoch(2, 0.2, 0.6, 0.8, 0.7, 0.1)]
TIMINGS = [Timing(1_700_000_000_000, 1.5, 99.5), Timing(1_700_000_001_000, 1.25, 120.0)]


def arrays(value, size=3):
    kernel = np.arange(2 * size, dtype=np.float32).reshape(size, 2).T + value
    return {"a/kernel": kernel, "b": np.int64(value), "empty": np.zeros((0, 3), np.float32)}


def checkpoint(value, size=3, **changes):
    return Checkpoint(HISTORY, TIMINGS, arrays(value, size), arrays(10 * value), **changes)


def same(one, other):
    return list(one) == list(other) and all(
        np.array_equal(one[name], other[name]) and one[name].dtype == other[name].dtype
        for name in one
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "saved" / "key.npz"


@pytest.fixture
def saved(path):
    checkpoints = Checkpoints(path)
    checkpoints.save(checkpoint(2))
    return checkpoints


def test_checkpoint_is_saved_and_loaded(saved):
    last = saved.load()
    assert (last.history, last.timings, last.finished) == (HISTORY, TIMINGS, False)
    assert same(last.state, arrays(2))
    assert same(last.best, arrays(20))
    assert saved.load_finished(Callback()) is None


def test_finished_training_reports_its_epochs_again(saved):
    saved.save(Checkpoint(HISTORY, TIMINGS, {}, arrays(5), finished=True))
    reported = []
    last = saved.load_finished(EpochCallback(lambda *epoch: reported.append(epoch)))
    assert reported == list(zip(HISTORY, TIMINGS, strict=True))
    assert (dict(last.state), last.finished) == ({}, True)
    assert same(last.best, arrays(5))


def test_damaged_file_is_announced_and_replaced(saved, path, capfd):
    path.write_bytes(path.read_bytes().replace(b"0.3333", b"0.3433"))
    assert saved.load() is None
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"train: the checkpoint {path} cannot be read (")
    saved.save(checkpoint(4))
    assert same(saved.load().state, arrays(4))


def test_pinned_trainings_and_their_folds_are_not_deleted(tmp_path, monkeypatch):
    assert pinned_keys(tmp_path) == set()
    monkeypatch.setattr(module, "_MAX_BYTES", 1)
    folder = tmp_path / "saved"
    pin(folder, "sweep", ["best", "second", "absent"])
    for key in ("best", "best.fold-0", "second", "third"):
        Checkpoints(folder / f"{key}.npz").save(checkpoint(1, 1000))
    for number in range(3):
        Checkpoints(folder / f"new-{number}.npz").save(checkpoint(1, 1000))
    assert {path.name for path in folder.glob("*.npz")} == {
        "best.npz",
        "best.fold-0.npz",
        "second.npz",
        "new-2.npz",
    }
    assert same(Checkpoints(folder / "best.npz").load().state, arrays(1, 1000))
    pin(folder, "applied", ["second"])
    pin(folder, "sweep", ["third"])
    assert pinned_keys(folder) == {"second", "third"}, "each owner has its own"
    assert {path.name for path in folder.glob("pinned*")} == {"pinned-sweep", "pinned-applied"}
    Checkpoints(folder / "new-3.npz").save(checkpoint(1, 1000))
    assert {path.name for path in folder.glob("*.npz")} == {"second.npz", "new-3.npz"}
    discard(folder, ["second", "new-3", "absent"])
    assert {path.name for path in folder.glob("*.npz")} == {"second.npz"}
