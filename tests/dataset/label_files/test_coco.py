"""COCO files of several tools give each image the categories of its annotations."""

from typing import Any

import pytest

from pixmill.dataset.label_files.coco import read

CONTENT: dict[str, Any] = {
    "images": [
        {"id": 7, "file_name": "a\\1.jpg", "width": 9, "location": "north"},
        {"id": "8", "file_name": "b/1.jpg"},
        {"id": 9, "file_name": "c.jpg"},
    ],
    "annotations": [
        {"image_id": "7", "category_id": 1, "bbox": [0, 0, 2, 2]},
        {"image_id": 7, "category_id": "1", "bbox": [1, 1, 2, 2]},
        {"image_id": 8, "category_id": 1},
        {"image_id": 8, "category_id": 2},
        {"image_id": 9, "category_id": None},
    ],
    "categories": [
        {"id": "1", "name": "cat", "supercategory": "pet"},
        {"id": 2, "name": "dog"},
        {"id": 3, "name": "never"},
    ],
}


def test_labels() -> None:
    found = read(CONTENT)
    assert found is not None
    assert [(row["file_name"], row.get("category")) for row in found.rows] == [
        ("a\\1.jpg", "cat"),
        ("b/1.jpg", "cat"),
        ("b/1.jpg", "dog"),
        ("c.jpg", None),
    ]
    assert found.rows[0] == {"file_name": "a\\1.jpg", "location": "north", "category": "cat"}


def test_categories_without_names() -> None:
    found = read({"images": CONTENT["images"], "annotations": CONTENT["annotations"]})
    assert found is not None
    assert {row.get("category") for row in found.rows} == {"1", "2", None}


@pytest.mark.parametrize("name", [[], [{"id": 2, "name": None}]])
def test_categories_that_are_none_are_refused(name: list[dict[str, Any]]) -> None:
    categories = [{"id": 1, "name": "cat"}, *name]
    with pytest.raises(ValueError, match="category 2 has no name"):
        read(CONTENT | {"categories": categories})


@pytest.mark.parametrize("content", [{}, {"images": [], "annotations": []}, [CONTENT], None, 1])
def test_other_files(content: Any) -> None:
    assert read(content) is None
