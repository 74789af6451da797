"""Datumaro, also of Geti: a JSON file of items for each subset, ``annotations/<subset>.json``."""

from typing import Any

from pixmill.dataset.label_files.rows import LabelRows


def read(content: Any) -> LabelRows | None:
    """Return the rows of a file of Datumaro; ``None`` if it is none."""
    match content:
        case {"items": [*items], "categories": {"label": {"labels": [*labels]}}}:
            names = {number: label["name"] for number, label in enumerate(labels)}
        case _:
            return None
    rows = []
    for item in items:
        media = item.get("image") or item.get("media") or {}
        image = {"image": media.get("path") or item["id"]}
        numbers = [each["label_id"] for each in item["annotations"] if each["type"] == "label"]
        rows += [image | {"label": names[number]} for number in numbers] or [image]
    return LabelRows("Datumaro", rows, {"image": "image", "label": "label"})
