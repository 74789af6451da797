"""The packed parts of a split, their headers and shards."""

import json
import mmap
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import ManifestError
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.images.parts import (
    Shards,
    header_path,
    load_parts,
    map_shard,
    open_shards,
    plan_shards,
    shard_path,
    write_header,
)
from tests.evaluate.conftest import IMAGES, LABELS, SIDE, write_split
from tests.images.packed import write_shards

PIXELS = np.random.default_rng(7).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
SMALL, LARGE = 8 * 8 * 3, 1024 * 1024 * 3


@given(st.integers(0, 10_000_000), st.integers(SMALL, LARGE))
def test_shards_hold_all_and_are_few_and_large(count, row_bytes):
    rows = plan_shards(count, row_bytes)
    assert sum(rows) == count
    assert 0 not in rows
    assert rows == sorted(rows, reverse=True)
    assert len(rows) < 2 or all(200e6 - row_bytes <= shard * row_bytes <= 400e6 for shard in rows)


def test_fifty_thousand_images_of_the_default_size_are_one_file():
    assert plan_shards(50_000, 56 * 56 * 3) == [50_000]
    assert len(plan_shards(60_000, 56 * 56 * 3)) == 2


def test_what_was_written_is_opened(tmp_path):
    write_shards(tmp_path, "train", PIXELS, rows=[3, 3, 1])
    assert json.loads(header_path(tmp_path, "train").read_text()) == {
        "dtype": "uint8",
        "shape": [7, 4, 4, 3],
        "shards": [{"file": f"train/0000{number}.bin", "rows": rows} for number, rows in enumerate([3, 3, 1])],
    }
    np.testing.assert_array_equal(np.asarray(open_shards(tmp_path, "train")), PIXELS)


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "float32"},
        {"shape": [7, 4, 4, 4]},
        {"shape": [0, 4, 4, 3], "shards": []},
        {"shards": [{"file": "train/00000.bin", "rows": 7}, {"file": "train/00001.bin", "rows": 0}]},
        {"shards": [{"file": "../secret", "rows": 7}]},
        {"shards": [{"file": "/etc/passwd", "rows": 7}]},
        {"shards": [7]},
    ],
)
def test_a_header_that_is_not_ours_is_told(tmp_path, change):
    write_shards(tmp_path, "train", PIXELS)
    path = header_path(tmp_path, "train")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError, match="expected square RGB images of uint8") as caught:
        open_shards(tmp_path, "train")
    assert str(path) in caught.value.message
    assert caught.value.next == "dvc repro -f split"


@pytest.mark.parametrize(("text", "message"), [(None, "is missing"), ("", "not valid JSON"), ("[]", "expected square")])
def test_a_header_that_is_none_is_told(tmp_path, text, message):
    write_shards(tmp_path, "train", PIXELS)
    header_path(tmp_path, "train").unlink()
    if text is not None:
        header_path(tmp_path, "train").write_text(text)
    with pytest.raises(ManifestError, match=message):
        open_shards(tmp_path, "train")


def test_a_shard_that_is_missing_or_cut_is_named(tmp_path):
    write_shards(tmp_path, "train", PIXELS, rows=[4, 3])
    path = shard_path(tmp_path, "train", 1)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=r"00001\.bin does not contain the 3 images of 48 bytes .* received 143"):
        open_shards(tmp_path, "train")
    path.unlink()
    with pytest.raises(ManifestError, match=r"00001\.bin is missing\nNext: dvc repro split"):
        open_shards(tmp_path, "train")


COUNT = 12
WHOLE = np.random.default_rng(7).integers(0, 256, (COUNT, 4, 4, 3), dtype=np.uint8)
CUTS = st.lists(st.integers(0, COUNT), max_size=4).map(sorted)
NUMBERS = st.integers(-COUNT, COUNT - 1)
KEYS = st.one_of(
    NUMBERS,
    st.slices(COUNT),
    st.lists(NUMBERS, max_size=9).map(lambda rows: np.array(rows, np.int64)),
    st.lists(st.booleans(), min_size=COUNT, max_size=COUNT).map(np.array),
)


