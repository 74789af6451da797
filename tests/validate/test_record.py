"""A record holds what was found, to the last bit that a table holds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.validate.measures import Failure, Measures
from pixmill.validate.reasons import UNREADABLE
from pixmill.validate.record import RECORD, failure, pack

levels = st.floats(0, 1e6, width=32)
found = st.builds(
    Measures,
    width=st.integers(1, 2**31 - 1),
    height=st.integers(1, 2**31 - 1),
    format=st.sampled_from(["jpeg", "avif"]),
    mode=st.sampled_from(["RGB", "I;16B", "YCbCr", "1"]),
    pixels=st.binary(min_size=32, max_size=32).map(bytes.hex),
    phash=st.integers(0, 2**64 - 1),
    brightness=levels,
    contrast=levels,
    sharpness=levels,
    entropy=levels,
    border=levels,
    grey=st.binary(min_size=1024, max_size=1024),
)


@given(found)
def test_every_measure_comes_back(measures: Measures) -> None:
    content = pack(measures)
    assert failure(content) == ""
    [record] = np.frombuffer(content, RECORD)
    for name in ("width", "height", "phash", "brightness", "contrast", "sharpness", "entropy", "border"):
        assert record[name] == getattr(measures, name)
    assert (record["format"].decode(), record["mode"].decode()) == (measures.format, measures.mode)
    assert record["pixels"].tobytes().hex() == measures.pixels
    assert record["grey"].tobytes() == measures.grey


@pytest.mark.parametrize("word", sorted(UNREADABLE))
def test_every_word_fits(word: str) -> None:
    content = pack(Failure(word))
    assert len(content) == RECORD.itemsize
    assert failure(content) == word


def test_a_word_is_never_cut_off() -> None:
    with pytest.raises(ValueError, match="at most 24 letters"):
        pack(Failure("a_reason_that_has_no_end_at_all"))
