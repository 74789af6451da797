"""Cells of several labels an image: text, matrix and merging."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.core.cells import (
    merge_cells,
    parse_cells,
    render_cells,
    to_indices,
    to_matrix,
    to_texts,
    yes_labels,
)
from pixmill.core.errors import ManifestError

CELLS = st.dictionaries(st.text(min_size=1, max_size=5), st.booleans(), max_size=6)


@given(st.lists(CELLS, min_size=1, max_size=5))
def test_text_and_matrix_hold_the_same_cells(images):
    texts = [render_cells(cells) for cells in images]
    assert [parse_cells(text) for text in texts] == images
    labels = sorted({label for cells in images for label in cells})
    assert to_texts(to_matrix(texts, labels), labels) == texts


def test_text_does_not_depend_on_the_order():
    assert render_cells({"b": True, "a": False}) == render_cells({"a": False, "b": True})


def test_missing_text_and_other_labels_are_unknown():
    found = to_matrix(['{"dark":false,"odd":true}', None], ["dark", "long"])
    assert found.tolist() == [[0, -1], [-1, -1]]
    assert found.dtype == np.int8


def test_sources_that_disagree_make_a_cell_unknown():
    cells, disputed = merge_cells([{"a": True, "b": True}, {"b": False, "c": False}, {"b": True}])
    assert cells == {"a": True, "c": False}
    assert disputed == ["b"]
    assert yes_labels(render_cells(cells)) == ["a"]


@pytest.mark.parametrize("text", ["saree", "5", "{", '{"a":null}', '{"a":7}', "[]"])
def test_other_texts_are_refused_in_one_line(text):
    with pytest.raises(ManifestError) as refusal:
        to_matrix([text], ["a"])
    assert "\n" not in refusal.value.message


def test_a_class_in_braces_is_no_cell():
    assert yes_labels("{curly}") == ["{curly}"]


def test_unknown_class_is_an_error():
    assert to_indices(["b", "a"], ["a", "b"]).tolist() == [1, 0]
    with pytest.raises(KeyError, match="odd"):
        to_indices(["odd"], ["a"])
