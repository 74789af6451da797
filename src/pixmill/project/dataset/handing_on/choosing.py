"""Choose the images that may be handed on, by their licences."""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pixmill.core.errors import DataError
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.metadata import Facts, read_metadata
from pixmill.core.names import to_slug
from pixmill.core.params import Params
from pixmill.scrape.licences import FAMILIES, parse_licence
from pixmill.split.grouping import group_names

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Handed:
    """An image of the export.

    Args:
        id: SHA-256 of the file.
        file: Its path in the export, ``<split>/<slug of the class>/<first 16 digits of the id>.<extension>``.
        original: Its path in the project.
        facts: Label, split, group and origin.
        source: The source that found it.
        image_url: URL of the file, or its path below ``data/``.
        snapshot: Day of the collection, as an ISO date.
    """

    id: str
    file: str
    original: Path
    facts: Facts
    source: str
    image_url: str | None
    snapshot: str

    def record(self) -> dict[str, str]:
        """Return everything about the image as text, empty where it is unknown."""
        origin = {name: getattr(self, name) for name in ("id", "source", "image_url", "snapshot")}
        known = {"file_name": self.file} | asdict(self.facts) | origin
        return {name: value or "" for name, value in known.items()}


@dataclass(frozen=True)
class Choice:
    """The images to hand on, and those left out.

    Args:
        images: Images to hand on, sorted by file.
        withheld: Number of images left out because of their licences, by licence.
        dropped: Number of images that the pipeline dropped, by reason.
        queries: Queries that found the images, sorted.
    """

    images: list[Handed]
    withheld: Counter[str]
    dropped: Counter[str]
    queries: list[str]


def parse_families(text: str) -> tuple[str, ...]:
    """Return the families of a list such as ``cc-by,cc0``.

    >>> parse_families("cc-by, CC0")
    ('by', 'cc0')

    Raises:
        ValueError: An unknown licence.
    """
    families = []
    for name in filter(None, (name.strip() for name in text.split(","))):
        known = parse_licence(re.sub(r"-(?=\d)", " ", name))
        if known is None:
            raise ValueError(f"expected licences of {', '.join(FAMILIES)}, received '{name}'")
        families.append(known.family)
    return tuple(families)


def choose(root: Path, params: Params, *, licences: Sequence[str] = (), include_unknown: bool = False) -> Choice:
    """Return the kept images of the split whose licences permit to hand them on.

    Args:
        root: Project folder.
        params: Its params, for ``split.group_by``.
        licences: Families of licences to include, see :data:`pixmill.scrape.licences.FAMILIES`; default: all.
        include_unknown: Include images of unknown licences.

    Raises:
        DataError: No image is left.
        ManifestError: The split is missing.
    """
    manifest = read_table(root / "artifacts/split/manifest.parquet", SPLIT, stage="split")
    groups = _groups(manifest, params, root)
    images, withheld, dropped = [], Counter[str](), Counter[str]()
    queries = set()
    for row, group in zip(manifest.astype(object).to_dict("records"), groups, strict=True):
        row = {name: None if _is_missing(value) else value for name, value in row.items()}
        if row["verdict"] != "keep" or row["split"] is None or row["label"] is None:
            dropped[str(row["reason"] or "no label").partition(":")[0].replace("_", " ")] += 1
            continue
        known = parse_licence(row["licence"])
        if not (include_unknown if known is None else not licences or known.family in licences):
            withheld[UNKNOWN if known is None else str(known)] += 1
            continue
        if row["query"]:
            queries.add(row["query"])
        images.append(_handed(row, group, root))
    if not images:
        raise DataError(
            f"no image may be handed on: {describe(withheld) or 'all were dropped'}",
            next="name the licence of your own images in the column licence of data/metadata.csv and run dvc repro, "
            "name other licences (--licence), or add --include-unknown if you have the permission",
        )
    return Choice(sorted(images, key=lambda image: image.file), withheld, dropped, sorted(queries))


def describe(withheld: Counter[str]) -> str:
    """Return the images left out by licence, such as ``3 CC BY-ND 4.0, 2 unknown``."""
    return ", ".join(f"{number:,} {name}" for name, number in withheld.most_common())


def _groups(manifest: pd.DataFrame, params: Params, root: Path) -> list[str | None]:
    """Return the group of each image that people gave: of data/metadata.csv, else of ``split.group_by``."""
    facts = read_metadata(root / "data")
    names = (
        [None] * len(manifest)
        if params.split.group_by in (None, "page", "product")
        else group_names(manifest, params.split.group_by, root)
    )
    found = []
    for url, name in zip(manifest["image_url"], names, strict=True):
        given = None if _is_missing(url) else facts.get(str(url).removeprefix("data/"))
        text = None if _is_missing(name) else str(name).removeprefix("group ")
        found.append(given.group if given and given.group else text)
    return found


def _handed(row: dict[Any, Any], group: str | None, root: Path) -> Handed:
    original = root / "artifacts/scrape" / row["path"]
    name = f"{row['split']}/{to_slug(row['label'])}/{row['id'][:16]}{original.suffix}"
    facts = Facts(row["label"], row["split"], group, row["licence"], row["author"], row["page_url"])
    return Handed(row["id"], name, original, facts, row["source"], row["image_url"], row["snapshot"])


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
