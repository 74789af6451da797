"""Croissant 1.1, the JSON-LD description of a data set that search engines and libraries read."""

from collections.abc import Mapping
from typing import Any

VERSION = "http://mlcommons.org/croissant/1.1"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
"""Context of the specification, which readers expect to find in the file."""


def croissant(
    *,
    name: str,
    description: str,
    licences: list[str],
    date: str,
    table: Mapping[str, str],
    columns: Mapping[str, Mapping[str, str]],
    types: Mapping[str, str],
) -> dict[str, Any]:
    """Return the description of an export: its images, joined with the rows of its table by their file names.

    Args:
        name: Name of the data set.
        description: A sentence on it.
        licences: URLs or names of the licences.
        date: Day of the newest image, as an ISO date.
        table: SHA-256 of each table, by its path in the export; all have the same columns.
        columns: Where each field is in the tables: ``{"column": …}`` or ``{"jsonPath": …}``; ``file_name`` is needed.
        types: MIME type by extension of images, such as ``.png``, and of the tables.
    """
    tables = [
        {
            "@type": "cr:FileObject",
            "@id": path,
            "name": path,
            "contentUrl": path,
            "encodingFormat": types[f".{path.rpartition('.')[2]}"],
            "sha256": digest,
        }
        for path, digest in table.items()
    ]
    endings = [ending for ending, kind in types.items() if kind.startswith("image/")]
    images = {
        "@type": "cr:FileSet",
        "@id": "images",
        "name": "images",
        "encodingFormat": sorted({types[ending] for ending in endings}),
        "includes": [f"*/*/*{ending}" for ending in endings],
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": name,
        "description": description,
        "license": licences,
        "datePublished": date,
        "version": "1.0.0",
        "distribution": [*tables, images],
        "recordSet": [_records(path, columns) for path in table],
    }


def _records(path: str, columns: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return the record set of a table, named by its folder, or ``images``."""
    name = path.rpartition("/")[0] or "records"
    by_name = {"regex": "([^/]+)$"}
    fields: list[dict[str, Any]] = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column}",
            "name": column,
            "dataType": "sc:Text",
            "source": {
                "fileObject": {"@id": path},
                "extract": dict(where),
                **({"transform": by_name} if column == "file_name" else {}),
            },
            **(
                {"references": {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "filename"}}}
                if column == "file_name"
                else {}
            ),
        }
        for column, where in columns.items()
    ]
    image = {
        "@type": "cr:Field",
        "@id": f"{name}/image",
        "name": "image",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": "images"}, "extract": {"fileProperty": "content"}},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "key": {"@id": f"{name}/file_name"},
        "field": [image, *fields],
    }
