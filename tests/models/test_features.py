"""Features: cached, computed in workers, and resumed after a kill."""

import contextlib
import signal
import sqlite3
import tracemalloc
from functools import partial

import numpy as np
import pytest

from pixmill.core.params import BackboneParams
from pixmill.images.parts import Shards
from pixmill.models.features import _extract, extract_features, open_store
from pixmill.models.litert import NETWORK, load_litert
from tests.images.packed import pack_images
from tests.models.conftest import THREADS, some_ids, some_pixels

SIDE = 24


def extract_with(network, pixels, ids, scratch):
    return extract_features(
        pixels, ids, BackboneParams(), scratch=scratch, threads=THREADS, file=network
    )


@pytest.fixture
def extract(trained_folder):
    """A function that extracts features with a tiny network as backbone."""
    return partial(extract_with, trained_folder / NETWORK)


def test_workers_compute_the_same_bytes_as_this_process(extract, tmp_path) -> None:
    pixels = some_pixels(80, SIDE)
    ids = some_ids(80)
    by_workers = extract(
        Shards([pack_images(tmp_path / "split", "train", pixels)]), ids, tmp_path / "workers"
    )
    few = [
        extract(pixels[start : start + 20], ids[start : start + 20], tmp_path / "here")
        for start in range(0, 80, 20)
    ]
    np.testing.assert_array_equal(by_workers, np.concatenate(few))


def test_cached_features_are_not_computed_again(
    extract, trained_folder, tmp_path, monkeypatch
) -> None:
    def load(*_, **__):
        raise AssertionError("a backbone was loaded")

    pixels = some_pixels(5, SIDE)
    ids = some_ids(5)
    first = extract(pixels, ids, tmp_path)
    assert first.tobytes() == load_litert(trained_folder / NETWORK)(pixels).tobytes()
    monkeypatch.setattr("pixmill.models.features.load_litert", load)
    np.testing.assert_array_equal(extract(pixels, ids, tmp_path), first)
    np.testing.assert_array_equal(extract(pixels[3:], ids[3:], tmp_path), first[3:])
    # Other pixels, another id and another network are not cached.
    (tmp_path / "other.tflite").write_bytes((trained_folder / NETWORK).read_bytes() + b"!")
    with pytest.raises(AssertionError):
        extract(255 - pixels, ids, tmp_path)
    with pytest.raises(AssertionError):
        extract(pixels, some_ids(5, "other"), tmp_path)
    with pytest.raises(AssertionError):
        extract_with(tmp_path / "other.tflite", pixels, ids, tmp_path)


def extracted(count, scratch, width=1280):
    """Return features that equal the number of each image."""
    names = np.array([number.to_bytes(32, "big") for number in range(count)], "V32")
    compute = (np.full(width, row, np.float32) for row in range(count))
    return _extract(names, open_store(scratch / "key.sqlite"), lambda _: compute, scratch)


def test_large_features_are_in_an_unnamed_file(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pixmill.models.features._MAX_MEMORY_BYTES", 2**20)
    tracemalloc.start()
    for _ in "computed", "cached":
        features = extracted(6000, tmp_path)
        assert (features == np.arange(6000)[:, None]).all()
        assert {path.suffix for path in tmp_path.iterdir()} == {".sqlite"}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The features are 31 MB; 512 images are in memory at a time.
    assert peak < 15e6


SCRIPT = """
import sys
from pathlib import Path

import pixmill.models.features as module
from pixmill.models.features import extract_features
from pixmill.core.params import BackboneParams
from tests.models.conftest import THREADS, some_ids, some_pixels

module._CHUNK_SIZE = 32
write = module.Cache.write

def write_and_report(store, entries):
    write(store, entries)
    print("written", flush=True)

module.Cache.write = write_and_report
extract_features(
    some_pixels(5000, 24),
    some_ids(5000),
    BackboneParams(),
    scratch=Path(sys.argv[1]),
    threads=THREADS,
    file=Path(sys.argv[2]),
)
"""


@pytest.mark.slow
def test_killed_pass_resumes(
    extract, trained_folder, tmp_path, start, repository, monkeypatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'src'}:{repository}")
    process, line = start(SCRIPT, str(tmp_path), str(trained_folder / NETWORK))
    assert line == "written"
    process.send_signal(signal.SIGKILL)
    process.wait()
    count = rows_in(tmp_path)
    assert count in range(32, 5000, 32)
    pixels = some_pixels(5000, SIDE)[: count + 8]
    ids = some_ids(count + 8)
    features = extract(pixels, ids, tmp_path)
    assert rows_in(tmp_path) == count + 8
    np.testing.assert_array_equal(features, extract(pixels, ids, tmp_path / "undisturbed"))


def rows_in(folder):
    (path,) = folder.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM contents").fetchone()[0]