@given(CUTS, KEYS)
def test_any_key_gives_what_the_whole_array_gives(cuts, key):
    shards = Shards(np.split(WHOLE, cuts))
    np.testing.assert_array_equal(shards[key], WHOLE[key])
    assert shards[key].shape == WHOLE[key].shape
    assert shards[key].dtype == np.uint8


@given(CUTS)
def test_length_shape_type_and_the_whole_are_those_of_the_array(cuts):
    shards = Shards(np.split(WHOLE, cuts))
    assert (len(shards), shards.shape, shards.dtype) == (COUNT, WHOLE.shape, WHOLE.dtype)
    np.testing.assert_array_equal(np.asarray(shards), WHOLE)
    np.testing.assert_array_equal(np.asarray(shards, np.float32), WHOLE.astype(np.float32))


def test_an_image_is_found_in_its_file(tmp_path):
    (tmp_path / "train").mkdir()
    for number, rows in enumerate([WHOLE[:7], WHOLE[7:]]):
        shard_path(tmp_path, "train", number).write_bytes(rows.tobytes())
    write_header(tmp_path, "train", image_size=4, rows=[7, 5])
    every = Shards([Shards([WHOLE[:2]]), open_shards(tmp_path, "train")], rows=np.arange(COUNT + 2)[::-1])
    for row in range(COUNT):
        path, start = every.locate(row)
        assert path.read_bytes()[start : start + 48] == every[row].tobytes()
    assert every.locate(COUNT) is None


@pytest.mark.parametrize("key", [COUNT, -COUNT - 1, np.array([0, COUNT]), np.array([0.5]), (0, 0)])
def test_what_is_not_there_is_no_image(key):
    with pytest.raises(IndexError):
        Shards(np.split(WHOLE, [5]))[key]


def test_an_array_without_a_copy_is_refused_since_there_is_none():
    with pytest.raises(ValueError, match="without a copy"):
        np.array(Shards(np.split(WHOLE, [5])), copy=False)


def test_a_file_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "0.bin"
    WHOLE.tofile(path)
    pixels = map_shard(path, COUNT, 4)
    np.testing.assert_array_equal(pixels, WHOLE)
    assert not pixels.flags.writeable
    owner = pixels
    while not isinstance(owner, mmap.mmap):
        owner = owner.obj if isinstance(owner, memoryview) else owner.base


@pytest.mark.parametrize("size", [0, 47, 49])
def test_a_file_of_another_size_is_refused(tmp_path, size):
    path = tmp_path / "0.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ManifestError, match=f"expected 48 bytes, received {size}"):
        map_shard(path, 1, 4)


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """The folder ``artifacts/split``."""
    return write_split(tmp_path / "artifacts" / "split")


def load(packed, labels=LABELS):
    return load_parts(packed, labels, image_size=SIDE)


def rewritten(packed, change):
    path = packed / "manifest.parquet"
    write_table(path, change(read_table(path, SPLIT, stage="split")), SPLIT)


def test_row_i_of_the_table_is_image_i_of_the_array(packed):
    parts = load(packed)
    assert {name: len(part) for name, part in parts.items()} == IMAGES
    assert all(len(part.pixels) == len(part) for part in parts.values())
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split").set_index("id")
    assert list(manifest.loc[parts["val"].rows["id"], "row"]) == list(range(IMAGES["val"]))


def test_targets_are_places_among_the_labels(packed):
    train = load(packed)["train"]
    assert train.targets.dtype == np.int32
    assert [LABELS[target] for target in train.targets] == train.rows["label"].tolist()
    assert load(packed, ("light", "dark"))["train"].targets.tolist() == (1 - train.targets).tolist()


def test_only_the_parts_that_are_asked_for_are_looked_at(packed):
    (packed / "test.json").unlink()
    assert list(load_parts(packed, LABELS, image_size=SIDE, names=("train", "val"))) == ["train", "val"]


