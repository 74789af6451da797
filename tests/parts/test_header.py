"""A header tells of shards that are there and whole, and leads nowhere else."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.errors import ManifestError
from pixmill.parts.header import header_path, open_shards, plan_shards, shard_path
from tests.parts.conftest import write_shards

PIXELS = np.random.default_rng(7).integers(0, 256, (7, 4, 4, 3), dtype=np.uint8)
SMALL, LARGE = 8 * 8 * 3, 1024 * 1024 * 3


@given(st.integers(0, 10_000_000), st.integers(SMALL, LARGE))
def test_shards_hold_all_and_are_few_and_large(count, row_bytes):
    rows = plan_shards(count, row_bytes)
    assert sum(rows) == count
    assert 0 not in rows
    assert rows == sorted(rows, reverse=True)
    assert len(rows) < 2 or all(200e6 - row_bytes <= shard * row_bytes <= 400e6 for shard in rows)


def test_fifty_thousand_pictures_of_the_default_size_are_one_file():
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
        {"shape": [7, 4, 5, 3]},
        {"shape": [7, 4, 4, 4]},
        {"shape": [8, 4, 4, 3]},
        {"shape": [0, 4, 4, 3], "shards": []},
        {"shards": []},
        {"shards": [{"file": "train/00000.bin", "rows": 7}, {"file": "train/00001.bin", "rows": 0}]},
        {"shards": [{"file": "train/00001.bin", "rows": 7}]},
        {"shards": [{"file": "../secret", "rows": 7}]},
        {"shards": [{"file": "/etc/passwd", "rows": 7}]},
        {"shards": [7]},
        {"shards": {}},
    ],
)
def test_a_header_that_is_not_ours_is_told(tmp_path, change):
    write_shards(tmp_path, "train", PIXELS)
    path = header_path(tmp_path, "train")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError, match="expected square RGB pictures of uint8") as caught:
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
    with pytest.raises(ManifestError, match=r"00001\.bin does not hold the 3 pictures of 48 bytes .* received 143"):
        open_shards(tmp_path, "train")
    path.unlink()
    with pytest.raises(ManifestError, match=r"00001\.bin is missing\nNext: dvc repro split"):
        open_shards(tmp_path, "train")
