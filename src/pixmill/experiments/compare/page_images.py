"""Choose and load the images of the page ``reports/compare.html``."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pixmill.experiments.compare.comparison import Comparison
from pixmill.experiments.compare.image_changes import CHANGES
from pixmill.experiments.compare.view import ImageRow, rows_of
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail, take_until_full

_MAX_FLIPS, _MAX_SAMPLES, _MAX_PAIRS = 36, 12, 6
"""Flips, images per kind of change, and pairs of near-duplicates on the page."""

_SIDE_PIXELS, _MAX_BYTES = 192, 3_000_000
"""Longer side of a thumbnail, and total size of all thumbnails."""


@dataclass(frozen=True)
class ImageSelection:
    """Images of the page, as rows of the comparison's tables.

    Args:
        lost: Flips that are now wrong.
        gained: Flips that are now right.
        samples: Images of each kind of change, spread evenly over classes.
        near: Near-duplicates of test images.
        uris: Thumbnails as ``data:`` URIs by id, without images that are unavailable or do not decode.
    """

    lost: list[ImageRow]
    gained: list[ImageRow]
    samples: dict[str, list[ImageRow]]
    near: list[ImageRow]
    uris: dict[str, str]


def choose_images(comparison: Comparison) -> ImageSelection:
    """Choose and load flips, half of each direction unless one has fewer, and samples of each change of the data.

    Args:
        comparison: The comparison; files are read from its revisions.
    """
    numbers, data = comparison.numbers, comparison.data
    lost, gained = [], []
    if numbers is not None:
        lost, gained = (
            rows_of(numbers.flips[numbers.flips["gained"] == is_gained].head(_MAX_FLIPS)) for is_gained in (False, True)
        )
        half = _MAX_FLIPS // 2
        lost, gained = lost[: max(half, _MAX_FLIPS - len(gained))], gained[: max(half, _MAX_FLIPS - len(lost))]
    samples, near = {}, []
    if data is not None:
        kinds = dict(iter(data.images.groupby("change")))
        samples = {kind: _spread(kinds[kind]) for kind in CHANGES if kind in kinds}
        near = rows_of(data.near_test.head(_MAX_PAIRS))
    rows = [*lost, *gained, *(row for rows in samples.values() for row in rows), *near]
    ids = dict.fromkeys([row["id"] for row in rows] + [row["test_id"] for row in near])
    names: list[str] = []
    uris = list(each_thumbnail(_load_images(comparison, list(ids), names)))
    loaded = take_until_full(zip(names, uris, strict=True), _MAX_BYTES)
    return ImageSelection(lost, gained, samples, near, loaded)


def _spread(rows: pd.DataFrame) -> list[ImageRow]:
    """Return rows at equal distances; rows are sorted by class."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(_MAX_SAMPLES, len(rows))).round().astype(int))
    return rows_of(rows.iloc[places])


def _load_images(comparison: Comparison, ids: list[str], names: list[str]) -> Iterator[Thumbnail]:
    """Yield the available images; add the id of each to ``names``."""
    places: dict[str, list[Any]] = {name: [] for name in ids}
    for revision in (comparison.head, comparison.base):
        if revision is not None and revision.manifest is not None and "path" in revision.manifest:
            rows = revision.manifest[revision.manifest["id"].isin(ids) & revision.manifest["path"].notna()]
            for name, path in zip(rows["id"], rows["path"], strict=True):
                places[name].append((revision, path))
    for name, found in places.items():
        contents = (revision.read(f"artifacts/scrape/{path}") for revision, path in found)
        content = next((content for content in contents if content is not None), None)
        if content is not None:
            names.append(name)
            yield Thumbnail(name, content, size=_SIDE_PIXELS)
