"""Which kind of list a file is, by its first line."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Literal

from pixmill.errors import DataError

__all__ = ["Format", "Kind", "first_line", "kind_of"]

Format = Literal["auto", "imagenet", "open_images", "table", "tsv"]
"""What ``scrape.urls.format`` may say of all files together."""

Kind = Literal["addresses", "images", "labels", "names", "synset_addresses", "synset_names", "table", "tsv"]
"""What a file is: of Open Images ``images``, ``labels`` or ``names``; of ImageNet ``synset_addresses`` (with the synset
in each line) or ``synset_names``; ``addresses`` that are named by their file alone; a ``table``; or a ``tsv`` of the
Storage Transfer Service, whose first line is ``TsvHttpData-1.0``."""

_KINDS: dict[Format, set[Kind]] = {
    "imagenet": {"addresses", "synset_addresses", "synset_names"},
    "open_images": {"images", "labels", "names"},
    "table": {"table"},
    "tsv": {"tsv"},
}
_LONGEST_LINE = 65_536
_SHOWN = 80


def kind_of(path: Path, format: Format = "auto") -> Kind:  # noqa: A002 (the word of params)
    """Return the kind of a list.

    Args:
        path: The file.
        format: What it must be.

    Raises:
        DataError: It is missing or empty, or neither what it must be nor anything that is known.
    """
    line = "" if path.suffix == ".parquet" and path.is_file() else first_line(path)
    kind = _kind(path, line)
    if kind is None and format == "table":
        kind = "table"  # whose reader says which column is missing
    if kind is None or (format != "auto" and kind not in _KINDS[format]):
        wanted = "a list of addresses that is known" if format == "auto" else f"a list in the format '{format}'"
        raise DataError(
            f"{path} is not {wanted}: it begins with {line[:_SHOWN]!r}",
            next="give it a first line with the columns url and label, or mend scrape.urls in params.yaml",
        )
    return kind


def first_line(path: Path) -> str:
    """Return the first line of a file that says something.

    Raises:
        DataError: There is no such file, or no such line.
    """
    try:
        with path.open("rb") as stream:
            for line in iter(lambda: stream.readline(_LONGEST_LINE), b""):
                if text := line.decode("utf-8-sig", "replace").strip():
                    return text.splitlines()[0]  # where lines end as on a Macintosh of old
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}): scrape.urls.files names it",
            next="put it there, or mend scrape.urls.files in params.yaml",
        ) from error
    raise DataError(f"{path} is empty", next="put the list there, or mend scrape.urls.files in params.yaml")


def _kind(path: Path, line: str) -> Kind | None:
    columns = {name.strip().lower() for name in next(csv.reader([line]), [])}
    if path.suffix == ".parquet":
        return "table"
    if line == "TsvHttpData-1.0":
        return "tsv"
    if {"imageid", "originalurl"} <= columns:
        return "images"
    if {"imageid", "labelname", "confidence"} <= columns:
        return "labels"
    if columns == {"labelname", "displayname"} or re.match(r"/[mgt]/\w+,", line):
        return "names"
    if re.match(r"n\d{8}_\d+\s+\S", line):
        return "synset_addresses"
    if re.match(r"n\d{8}\s+\S", line):
        return "synset_names"
    if re.fullmatch(r"https?://\S+", line, re.IGNORECASE):
        return "addresses"
    return "table" if "url" in re.split(r"[,\t]", line.lower().replace('"', "")) else None
