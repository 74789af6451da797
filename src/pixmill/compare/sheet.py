"""Choose the images that tell most about a change, and lay them out on one contact sheet."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pixmill.compare.comparison import Comparison
from pixmill.compare.data import CHANGES
from pixmill.compare.report import Row, labels_of, rows_of
from pixmill.pages.base import figure_png, shorten
from pixmill.pages.base.thumbnails import Shown, each_thumbnail

__all__ = ["Chosen", "choose", "contact_sheet"]

_FLIPS, _SAMPLES, _NEAR = 36, 12, 6
"""The most flips that are shown, images of a change, and pairs of near-duplicates."""

_MOST_BYTES = 1_500_000
"""The most bytes of the contact sheet."""

_IMAGE_BYTES = 20_000
"""The most bytes of one image on the page."""


@dataclass(frozen=True)
class Chosen:
    """Hold the images to show, as rows of the comparison's tables.

    Args:
        lost: Flips that are now wrong.
        gained: Flips that are now right.
        samples: Of each change, spread evenly over classes.
        near: Near-duplicates of test images.
        uris: The images as ``data:`` URIs by id, without those that cannot be had or do not decode.
    """

    lost: list[Row]
    gained: list[Row]
    samples: dict[str, list[Row]]
    near: list[Row]
    uris: dict[str, str]


def choose(comparison: Comparison) -> Chosen:
    """Choose and load flips, half of each kind unless one has fewer, and samples of each change of the data.

    Args:
        comparison: The comparison. Its sides are asked for the files.
    """
    numbers, data = comparison.numbers, comparison.data
    lost, gained = [], []
    if numbers is not None:
        lost, gained = (rows_of(numbers.flips[numbers.flips["gained"] == is_].head(_FLIPS)) for is_ in (False, True))
        half = _FLIPS // 2
        lost, gained = lost[: max(half, _FLIPS - len(gained))], gained[: max(half, _FLIPS - len(lost))]
    samples, near = {}, []
    if data is not None:
        for kind in CHANGES:
            if data.count(kind):
                samples[kind] = _spread(data.images[data.images["change"] == kind])
        near = rows_of(data.near_test.head(_NEAR))
    rows = [*lost, *gained, *(row for rows in samples.values() for row in rows), *near]
    ids = dict.fromkeys([row["id"] for row in rows] + [row["test_id"] for row in near])
    names: list[str] = []
    uris = list(each_thumbnail(_found(comparison, list(ids), names)))
    loaded = {name: uri for name, uri in zip(names, uris, strict=True) if uri is not None}
    return Chosen(lost, gained, samples, near, loaded)


def contact_sheet(chosen: Chosen) -> bytes | None:
    """Return flips and samples of the data's changes as one PNG file of at most 1.5 MB.

    Args:
        chosen: The images.

    Returns:
        ``None`` if none of them could be had.
    """
    from pixmill.pages.evaluate.figures import sheet_figure

    titles = [(row["id"], _flip_title(row)) for row in (*chosen.lost, *chosen.gained)]
    titles += [(row["id"], f"{row['change']}:\n{labels_of(row)}") for rows in chosen.samples.values() for row in rows]
    # A dollar sign would begin a formula.
    images = [(_pixels(chosen.uris[name]), title.replace("$", r"\$")) for name, title in titles if name in chosen.uris]
    if not images:
        return None
    contents = (figure_png(sheet_figure(images), dpi=dpi) for dpi in (110, 80, 60, 40))
    return next(content for content in contents if len(content) <= _MOST_BYTES)


def _flip_title(row: Row) -> str:
    before, after = (shorten(str(row[name]), 24) for name in ("base_predicted", "head_predicted"))
    return f"{'now right' if row['gained'] else 'now wrong'}:\n{before} → {after}"


def _spread(rows: pd.DataFrame) -> list[Row]:
    """Return rows at equal distances: they are sorted by class, so that each may be seen."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(_SAMPLES, len(rows))).round().astype(int))
    return rows_of(rows.iloc[places])


def _found(comparison: Comparison, ids: list[str], names: list[str]) -> Iterator[Shown]:
    """Yield the images that can be had, each after its id has been added to ``names``."""
    places: dict[str, list[Any]] = {name: [] for name in ids}
    for side in (comparison.head, comparison.base):
        if side is not None and side.manifest is not None and "path" in side.manifest:
            rows = side.manifest[side.manifest["id"].isin(ids) & side.manifest["path"].notna()]
            for name, path in zip(rows["id"], rows["path"], strict=True):
                places[name].append((side, path))
    for name, found in places.items():
        contents = (side.read(f"artifacts/scrape/{path}") for side, path in found)
        content = next((content for content in contents if content is not None), None)
        if content is not None:
            names.append(name)
            yield Shown(name, content, most=_IMAGE_BYTES)


def _pixels(uri: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    from PIL import Image

    # It was encoded by this program from what was decoded under guard.
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))
