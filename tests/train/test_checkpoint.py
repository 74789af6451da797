"""A checkpoint is the last whole epoch, or none; nothing about it stops a training."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import numpy as np
import pytest

from pixmill.train import checkpoint
from pixmill.train.checkpoint import Checkpoints, open_checkpoints
from pixmill.train.history import Epoch, Timing

HISTORY = [Epoch(1, 1 / 3, 0.5, 0.7, 0.6, 0.1), Epoch(2, 0.2, 0.6, 0.8, 0.7, 0.1)]
TIMINGS = [Timing(1_700_000_000_000, 1.5, 99.5), Timing(1_700_000_001_000, 1.25, 120.0)]


def arrays(value, size=3):
    return {"a": np.full(size, value, np.float32), "b": np.array(value)}


@pytest.fixture
def kept(tmp_path):
    """Two epochs of which the first was the better."""
    checkpoints = Checkpoints(tmp_path / "key")
    checkpoints.save(HISTORY[:1], TIMINGS[:1], state=arrays(1.0), best=arrays(10.0))
    checkpoints.save(HISTORY, TIMINGS, state=arrays(2.0))
    return checkpoints


def test_nothing_is_there_before_the_first_epoch(tmp_path):
    assert Checkpoints(tmp_path / "key").load() is None


def test_the_last_epoch_comes_back_with_the_weights_of_the_best(kept):
    last = kept.load()
    assert (last.history, last.timings) == (HISTORY, TIMINGS)
    assert last.state["a"].tolist() == [2.0] * 3
    assert last.best["a"].tolist() == [10.0] * 3


def test_only_what_is_needed_stays(kept):
    assert sorted(path.name for path in kept.folder.iterdir()) == [
        "best-000001.arrays", "state-000002.arrays", "state.json"
    ]  # fmt: skip


@pytest.mark.parametrize("moment", ["write_arrays", "write_text"])
def test_killed_in_mid_write_the_epoch_before_is_still_there(kept, moment, monkeypatch):
    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    monkeypatch.setattr(checkpoint, moment, die)
    with pytest.raises(Killed):
        kept.save([*HISTORY, Epoch(3, 0.1, 0.7, 0.6, 0.8)], [*TIMINGS, TIMINGS[0]], state=arrays(3.0), best=arrays(3.0))
    assert len(kept.load().history) == 2


@pytest.mark.parametrize("name", ["state.json", "state-000002.arrays", "best-000001.arrays"])
@pytest.mark.parametrize("harm", ["changed", "cut", "gone"])
def test_a_damaged_one_is_set_aside_with_a_line(kept, name, harm, capfd):
    path = kept.folder / name
    content = bytearray(path.read_bytes())
    # The last digit of a number: still JSON, still numbers.
    content[content.rindex(b"0.7") + 2 if name == "state.json" else -1] ^= 1
    if harm == "gone" and name != "state.json":
        path.unlink()
    else:
        path.write_bytes(content if harm == "changed" else content[: len(content) // 2])
    assert kept.load() is None
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"train: the checkpoint in {kept.folder} is damaged and set aside (")
    assert kept.load() is None
    kept.save(HISTORY[:1], TIMINGS[:1], state=arrays(1.0), best=arrays(1.0))
    assert len(kept.load().history) == 1


@pytest.mark.parametrize("text", ["[]", "{}", '{"sha256": "", "body": "{}"}', "\xff"])
def test_another_file_in_its_place_is_damage_too(kept, text):
    (kept.folder / "state.json").write_text(text, encoding="latin-1")
    assert kept.load() is None


def test_a_full_disk_is_told_once_and_the_last_one_stays(kept, capfd):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        for _ in range(2):
            kept.save(HISTORY, TIMINGS, state=arrays(3.0, 100_000), best=arrays(3.0))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"warning: train keeps no checkpoint in {kept.folder}: File too large. Training goes on")
    assert kept.load().state["a"].tolist() == [2.0] * 3
    kept.save(HISTORY, TIMINGS, state=arrays(4.0), best=arrays(4.0))
    assert kept.load().state["a"].tolist() == [4.0] * 3


def test_a_settled_one_knows_its_history_alone(kept):
    kept.settle()
    assert [path.name for path in kept.folder.iterdir()] == ["state.json"]
    last = kept.load()
    assert (last.history, dict(last.state), dict(last.best)) == (HISTORY, {}, {})


def test_a_training_that_is_over_leaves_nothing(tmp_path):
    with open_checkpoints(tmp_path, "key") as checkpoints:
        checkpoints.within("fold-0").save(HISTORY, TIMINGS, state=arrays(1.0), best=arrays(1.0))
        checkpoints.remove()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def test_the_same_training_twice_at_once_keeps_one_checkpoint(tmp_path, capfd):
    script = (
        "import sys; from pathlib import Path; from pixmill.train.checkpoint import open_checkpoints\n"
        "with open_checkpoints(Path(sys.argv[1]), 'key') as checkpoints: print(checkpoints)"
    )
    with open_checkpoints(tmp_path, "key"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env=dict(os.environ),
        )
    assert done.stdout == "None\n"
    assert done.stderr == "train: no checkpoint is kept (another process has the same training)\n"


def test_where_none_can_be_kept_training_goes_on(tmp_path, capfd):
    (tmp_path / "key").write_text("a file where the folder would be")
    with open_checkpoints(tmp_path, "key") as checkpoints:
        assert checkpoints is None
    assert capfd.readouterr().err.startswith("train: no checkpoint is kept (")


def test_those_of_other_trainings_are_limited_in_size(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "_MOST_BYTES", 10_000)
    for age, key in enumerate(["last", "before", "old"]):
        Checkpoints(tmp_path / key).save(HISTORY[:1], TIMINGS[:1], state=arrays(1.0, 1000), best=arrays(1.0))
        os.utime(tmp_path / key, (1e9 - age, 1e9 - age))
    with open_checkpoints(tmp_path, "old") as own:
        assert own.load() is not None
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"last", "before", "old"}
    os.utime(tmp_path / "old", (1e9 - 2, 1e9 - 2))
    with open_checkpoints(tmp_path, "new"):
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"last", "before", "new"}


def test_what_a_kill_left_half_written_is_swept(tmp_path):
    (tmp_path / "key").mkdir()
    (tmp_path / "key" / ".part-1-0-state-000001.arrays").write_bytes(b"half")
    with open_checkpoints(tmp_path, "key") as checkpoints:
        assert list(checkpoints.folder.iterdir()) == []


def test_the_history_comes_back_to_the_last_bit(kept):
    body = json.loads(json.loads((kept.folder / "state.json").read_text())["body"])
    assert body["history"][0]["train_loss"] == 1 / 3
