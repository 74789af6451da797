import contextlib
import multiprocessing
import os
import re
import signal
import sqlite3
import tracemalloc

import numpy as np
import pytest

from pixmill.core.cache import Cache
from pixmill.core.errors import PixmillError
from pixmill.core.params import BackboneParams
from pixmill.images.parts import Shards
from pixmill.learn.features import _extract, extract_features, open_store
from tests.disk import limit_file_size
from tests.images.packed import pack_images
from tests.learn.conftest import THREADS, some_ids, some_pixels

PARAMS = BackboneParams()
SIDE = 32


def see(pixels, ids, scratch, params=PARAMS):
    return extract_features(pixels, ids, params, scratch=scratch, threads=THREADS)


@pytest.fixture
def nothing_is_computed(monkeypatch):
    def forbid():
        def load(*_, **__):
            raise AssertionError("a backbone was loaded")

        monkeypatch.setattr("pixmill.learn.features.load_litert", load)

    return forbid


def test_a_grown_data_set_in_another_order_has_the_same_bytes(tmp_path) -> None:
    pixels, ids = some_pixels(50), some_ids(50)
    whole = see(pixels, ids, tmp_path / "whole")
    assert whole.shape == (50, 1280)
    assert whole.dtype == np.float32
    assert np.unique(whole, axis=0).shape == whole.shape
    few = np.array([40, 3, 17])
    np.testing.assert_array_equal(see(pixels[few], [ids[row] for row in few], tmp_path / "grown"), whole[few])
    order = np.random.default_rng(7).permutation(50)
    grown = see(Shards([pixels[order][:20], pixels[order][20:]]), [ids[row] for row in order], tmp_path / "grown")
    np.testing.assert_array_equal(grown, whole[order])


def test_workers_that_read_packed_files_give_the_bytes_of_this_process(tmp_path) -> None:
    pixels, ids = some_pixels(80), some_ids(80)
    by_workers = see(Shards([pack_images(tmp_path / "split", "train", pixels)]), ids, tmp_path / "workers")
    few = [see(pixels[start : start + 20], ids[start : start + 20], tmp_path / "here") for start in range(0, 80, 20)]
    np.testing.assert_array_equal(by_workers, np.concatenate(few))


def test_a_killed_worker_ends_the_pass_which_then_goes_on(tmp_path, monkeypatch) -> None:
    pixels, ids = some_pixels(300), some_ids(300)
    monkeypatch.setattr("pixmill.learn.features._CHUNK", 32)
    write = Cache.write

    def kill_after(cache, contents):
        write(cache, contents)
        for process in multiprocessing.active_children():
            process.kill()

    with monkeypatch.context() as patched, pytest.raises(PixmillError, match="a worker process died in"):
        patched.setattr(Cache, "write", kill_after)
        see(pixels, ids, tmp_path)
    assert rows_in(tmp_path) in range(32, 300, 32)
    np.testing.assert_array_equal(see(pixels, ids, tmp_path), see(pixels, ids, tmp_path / "undisturbed"))


def test_what_is_known_is_not_computed_again(tmp_path, nothing_is_computed) -> None:
    pixels, ids = some_pixels(5), some_ids(5)
    first = see(pixels, ids, tmp_path)
    nothing_is_computed()
    np.testing.assert_array_equal(see(pixels, ids, tmp_path), first)
    np.testing.assert_array_equal(see(pixels[3:], ids[3:], tmp_path), first[3:])
    # The same id with other pixels, other pixels under the same params, and another backbone are not known.
    with pytest.raises(AssertionError):
        see(255 - pixels, ids, tmp_path)
    with pytest.raises(AssertionError):
        see(pixels, some_ids(5, "other"), tmp_path)
    with pytest.raises(AssertionError):
        see(pixels, ids, tmp_path, BackboneParams(image_size=64))


