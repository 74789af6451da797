"""VGG Image Annotator 2: the attributes of files, in a project, in annotations, and in CSV."""

import json
from collections.abc import Mapping
from typing import Any

from pixmill.dataset.label_files.rows import LabelRows

_KEYS = {"filename", "file_attributes"}


def read(content: Any) -> LabelRows | None:
    """Return the rows of a file of VIA; ``None`` if it is none."""
    images = content
    if isinstance(content, dict):
        images = content.get("_via_img_metadata", content).values()
    if not images or not all(isinstance(image, dict) and image.keys() >= _KEYS for image in images):
        return None
    rows = [
        _read_answers(image["file_attributes"]) | {"image": image["filename"]} for image in images
    ]
    return LabelRows("VGG Image Annotator", rows, {"image": "image"})


def _read_answers(given: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return the answers by name of the attribute; a checkbox may have several, or none yet."""
    attributes = json.loads(given or "{}") if isinstance(given, str) else given  # text in CSV
    answers = {}
    for name, value in attributes.items():
        chosen = [*filter(value.get, value)] if isinstance(value, dict) else value
        answers[name] = chosen or None
    return answers
