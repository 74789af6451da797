"""Files of VGG Image Annotator give each image the attributes of its file."""

import json
from typing import Any

import pytest

from pixmill.dataset.label_files.via import read

IMAGES: dict[str, Any] = {
    "1.jpg12": {"filename": "1.jpg", "regions": [], "file_attributes": {"kind": "cat"}},
    "2.jpg12": {"filename": "2.jpg", "regions": [], "file_attributes": {"kind": ""}},
    "3.jpg12": {
        "filename": "3.jpg",
        "regions": [{"shape_attributes": {}, "region_attributes": {"part": "ear"}}],
        "file_attributes": {"kind": {"cat": True, "dog": True, "cow": False}},
    },
    "4.jpg12": {"filename": "4.jpg", "regions": [], "file_attributes": {}},
}
ROWS = [
    {"image": "1.jpg", "kind": "cat"},
    {"image": "2.jpg", "kind": None},
    {"image": "3.jpg", "kind": ["cat", "dog"]},
    {"image": "4.jpg"},
]
CSV = [
    {"filename": image["filename"], "file_attributes": json.dumps(image["file_attributes"])}
    for image in IMAGES.values()
]


@pytest.mark.parametrize("content", [IMAGES, {"_via_img_metadata": IMAGES}, CSV])
def test_labels(content: Any) -> None:
    found = read(content)
    assert found is not None
    assert [*found.rows] == ROWS


@pytest.mark.parametrize("content", [{}, [], {"a": 1}, [{"filename": "a", "label": "b"}], [1]])
def test_other_files(content: Any) -> None:
    assert read(content) is None