def test_they_are_what_the_network_says(lite0, tmp_path) -> None:
    pixels = some_pixels(3, 64)
    found = see(pixels, some_ids(3), tmp_path)
    np.testing.assert_allclose(found, lite0.predict_on_batch(pixels.astype(np.float32)), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_backbone_that_cannot_be_converted_runs_in_tensorflow(threads, tmp_path, monkeypatch, capsys) -> None:
    pixels, ids = some_pixels(40), some_ids(40)
    by_litert = see(pixels, ids, tmp_path / "converted")
    monkeypatch.setattr("pixmill.learn.litert_export.TOLERANCE", -1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    found = extract_features(pixels, ids, PARAMS, scratch=tmp_path / "other", threads=threads)
    assert "inference needs TensorFlow (ValueError: its outputs differ from Keras')" in capsys.readouterr().err
    np.testing.assert_allclose(found, by_litert, rtol=0, atol=1e-4)
    assert [path.suffix for path in (tmp_path / "other").iterdir()] == [".sqlite"]


@pytest.mark.slow
def test_a_scratch_that_cannot_be_used_stops_nothing(tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    pixels, ids = some_pixels(2), some_ids(2)
    found = see(pixels, ids, tmp_path / "taken")
    assert "is not used in this run: " in capsys.readouterr().err
    np.testing.assert_array_equal(found, see(pixels, ids, tmp_path / "scratch"))


def extracted(count, scratch, width=1280):
    """Return features that are no more than each image's number."""
    names = np.array([number.to_bytes(32, "big") for number in range(count)], "V32")
    compute = (np.full(width, row, np.float32) for row in range(count))
    return _extract(names, open_store(scratch / "key.sqlite"), lambda _: compute, scratch)


def test_features_above_a_size_lie_in_a_file_without_a_name(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pixmill.learn.features._IN_MEMORY", 2**20)
    tracemalloc.start()
    for _ in "computed", "cached":
        features = extracted(6000, tmp_path)
        assert (features == np.arange(6000)[:, None]).all()
        assert {path.suffix for path in tmp_path.iterdir()} == {".sqlite"}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # They are 31 MB, of which 512 images are in memory at a time.
    assert peak < 15e6


@pytest.mark.linux
def test_features_without_room_on_the_disk_are_an_error_that_names_the_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pixmill.learn.features._IN_MEMORY", 0)
    with limit_file_size(200_000), pytest.raises(OSError, match=re.escape(str(tmp_path))):
        extracted(100, tmp_path)


def test_each_image_has_its_id(tmp_path) -> None:
    with pytest.raises(ValueError, match="one id per image"):
        see(some_pixels(2), some_ids(3), tmp_path)


@pytest.mark.parametrize(("most", "left"), [(3, {"key", "last", "new"}), (0, {"key", "new"})])
def test_the_stores_used_last_stay_where_all_are_too_large(tmp_path, monkeypatch, most: int, left: set[str]) -> None:
    ages = {"old": 1e9 - 1, "last": 1e9, "key": None, "new": None}
    for key, used in ages.items():
        with open_store(tmp_path / f"{key}.sqlite") as store:
            if key == "new":
                monkeypatch.setattr(
                    "pixmill.learn.features._MOST_BYTES", most * (tmp_path / "key.sqlite").stat().st_size
                )
            store.write({b"name": b"features"})
        if used:
            os.utime(tmp_path / f"{key}.sqlite", (used, used))
    assert {path.stem for path in tmp_path.iterdir()} == left


SCRIPT = """
import sys
from pathlib import Path

import pixmill.learn.features as module
from pixmill.learn.features import extract_features
from pixmill.core.params import BackboneParams
from tests.learn.conftest import THREADS, some_ids, some_pixels

module._CHUNK = 32
write = module.Cache.write

def write_and_tell(store, entries):
    write(store, entries)
    print("kept", flush=True)

module.Cache.write = write_and_tell
extract_features(some_pixels(5000), some_ids(5000), BackboneParams(), scratch=Path(sys.argv[1]), threads=THREADS)
"""


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(tmp_path, start, repository, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'src'}:{repository}")
    process, said = start(SCRIPT, str(tmp_path))
    assert said == "kept"
    process.send_signal(signal.SIGKILL)
    process.wait()
    count = rows_in(tmp_path)
    assert count in range(32, 5000, 32)
    pixels, ids = some_pixels(5000)[: count + 8], some_ids(count + 8)
    features = see(pixels, ids, tmp_path)
    assert rows_in(tmp_path) == count + 8
    np.testing.assert_array_equal(features, see(pixels, ids, tmp_path / "undisturbed"))


def rows_in(folder):
    (path,) = folder.glob("*.sqlite")
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT count(*) FROM cache").fetchone()[0]
