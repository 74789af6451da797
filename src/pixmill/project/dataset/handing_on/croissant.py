"""Croissant 1.1, the JSON-LD description of a data set that search engines and libraries read."""

import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any


def croissant(
    head: Mapping[str, Any], *, tables: Mapping[str, str], columns: Iterable[str], types: Mapping[str, str]
) -> dict[str, Any]:
    """Return the description of an export: its images, joined with the rows of its tables by their file names.

    Args:
        head: ``name``, ``description``, ``license`` (a list) and ``datePublished``.
        tables: SHA-256 of each table, by its path in the export; all have the same columns.
        columns: Their columns, with ``file_name``.
        types: MIME type by extension, such as ``.png``, of images and tables.
    """
    endings = [ending for ending, kind in types.items() if kind.startswith("image/")]
    images = _node("FileSet", "images") | {
        "encodingFormat": sorted({types[ending] for ending in endings}),
        "includes": [f"*/*/*{ending}" for ending in endings],
    }
    described = [
        _node("FileObject", path)
        | {"contentUrl": path, "encodingFormat": types[f".{path.rpartition('.')[2]}"], "sha256": digest}
        for path, digest in tables.items()
    ]
    # The context of the specification, which readers expect in the file.
    base: dict[str, Any] = json.loads(
        files("pixmill.project.dataset.handing_on").joinpath("croissant.json").read_text("utf-8")
    )
    records = [_records(path, columns) for path in tables]
    return base | dict(head) | {"distribution": [*described, images], "recordSet": records}


def _node(kind: str, name: str) -> dict[str, Any]:
    return {"@type": f"cr:{kind}", "@id": name, "name": name.rpartition("/")[2] if kind == "Field" else name}


def _records(path: str, columns: Iterable[str]) -> dict[str, Any]:
    """Return the record set of a table, named by its folder, or ``records``."""
    name = path.rpartition("/")[0] or "records"
    pixels = {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "content"}}
    fields = [_node("Field", f"{name}/image") | {"dataType": "sc:ImageObject", "source": pixels}]
    for column in columns:
        source: dict[str, Any] = {"fileObject": {"@id": path}, "extract": {"column": column}}
        fields.append(_node("Field", f"{name}/{column}") | {"dataType": "sc:Text", "source": source})
        if column == "file_name":
            source["transform"] = {"regex": "(?:.*/)?([^/]+)$"}
            fields[-1]["references"] = {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "filename"}}
    return _node("RecordSet", name) | {"key": {"@id": f"{name}/file_name"}, "field": fields}
