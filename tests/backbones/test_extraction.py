import signal

import numpy as np
import pytest

from pixmill.backbones import features
from pixmill.params import BackboneParams
from pixmill.parts import Shards
from tests.backbones.conftest import THREADS, some_ids, some_pixels

PARAMS = BackboneParams()
SIDE = 32


def see(pixels, ids, scratch, params=PARAMS):
    return features(pixels, ids, params, scratch=scratch, threads=THREADS)


@pytest.fixture
def nothing_is_computed(monkeypatch):
    def forbid():
        def build(*_, **__):
            raise AssertionError("a backbone was built")

        monkeypatch.setattr("pixmill.backbones.extraction.build_backbone", build)

    return forbid


def test_a_grown_data_set_in_another_order_has_the_same_bytes(threads, tmp_path, monkeypatch) -> None:
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


def test_what_is_known_is_not_computed_again(threads, tmp_path, nothing_is_computed) -> None:
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
    np.testing.assert_allclose(found, lite0.predict_on_batch(pixels.astype(np.float32)), rtol=0, atol=1e-5)


def test_many_features_lie_in_a_file_that_ends_with_them(threads, tmp_path, monkeypatch) -> None:
    pixels, ids = some_pixels(5), some_ids(5)
    small = see(pixels, ids, tmp_path / "scratch")
    monkeypatch.setattr("pixmill.backbones.extraction._IN_MEMORY", 1000)
    large = see(pixels, ids, tmp_path / "scratch")
    assert isinstance(large, np.memmap)
    np.testing.assert_array_equal(large, small)
    assert {path.suffix for path in (tmp_path / "scratch").iterdir()} == {".bin", ".lock"}


def test_a_scratch_that_cannot_be_used_stops_nothing(threads, tmp_path, capsys) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    pixels, ids = some_pixels(2), some_ids(2)
    found = see(pixels, ids, tmp_path / "taken")
    assert "features cannot be kept" in capsys.readouterr().err
    np.testing.assert_array_equal(found, see(pixels, ids, tmp_path / "scratch"))


def test_many_features_that_find_no_room_on_the_disk_say_that_memory_holds_them(
    threads, tmp_path, monkeypatch, capsys
) -> None:
    (tmp_path / "taken").write_text("a file where the folder would be")
    monkeypatch.setattr("pixmill.backbones.extraction._IN_MEMORY", 1000)
    assert not isinstance(see(some_pixels(2), some_ids(2), tmp_path / "taken"), np.memmap)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "of memory" in line]
    assert line.startswith(f"features take 0 MB of memory, since no file in {tmp_path / 'taken'} can hold them: ")


def test_each_picture_has_its_id(tmp_path, threads) -> None:
    with pytest.raises(ValueError, match="one id a picture"):
        see(some_pixels(2), some_ids(3), tmp_path)


SCRIPT = """
import sys
from pathlib import Path

import pixmill.backbones.extraction as module
from pixmill.backbones import features
from pixmill.params import BackboneParams
from tests.backbones.conftest import THREADS, some_ids, some_pixels

module._FILE = 32
write = module.Store.write

def write_and_tell(store, names, rows):
    write(store, names, rows)
    print("kept", flush=True)

module.Store.write = write_and_tell
features(some_pixels(5000), some_ids(5000), BackboneParams(), scratch=Path(sys.argv[1]), threads=THREADS)
"""


@pytest.mark.slow
def test_a_killed_pass_goes_on_where_it_was(threads, tmp_path, start, repository, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{repository / 'src'}:{repository}")
    process, said = start(SCRIPT, str(tmp_path))
    assert said == "kept"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (first, *_) = kept = sorted(path.name for path in tmp_path.glob("*.bin"))
    count = 32 * len(kept)
    pixels, ids = some_pixels(5000)[: count + 8], some_ids(count + 8)
    found = see(pixels, ids, tmp_path)
    assert (tmp_path / first).exists()
    assert len(list(tmp_path.glob("*.bin"))) == len(kept) + 1
    np.testing.assert_array_equal(found, see(pixels, ids, tmp_path / "undisturbed"))
