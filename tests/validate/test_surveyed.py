"""Records become columns, in their order, with little memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixmill.validate import surveyed
from pixmill.validate.measures import Failure, Measures
from pixmill.validate.record import pack
from pixmill.validate.surveyed import gather

ONE = Measures(
    width=40,
    height=30,
    format="jpeg",
    mode="RGB",
    pixels="0a" * 32,
    phash=0x0123456789ABCDEF,
    brightness=100.5,
    contrast=20.25,
    sharpness=300.0,
    entropy=7.5,
    border=0.25,
    grey=bytes(range(256)) * 4,
)


def test_columns_hold_what_was_found() -> None:
    found = gather([pack(ONE), pack(Failure("truncated"))], 2)
    assert found.table.iloc[0].drop("failure").to_dict() == {
        "width": 40,
        "height": 30,
        "short_side": 30,
        "aspect_ratio": np.float32(4 / 3),
        "brightness": 100.5,
        "contrast": 20.25,
        "sharpness": 300.0,
        "entropy": 7.5,
        "border": 0.25,
        "format": "jpeg",
        "mode": "RGB",
        "pixels": "0a" * 32,
        "phash": "0123456789abcdef",
    }
    assert found.table["failure"].isna().tolist() == [True, False]
    assert found.table.iloc[1].drop("failure").isna().all()
    assert found.table["failure"][1] == "truncated"
    assert found.hashes.tolist() == [ONE.phash, 0]
    assert found.greys[0].tobytes() == ONE.grey
    assert not found.greys[1].any()


def test_nothing_makes_an_empty_table_of_the_same_kinds() -> None:
    none, one = gather([], 0), gather([pack(ONE)], 1)
    assert len(none.table) == len(none.hashes) == len(none.greys) == 0
    pd.testing.assert_series_equal(none.table.dtypes, one.table.dtypes)


@pytest.mark.parametrize("count", [1, 3])
def test_as_many_must_come_as_were_announced(count: int) -> None:
    with pytest.raises(ValueError, match=f"expected {count} records"):
        gather([pack(ONE)] * 2, count)


def test_greys_of_many_lie_in_a_file_that_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [pack(ONE), pack(Failure("empty"))] * 600
    in_memory = gather(records, 1200, tmp_path)
    monkeypatch.setattr(surveyed, "_IN_MEMORY", 1000)
    in_file = gather(records, 1200, tmp_path)
    assert isinstance(in_file.greys, np.memmap)
    assert not isinstance(in_memory.greys, np.memmap)
    assert np.array_equal(in_file.greys, in_memory.greys)
    pd.testing.assert_frame_equal(in_file.table, in_memory.table)
    assert list(tmp_path.iterdir()) == []
