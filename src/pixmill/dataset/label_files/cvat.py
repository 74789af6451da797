"""CVAT for images 1.1: the tags of each image in an XML file."""

from typing import Any
from xml.parsers import expat

from pixmill.dataset.label_files.rows import LabelRows


def read(content: Any) -> LabelRows | None:
    """Return the rows of an XML file of CVAT; ``None`` if it is none.

    Raises:
        ExpatError: It is no XML.
        ValueError: It declares entities, which may expand without limits.
    """
    if not isinstance(content, bytes):
        return None
    rows: list[dict[str, str | None]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "image":
            rows.append({"image": attributes["name"], "split": attributes.get("subset")})
        elif name == "tag":
            rows.append(rows[-1] | {"tag": attributes["label"]})

    def refuse(*_: object) -> None:
        raise ValueError("declares entities")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EntityDeclHandler = refuse
    parser.Parse(content, True)
    sure = {"image": "image", "label": "tag"}
    return LabelRows("CVAT for images", rows, sure) if rows else None
