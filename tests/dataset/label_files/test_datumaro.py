"""Files of Datumaro give each image the labels that are not of regions."""

from typing import Any

import pytest

from pixmill.dataset.label_files.datumaro import read

CATEGORIES = {"label": {"labels": [{"name": "cat", "parent": ""}, {"name": "dog"}]}}


def test_labels() -> None:
    items = [
        {
            "id": "a/1",
            "annotations": [
                {"type": "label", "label_id": 1},
                {"type": "bbox", "label_id": 0, "bbox": [0, 0, 1, 1]},
            ],
            "image": {"path": "a/1.jpg", "size": [9, 9]},
        },
        {"id": "a/2", "annotations": []},
    ]
    found = read({"info": {}, "categories": CATEGORIES, "items": items})
    assert found is not None
    assert [*found.rows] == [{"image": "a/1.jpg", "label": "dog"}, {"image": "a/2"}]


@pytest.mark.parametrize("content", [{}, {"items": []}, [], {"items": {}, "categories": {}}])
def test_other_files(content: Any) -> None:
    assert read(content) is None


@pytest.mark.parametrize("number", [-1, 2])
def test_labels_that_are_none_are_refused(number: int) -> None:
    item = {"id": "1", "annotations": [{"type": "label", "label_id": number}]}
    with pytest.raises(LookupError):
        read({"categories": CATEGORIES, "items": [item]})
