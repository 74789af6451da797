"""Render the page of split: checks, split sizes, dropped images and samples."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pixmill.core.cells import show_cells
from pixmill.core.expectations import failures
from pixmill.core.manifest import given_test_rows, sample_rows, shrinkage
from pixmill.core.params import SplitParams
from pixmill.core.words import shorten
from pixmill.images.compute import RowLimits
from pixmill.images.depth import Window
from pixmill.images.parts import PARTS
from pixmill.pages import Excerpt, render_page
from pixmill.pages.thumbnails import Thumbnail, thumbnails
from pixmill.split.splitting import Split, metrics
from pixmill.split.straddling import REASONS

MAX_CLASSES = 400
"""Maximum number of classes in a table."""

MAX_PAIRS = 12
"""Maximum number of dropped images shown per reason, each with the image that stays."""

MAX_SAMPLES = 16
"""Number of images shown per split."""

MAX_MISSING = 25
"""Maximum number of dropped predefined test images listed."""


def render_report(
    split: Split,
    params: SplitParams,
    limits: RowLimits,
    *,
    remarks: Sequence[str] = (),
    folder: Path,
    window: Window | None = None,
    workers: int | None = None,
    root: Path | None = None,
) -> str:
    """Return the page as self-contained HTML under 5 MB.

    Args:
        split: Results of the stage.
        params: The section ``split``.
        limits: Limits per image.
        remarks: What the summary says of series of images.
        folder: Base folder of the paths in the manifest.
        window: See :func:`pixmill.images.decode`.
        workers: Number of processes; default: one per CPU.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    split_cards = SplitCards(split, folder, params, window)
    drops = list(split_cards.drops())
    samples = split_cards.samples()
    paired = [card for item in drops for gone, stays, _ in item["pairs"] for card in (gone, stays)]
    cards = [*paired, *(card for sample in samples.values() for card in sample)]
    counts = split.counts
    sizes = split.sizes
    stopping = failures(split.outcomes)
    figures = metrics(split)
    return render_page(
        "pixmill.split.page",
        "page.html",
        root=root,
        figures=figures,
        series=remarks,
        shrinkage=shrinkage(figures.get("given_test", {})),
        missing=split_cards.missing_tests(),
        outcomes=sorted(
            split.outcomes, key=lambda outcome: (outcome.success, outcome not in stopping)
        ),
        stopped=list(dict.fromkeys(outcome.check.name for outcome in stopping)),
        warned=any(not outcome.success for outcome in split.outcomes),
        labelling=split.labelling,
        parts=list(sizes.items()),
        total=sum(sizes.values()),
        classes=Excerpt(
            [
                (label, [counts[part][label] for part in PARTS])
                for label in split.classes[:MAX_CLASSES]
            ],
            len(split.classes),
        ),
        drops=drops,
        samples=samples,
        params=params,
        shop=bool((split.manifest["source"] == "shop").any()),
        uris=thumbnails((card.shown for card in cards), limits=limits, workers=workers),
    )


def _reason(text: str) -> str:
    """Return a reason of the manifest as text, with the short id of the other image."""
    word, _, other = text.partition(":")
    return word.replace("_", " ") + (f" with {other[:12]}" if other else "")


class SplitCard(NamedTuple):
    """Thumbnail, short id and text lines of an image."""

    shown: Thumbnail
    title: str
    lines: tuple[str, ...]


class SplitCards:
    """Cards and tables of the page.

    Args:
        split: Results of the stage.
        folder: Base folder of the paths in the manifest.
        params: The section ``split``.
        window: See :func:`pixmill.images.decode`.
    """

    def __init__(
        self, split: Split, folder: Path, params: SplitParams, window: Window | None = None
    ) -> None:
        self._split = split
        self._folder = folder
        self._params = params
        self._window = window
        self._manifest = split.manifest.set_index("id", drop=False).rename_axis(None)

    def drops(self) -> Iterator[dict[str, Any]]:
        """Yield the dropped images by reason.

        Each item has ``reason``, ``meaning``, ``count`` and ``pairs``: dropped images, each with
        the image that stays and their similarity (``None`` for equal pixels or a common group),
        most similar first.
        """
        dropped = self._with_similarity()
        for word, meaning in REASONS.items():
            rows = dropped[dropped["word"] == word]
            if rows.empty:
                continue
            first = rows.sort_values(["similarity", "id"], ascending=[False, True]).head(MAX_PAIRS)
            pairs = [
                (
                    self._card(row["id"], f"dropped from {row['part']}"),
                    self._card(row["other"]),
                    None if pd.isna(row["similarity"]) else float(row["similarity"]),
                )
                for row in first.to_dict("records")
            ]
            yield {"reason": word, "meaning": meaning, "count": len(rows), "pairs": pairs}

    def samples(self) -> dict[str, list[SplitCard]]:
        """Return a random but reproducible sample of packed images per split."""
        params = self._params
        shape = (params.image_size, params.aspect, params.resize)
        rows = {
            part: sample_rows(self._manifest[self._manifest["split"] == part], MAX_SAMPLES)
            for part in PARTS
        }
        return {
            part: [
                SplitCard(self._thumbnail(row, *shape), row["id"][:12], (show_cells(row["label"]),))
                for _, row in some.iterrows()
            ]
            for part, some in rows.items()
        }

    def missing_tests(self) -> Excerpt[tuple[str | None, ...]]:
        """Return the dropped predefined test images with label, reason and file."""
        rows = given_test_rows(self._manifest)
        rows = rows[rows["reason"].notna()].sort_values(["reason", "id"])
        columns = rows[["id", "label", "reason", "image_url"]].astype(object).head(MAX_MISSING)
        shown: list[tuple[str | None, ...]] = [
            (
                name[:12],
                None if pd.isna(label) else show_cells(label),
                _reason(why),
                None if pd.isna(url) else shorten(url),
            )
            for name, label, why, url in columns.itertuples(index=False)
        ]
        return Excerpt(shown, len(rows))

    def _with_similarity(self) -> pd.DataFrame:
        """Return dropped images with the similarity to the one that stays; null if not a pair."""
        dropped = self._split.dropped
        sorted_ids = np.sort(dropped[["id", "other"]].to_numpy(str), axis=1)
        pairs = self._split.pairs
        pairs = pairs[pairs["a"].isin(sorted_ids[:, 0])].astype({"a": object, "b": object})
        keyed = dropped.assign(a=sorted_ids[:, 0].astype(object), b=sorted_ids[:, 1].astype(object))
        return keyed.merge(pairs, on=["a", "b"], how="left")

    def _card(self, name: str, status: str = "") -> SplitCard:
        """Return the card of a raw image with its status; default: the split that it is kept in."""
        row: Any = self._manifest.loc[name]
        if not status:
            status = f"kept in {row['split']}" + (
                "" if pd.isna(row["fold"]) else f", fold {row['fold']}"
            )
        url = row["page_url"] if pd.notna(row["page_url"]) else row["image_url"]
        lines = (
            show_cells(row["label"]),
            status,
            f"{row['width']} \u00d7 {row['height']}",
            shorten(url) if pd.notna(url) else "",
        )
        return SplitCard(self._thumbnail(row), name[:12], tuple(line for line in lines if line))

    def _thumbnail(self, row: pd.Series, *shape: Any) -> Thumbnail:
        pixels = int(row["width"] * row["height"])
        return Thumbnail(row["id"], self._folder / row["path"], pixels, self._window, *shape)
