import numpy as np
import pandas as pd
import pytest

from pixmill.errors import ManifestError
from pixmill.evaluate.parts import load_parts
from pixmill.manifest import SPLIT, read_table, write_table
from tests.evaluate.conftest import LABELS, PICTURES, SIDE, write_split


def rewritten(packed, change):
    path = packed / "manifest.parquet"
    write_table(path, change(read_table(path, SPLIT, stage="split")), SPLIT)


def test_row_i_of_the_table_is_picture_i_of_the_array(packed):
    parts = {part.name: part for part in load_parts(packed, LABELS, SIDE)}
    assert {name: len(part.rows) for name, part in parts.items()} == PICTURES
    assert all(len(part.pixels) == len(part.rows) for part in parts.values())
    manifest = read_table(packed / "manifest.parquet", SPLIT, stage="split").set_index("id")
    assert list(manifest.loc[parts["val"].rows["id"], "row"]) == list(range(PICTURES["val"]))


def test_the_pixels_are_mapped_not_read(packed):
    assert all(isinstance(part.pixels, np.memmap) for part in load_parts(packed, LABELS, SIDE))


def test_dropped_pictures_are_in_no_part(packed):
    first = read_table(packed / "manifest.parquet", SPLIT, stage="split").iloc[[0]]
    dropped = first.assign(id="0" * 64, label=pd.NA, split=pd.NA, row=pd.NA)
    rewritten(packed, lambda manifest: pd.concat([dropped, manifest], ignore_index=True))
    assert sum(len(part.rows) for part in load_parts(packed, LABELS, SIDE)) == sum(PICTURES.values())


def test_a_class_that_the_model_does_not_know_is_named(packed):
    with pytest.raises(ManifestError, match="has pictures of light, but the model was trained on dark, grey") as error:
        load_parts(packed, ("dark", "grey"), SIDE)
    assert error.value.next == "dvc repro train"


def test_an_array_of_another_length_is_told(packed):
    np.save(packed / "test.npy", np.zeros((7, SIDE, SIDE, 3), np.uint8))
    with pytest.raises(ManifestError, match=r"test\.npy holds 7 pictures, and the manifest beside it lists 8 for test"):
        load_parts(packed, LABELS, SIDE)


def test_rows_that_are_not_numbered_from_0_are_told(packed):
    rewritten(packed, lambda manifest: manifest.assign(row=manifest["row"] + 1))
    with pytest.raises(ManifestError, match="expected one row each, numbered from 0"):
        load_parts(packed, LABELS, SIDE)


def test_pictures_of_another_size_than_the_model_takes_are_told(tmp_path):
    with pytest.raises(ManifestError, match="pictures of 16 x 16 pixels, but the model was trained on 8 x 8") as error:
        load_parts(write_split(tmp_path, side=16), LABELS, SIDE)
    assert error.value.next == "dvc repro train"


def test_an_empty_part_is_told(packed):
    rewritten(packed, lambda manifest: manifest.assign(split=manifest["split"].replace("val", "test")))
    with pytest.raises(ManifestError, match="has no picture in val"):
        load_parts(packed, LABELS, SIDE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is missing"),
        (b"", "is not an array"),
        (b"<html>", "is not an array"),
        (np.zeros((8, SIDE, SIDE, 3), np.float32), "received float32"),
        (np.zeros((8, SIDE, 9, 3), np.uint8), r"received uint8 of shape \(8, 8, 9, 3\)"),
        (np.zeros((8, SIDE), np.uint8), r"received uint8 of shape \(8, 8\)"),
    ],
    ids=["missing", "empty", "text", "type", "not square", "no pictures"],
)
def test_what_is_no_array_of_pictures_is_told(packed, content, message):
    path = packed / "test.npy"
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    with pytest.raises(ManifestError, match=message) as error:
        load_parts(packed, LABELS, SIDE)
    assert str(path) in error.value.message
    assert error.value.next in ("dvc repro split", "dvc repro -f split")


def test_an_array_that_was_cut_short_is_told(packed):
    path = packed / "test.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ManifestError, match="is not an array"):
        load_parts(packed, LABELS, SIDE)
