"""Packed splits: files, indexing and rows."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.errors import ManifestError
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.images.compression import decompress
from pixmill.images.parts import Shards, header_path, images_path, load_parts, open_images
from tests.evaluate.conftest import IMAGES, LABELS, SIDE, write_split
from tests.images.packed import pack_images

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


@given(KEYS)
def test_packed_images_index_like_an_array(tmp_path_factory, key):
    images = pack_images(tmp_path_factory.mktemp("packed"), "train", WHOLE)
    assert (len(images), images.shape, images.dtype) == (COUNT, WHOLE.shape, WHOLE.dtype)
    np.testing.assert_array_equal(images[key], WHOLE[key])
    assert images[key].shape == WHOLE[key].shape


@given(CUTS, KEYS)
def test_shards_index_like_an_array(cuts, key):
    shards = Shards(np.split(WHOLE, cuts))
    assert (len(shards), shards.shape, shards.dtype) == (COUNT, WHOLE.shape, WHOLE.dtype)
    np.testing.assert_array_equal(shards[key], WHOLE[key])
    assert shards[key].shape == WHOLE[key].shape
    np.testing.assert_array_equal(np.asarray(shards, np.float32), WHOLE.astype(np.float32))


@pytest.mark.parametrize("key", [COUNT, -COUNT - 1, np.array([0, COUNT]), np.array([0.5]), (0, 0)])
def test_invalid_keys_raise_index_error(tmp_path, key):
    for images in (Shards(np.split(WHOLE, [5])), pack_images(tmp_path, "train", WHOLE)):
        with pytest.raises(IndexError):
            images[key]


def test_compressed_images_are_found_through_selections(tmp_path):
    packed = pack_images(tmp_path, "train", WHOLE)
    every = Shards([Shards([WHOLE[:2]]), Shards([packed])], rows=np.arange(COUNT + 2)[::-1])
    for row in range(COUNT):
        np.testing.assert_array_equal(decompress(every.compressed(row), 4), every[row])
    assert every.compressed(COUNT) is None


def _header(path, change):
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda folder: _header(header_path(folder, "train"), {"dtype": "float32"}),
            "expected RGB images of uint8",
        ),
        (
            lambda folder: _header(header_path(folder, "train"), {"compression": "lz4"}),
            "this version of Pixmill",
        ),
        (
            lambda folder: _header(header_path(folder, "train"), {"shape": [7, 4, 4, 3]}),
            "not contain the 7 images",
        ),
        (lambda folder: header_path(folder, "train").write_text(""), "not as it was written"),
        (lambda folder: images_path(folder, "train").unlink(), "is missing"),
        (lambda folder: images_path(folder, "train").write_bytes(b"cut"), "received 3"),
        (lambda folder: (folder / "train.ends").write_bytes(b"cut"), "received"),
        (lambda folder: images_path(folder, "train").write_bytes(b""), "empty"),
    ],
)
def test_damaged_files_are_reported_with_the_next_command(tmp_path, damage, message):
    pack_images(tmp_path, "train", WHOLE)
    damage(tmp_path)
    with pytest.raises(ManifestError, match=message) as caught:
        open_images(tmp_path, "train")
    assert caught.value.next.startswith("dvc repro")


def test_a_flipped_bit_of_the_ends_is_an_error(tmp_path):
    pack_images(tmp_path, "train", WHOLE)
    ends = (tmp_path / "train.ends").read_bytes()
    for bit in range(8 * len(ends)):
        damaged = bytearray(ends)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / "train.ends").write_bytes(damaged)
        with pytest.raises(ManifestError):
            open_images(tmp_path, "train")[:]


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """The folder ``artifacts/split``."""
    return write_split(tmp_path / "artifacts" / "split")


def load(packed, labels=LABELS):
    return load_parts(packed, labels, image_size=SIDE)


def rewritten(packed, change):
    path = packed / "manifest.parquet"
    write_table(path, change(read_table(path, SPLIT, stage="split")), SPLIT)


def test_rows_match_images(packed):
    parts = load(packed)
    assert {name: len(part) for name, part in parts.items()} == IMAGES
    assert all(len(part.pixels) == len(part) for part in parts.values())
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split").set_index("id")
    assert list(manifest.loc[parts["val"].rows["id"], "row"]) == list(range(IMAGES["val"]))


def test_targets_are_indices_of_labels(packed):
    train = load(packed)["train"]
    assert train.targets.dtype == np.int32
    assert [LABELS[target] for target in train.targets] == train.rows["label"].tolist()
    assert load(packed, ("light", "dark"))["train"].targets.tolist() == (1 - train.targets).tolist()


def test_only_requested_parts_are_read(packed):
    (packed / "test.json").unlink()
    assert list(load_parts(packed, LABELS, image_size=SIDE, names=("train", "val"))) == [
        "train",
        "val",
    ]


def test_dropped_images_are_in_no_part(packed):
    first = read_table(packed / "manifest.parquet", SPLIT, stage="split").iloc[[0]]
    dropped = first.assign(id="0" * 64, label=pd.NA, split=pd.NA, row=pd.NA)
    rewritten(packed, lambda manifest: pd.concat([dropped, manifest], ignore_index=True))
    assert sum(len(part) for part in load(packed).values()) == sum(IMAGES.values())


def test_unknown_class_is_reported(packed):
    with pytest.raises(
        ManifestError, match="has images of an unknown class: light; expected dark, grey"
    ):
        load(packed, ("dark", "grey"))


def test_different_number_of_images_is_reported(packed):
    pack_images(packed, "test", np.zeros((7, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(
        ManifestError, match=r"test\.json lists 7 images, but the manifest lists 8 for"
    ):
        load(packed)


def test_rows_are_ordered_by_image_not_by_id(packed):
    first = load(packed)["val"]
    rewritten(
        packed,
        lambda manifest: manifest.assign(row=manifest.groupby("split").cumcount(ascending=False)),
    )
    second = load(packed)["val"]
    assert second.rows["id"].tolist() == first.rows["id"].tolist()[::-1]
    assert second.targets.tolist() == first.targets.tolist()[::-1]
    np.testing.assert_array_equal(np.asarray(second.pixels), np.asarray(first.pixels))


def test_rows_not_numbered_from_0_are_reported(packed):
    rewritten(packed, lambda manifest: manifest.assign(row=manifest["row"] + 1))
    with pytest.raises(ManifestError, match="expected one row each, numbered from 0"):
        load(packed)


def test_different_image_size_is_reported(tmp_path):
    with pytest.raises(ManifestError, match="images of 16 x 16 pixels; expected 8 x 8"):
        load(write_split(tmp_path, side=16))


def test_empty_part_is_reported(packed):
    rewritten(
        packed, lambda manifest: manifest.assign(split=manifest["split"].replace("val", "test"))
    )
    with pytest.raises(ManifestError, match="has no images in val"):
        load(packed)
