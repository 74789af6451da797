"""COCO JSON, of detection, camera traps or iNaturalist: the categories of an image's annotations."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pixmill.dataset.label_files.rows import LabelRows

_UNUSED = {"id", "width", "height", "license"}
"""Fields of images that say nothing about them, or only by a number."""


def read(content: Any) -> LabelRows | None:
    """Return the rows of a COCO file; ``None`` if it is none. Numbers may be texts."""
    match content:
        case {"images": [{}, *_] as images, "annotations": [*annotations]}:
            labels = _categories(annotations, content.get("categories", ()))
        case _:
            return None
    rows = [
        {name: value for name, value in image.items() if name not in _UNUSED} | label
        for image in images
        for label in labels.get(str(image["id"]), {"": {}}).values()
    ]
    has_boxes = any(each.get("bbox") for each in annotations)
    kind = "COCO, whose boxes label their images" if has_boxes else "COCO"
    return LabelRows(kind, rows, {"image": "file_name", "label": "category"})


def _categories(
    annotations: Iterable[dict[str, Any]], categories: Iterable[dict[str, Any]]
) -> dict[str, dict[str, dict[str, str]]]:
    """Return the cells of each category by image and number."""
    names = {str(each["id"]): each["name"] for each in categories if each["name"] is not None}
    labels: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for each in annotations:
        number = str(each.get("category_id"))
        if number == "None":
            continue
        if names and number not in names:
            raise ValueError(f"the category {number} has no name")
        labels[str(each["image_id"])][number] = {"category": names.get(number, number)}
    return labels
