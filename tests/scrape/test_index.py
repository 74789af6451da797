import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.scrape import index
from pixmill.scrape.index import Index

KEYS = st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
PLACES = st.integers(0, 2**48)


@given(st.lists(st.tuples(KEYS, PLACES)), st.integers(1, 5), st.data())
def test_it_is_a_dictionary_that_needs_less(entries, fresh, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "_FRESH", fresh)
        expected, found = {}, Index()
        for key, place in entries:
            expected[key] = place
            found.put(key, place)
            asked = data.draw(KEYS)
            assert found.get(asked) == expected.get(asked)
        assert {key: found.get(key) for key in expected} == expected
        assert len(found) == len(expected)


def test_filling_is_putting_in_order():
    filled = Index()
    filled.fill([(1, 10), (2, 20), (1, 30)])
    assert [filled.get(key) for key in (1, 2, 3)] == [30, 20, None]


def test_a_record_needs_sixteen_bytes():
    count = 4 * index._FRESH
    tracemalloc.start()
    try:
        filled = Index()
        filled.fill((key * 2**40, key) for key in range(count))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert filled.get(7 * 2**40) == 7
    assert held < 17 * count + 100_000
