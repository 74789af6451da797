import contextlib
import os
import resource
import signal
import sqlite3

import numpy as np
import pytest

from pixmill.core.params import BackboneParams
from pixmill.images.parts import Shards
from pixmill.learn import extract_features
from pixmill.learn.features import FeatureStore
from tests.learn.conftest import THREADS, some_ids, some_pixels

PARAMS = BackboneParams()
SIDE = 32


@pytest.fixture
def see(converted):
    def see(pixels, ids, scratch, params=PARAMS):
        if not scratch.is_file():
            converted(scratch, pixels.shape[1], params)
        return extract_features(pixels, ids, params, scratch=scratch, threads=THREADS)

    return see


@pytest.fixture
def nothing_is_computed(monkeypatch):
    def forbid():
        def load(*_, **__):
            raise AssertionError("a backbone was loaded")

        monkeypatch.setattr("pixmill.learn.features.load_litert", load)

    return forbid


def test_a_grown_data_set_in_another_order_has_the_same_bytes(see, tmp_path) -> None:
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


def test_what_is_known_is_not_computed_again(see, tmp_path, nothing_is_computed) -> None:
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


def test_they_are_what_the_network_says(lite0, see, tmp_path) -> None:
    pixels = some_pixels(3, 64)
    found = see(pixels, some_ids(3), tmp_path)
    np.testing.assert_allclose(found, lite0.predict_on_batch(pixels.astype(np.float32)), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_a_backbone_that_cannot_be_converted_runs_in_tensorflow(see, threads, tmp_path, monkeypatch, capsys) -> None:
    pixels, ids = some_pixels(40), some_ids(40)
    by_litert = see(pixels, ids, tmp_path / "converted")
    monkeypatch.setattr("pixmill.learn.export.TOLERANCE", -1.0)
    found = extract_features(pixels, ids, PARAMS, scratch=tmp_path / "other", threads=threads)
    assert "inference needs TensorFlow (ValueError: its outputs differ from Keras')" in capsys.readouterr().err
    np.testing.assert_allclose(found, by_litert, rtol=0, atol=1e-4)
    assert [path.suffix for path in (tmp_path / "other").iterdir()] == [".sqlite"]


@pytest.mark.slow
def test_a_scratch_that_cannot_be_used_stops_nothing(see, tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    pixels, ids = some_pixels(2), some_ids(2)
    found = see(pixels, ids, tmp_path / "taken")
    assert "features cannot be cached in " in capsys.readouterr().err
    np.testing.assert_array_equal(found, see(pixels, ids, tmp_path / "scratch"))


def test_each_image_has_its_id(see, tmp_path) -> None:
    with pytest.raises(ValueError, match="one id per image"):
        see(some_pixels(2), some_ids(3), tmp_path)


def names_of(*numbers):
    return [bytes([number]) * 32 for number in numbers]


def rows_of(*numbers, width=4):
    return np.array([[number + column / 10 for column in range(width)] for number in numbers], np.float32)


@pytest.fixture
def store(tmp_path):
    store = FeatureStore(tmp_path / "key.sqlite")
    store.write(names_of(1, 2), rows_of(1, 2))
    yield store
    store.close()


def test_rows_are_read_by_name_also_by_another_process(store, tmp_path) -> None:
    with contextlib.closing(FeatureStore(tmp_path / "key.sqlite")) as other:
        other.write(names_of(2, 3), rows_of(2, 3))
    rows = store.read(names_of(3, 4, 1))
    assert list(rows) == names_of(1, 3)
    np.testing.assert_array_equal(np.stack(list(rows.values())), rows_of(1, 3))


def test_a_store_of_another_key_knows_nothing_of_it(store, tmp_path) -> None:
    with contextlib.closing(FeatureStore(tmp_path / "other.sqlite")) as other:
        assert other.read(names_of(1)) == {}


def test_a_damaged_store_is_announced_and_not_used(tmp_path, capsys) -> None:
    (tmp_path / "key.sqlite").write_bytes(b"no database" * 100)
    store = FeatureStore(tmp_path / "key.sqlite")
    assert store.read(names_of(1)) == {}
    store.write(names_of(1), rows_of(1))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("key.sqlite: file is not a database; delete the file if this happens again")
    store.close()


@pytest.mark.linux
def test_a_full_disk_costs_what_does_not_fit_and_no_more(store, tmp_path, capsys) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        for _ in range(2):
            store.write(names_of(*range(3, 40)), rows_of(*range(3, 40), width=400))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("features cannot be cached in ")
    with contextlib.closing(FeatureStore(tmp_path / "key.sqlite")) as again:
        assert list(again.read(names_of(*range(40)))) == names_of(1, 2)


def test_the_stores_used_last_stay_where_all_are_too_large(store, tmp_path, monkeypatch) -> None:
    for age, key in enumerate(["last", "old"]):
        with contextlib.closing(FeatureStore(tmp_path / f"{key}.sqlite")) as other:
            other.write(names_of(1), rows_of(1))
        os.utime(tmp_path / f"{key}.sqlite", (1e9 - age, 1e9 - age))
    monkeypatch.setattr("pixmill.learn.features._MOST_BYTES", 3 * (tmp_path / "key.sqlite").stat().st_size)
    with contextlib.closing(FeatureStore(tmp_path / "new.sqlite")) as new:
        new.write(names_of(1), rows_of(1))
    assert {path.name for path in tmp_path.iterdir()} == {"key.sqlite", "last.sqlite", "new.sqlite"}


SCRIPT = """
import sys
from pathlib import Path

import pixmill.learn.features as module
from pixmill.learn import extract_features
from pixmill.core.params import BackboneParams
from tests.learn.conftest import THREADS, some_ids, some_pixels

module._CHUNK = 32
write = module.FeatureStore.write

def write_and_tell(store, names, rows):
    write(store, names, rows)
    print("kept", flush=True)

module.FeatureStore.write = write_and_tell
extract_features(some_pixels(5000), some_ids(5000), BackboneParams(), scratch=Path(sys.argv[1]), threads=THREADS)
"""


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(see, converted, tmp_path, start, repository, monkeypatch) -> None:
    converted(tmp_path, SIDE)
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
        return database.execute("SELECT count(*) FROM features").fetchone()[0]