def test_batches_go_through_the_rows_in_the_order_given(packed):
    train = load(packed)["train"]
    order = np.random.default_rng(7).permutation(12)
    batches = list(train.batches(5, order))
    assert [len(targets) for _, targets in batches] == [5, 5, 2]
    pixels = np.concatenate([pixels for pixels, _ in batches])
    assert pixels.dtype == np.float32
    np.testing.assert_array_equal(pixels, train.pixels[order])
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in batches]), train.targets[order])


def test_without_an_order_rows_come_as_they_lie(packed):
    val = load(packed)["val"]
    np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in val.batches(4)]), val.pixels)


def test_several_shards_give_the_same_batches(packed):
    train = load(packed)["train"]
    order = np.random.default_rng(7).permutation(12)
    before = list(train.batches(5, order))
    write_shards(packed, "train", np.asarray(train.pixels), rows=[5, 4, 3])
    after = list(load(packed)["train"].batches(5, order))
    for (one, _), (other, _) in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_dropped_images_are_in_no_part(packed):
    first = read_table(packed / "manifest.parquet", SPLIT, stage="split").iloc[[0]]
    dropped = first.assign(id="0" * 64, label=pd.NA, split=pd.NA, row=pd.NA)
    rewritten(packed, lambda manifest: pd.concat([dropped, manifest], ignore_index=True))
    assert sum(len(part) for part in load(packed).values()) == sum(IMAGES.values())


def test_a_class_that_is_not_among_the_labels_is_named(packed):
    with pytest.raises(ManifestError, match="has images of unknown classes: light; expected dark, grey"):
        load(packed, ("dark", "grey"))


def test_an_array_of_another_length_is_told(packed):
    write_shards(packed, "test", np.zeros((7, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(ManifestError, match=r"test\.json lists 7 images, but the manifest beside it lists 8 for"):
        load(packed)


def test_rows_come_in_the_order_of_the_array_and_not_of_the_ids(packed):
    first = load(packed)["val"]
    rewritten(packed, lambda manifest: manifest.assign(row=manifest.groupby("split").cumcount(ascending=False)))
    second = load(packed)["val"]
    assert second.rows["id"].tolist() == first.rows["id"].tolist()[::-1]
    assert second.targets.tolist() == first.targets.tolist()[::-1]
    np.testing.assert_array_equal(np.asarray(second.pixels), np.asarray(first.pixels))


def test_rows_that_are_not_numbered_from_0_are_told(packed):
    rewritten(packed, lambda manifest: manifest.assign(row=manifest["row"] + 1))
    with pytest.raises(ManifestError, match="expected one row each, numbered from 0"):
        load(packed)


def test_images_of_another_size_are_told(tmp_path):
    with pytest.raises(ManifestError, match="images of 16 x 16 pixels; expected 8 x 8"):
        load(write_split(tmp_path, side=16))


def test_an_empty_part_is_told(packed):
    rewritten(packed, lambda manifest: manifest.assign(split=manifest["split"].replace("val", "test")))
    with pytest.raises(ManifestError, match="has no images in val"):
        load(packed)


@pytest.mark.linux
def test_mapped_pages_that_were_read_can_be_released(tmp_path):
    def resident():
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize()

    rows, side = 256, 256
    path = shard_path(tmp_path, "train", 0)
    path.parent.mkdir()
    pixels = np.random.default_rng(7).integers(0, 256, (rows, side, side, 3), dtype=np.uint8)
    pixels.tofile(path)
    write_header(tmp_path, "train", image_size=side, rows=[rows])
    shards = Shards([open_shards(tmp_path, "train"), pixels[:2]])
    np.testing.assert_array_equal(shards[:], np.concatenate([pixels, pixels[:2]]))
    before = resident()
    shards.release()
    assert resident() < before - pixels.nbytes / 2
    np.testing.assert_array_equal(shards[200], pixels[200])
