"""Parts are read as they are asked for, in the order that is asked for; what is not whole is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.errors import ManifestError
from pixmill.manifest import SPLIT, read_table, write_table
from pixmill.parts import load_parts
from tests.evaluate.conftest import LABELS, PICTURES, SIDE, write_split
from tests.parts.conftest import write_shards


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """The folder ``artifacts/split``."""
    return write_split(tmp_path / "artifacts" / "split")


def load(packed, labels=LABELS):
    return load_parts(packed, labels, side=SIDE)


def rewritten(packed, change):
    path = packed / "manifest.parquet"
    write_table(path, change(read_table(path, SPLIT, stage="split")), SPLIT)


def test_row_i_of_the_table_is_picture_i_of_the_array(packed):
    parts = load(packed)
    assert {name: len(part) for name, part in parts.items()} == PICTURES
    assert all(len(part.pixels) == len(part) for part in parts.values())
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split").set_index("id")
    assert list(manifest.loc[parts["val"].rows["id"], "row"]) == list(range(PICTURES["val"]))


def test_targets_are_places_among_the_labels(packed):
    train = load(packed)["train"]
    assert train.targets.dtype == np.int32
    assert [LABELS[target] for target in train.targets] == train.rows["label"].tolist()
    assert load(packed, ("light", "dark"))["train"].targets.tolist() == (1 - train.targets).tolist()


def test_only_the_parts_that_are_asked_for_are_looked_at(packed):
    (packed / "test.json").unlink()
    assert list(load_parts(packed, LABELS, side=SIDE, names=("train", "val"))) == ["train", "val"]


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


def test_dropped_pictures_are_in_no_part(packed):
    first = read_table(packed / "manifest.parquet", SPLIT, stage="split").iloc[[0]]
    dropped = first.assign(id="0" * 64, label=pd.NA, split=pd.NA, row=pd.NA)
    rewritten(packed, lambda manifest: pd.concat([dropped, manifest], ignore_index=True))
    assert sum(len(part) for part in load(packed).values()) == sum(PICTURES.values())


def test_a_class_that_is_not_among_the_labels_is_named(packed):
    with pytest.raises(ManifestError, match="has pictures of light; expected dark, grey"):
        load(packed, ("dark", "grey"))


def test_an_array_of_another_length_is_told(packed):
    write_shards(packed, "test", np.zeros((7, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(ManifestError, match=r"test\.json tells of 7 pictures, and the manifest beside it lists 8 for"):
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


def test_pictures_of_another_size_are_told(tmp_path):
    with pytest.raises(ManifestError, match="pictures of 16 x 16 pixels; expected 8 x 8"):
        load(write_split(tmp_path, side=16))


def test_an_empty_part_is_told(packed):
    rewritten(packed, lambda manifest: manifest.assign(split=manifest["split"].replace("val", "test")))
    with pytest.raises(ManifestError, match="has no picture in val"):
        load(packed)
