"""The page of the stage: the checks, the sizes of the splits, and what was dropped and why."""

import heapq
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pixmill.core.expectations import failures
from pixmill.core.manifest import given_test_rows, shrinkage
from pixmill.core.params import SplitParams
from pixmill.images.compute import RowLimits
from pixmill.images.parts import PARTS
from pixmill.pages import Excerpt, render_page, shorten
from pixmill.pages.thumbnails import Thumbnail, thumbnails
from pixmill.split.checks import count_by
from pixmill.split.splitting import Split, metrics
from pixmill.split.straddling import REASONS

_ROWS = 400
"""Classes that tables list."""


def render_report(
    split: Split, params: SplitParams, limits: RowLimits, *, folder: Path, workers: int | None = None
) -> str:
    """Return the page as HTML: under 5 MB, whatever the number of images.

    Args:
        split: What the stage found.
        params: The section ``split``.
        limits: What one image may take.
        folder: What the paths in the manifest are relative to.
        workers: Processes that decode; default: one a processor.
    """
    split_cards = SplitCards(split, folder, params)
    drops, samples = list(split_cards.drops()), split_cards.samples()
    paired = [card for item in drops for gone, stays, _ in item["pairs"] for card in (gone, stays)]
    cards = [*paired, *(card for sample in samples.values() for card in sample)]
    counts = count_by(split.manifest, "split", PARTS, split.classes)
    sizes = {part: sum(counts[part].values()) for part in PARTS}
    stopping = failures(split.outcomes)
    figures = metrics(split)
    return render_page(
        "pixmill.split.page",
        "page.html",
        figures=figures,
        shrinkage=shrinkage(figures.get("given_test", {})),
        missing=split_cards.missing_tests(),
        outcomes=sorted(split.outcomes, key=lambda outcome: (outcome.success, outcome not in stopping)),
        stopped=bool(stopping),
        warned=any(not outcome.success for outcome in split.outcomes),
        parts=list(sizes.items()),
        total=sum(sizes.values()),
        classes=Excerpt(
            [(label, [counts[part][label] for part in PARTS]) for label in split.classes[:_ROWS]], len(split.classes)
        ),
        drops=drops,
        samples=samples,
        params=params,
        shop=bool((split.manifest["source"] == "shop").any()),
        uris=thumbnails((card.shown for card in cards), limits=limits, workers=workers),
    )


_PAIRS = 12
"""Dropped images of one reason that are shown with the one that stays."""

_SAMPLE = 18
"""Images of a part that are shown."""

_MISSING = 25
"""Given test images that were dropped, that are listed."""


def _reason(text: str) -> str:
    """Return a reason of the manifest in words, with the short id of the other image that it names."""
    word, _, other = text.partition(":")
    return word.replace("_", " ") + (f" with {other[:12]}" if other else "")


class SplitCard(NamedTuple):
    """What is shown of an image: its thumbnail, its short id, and lines of text."""

    shown: Thumbnail
    title: str
    lines: tuple[str, ...]


class SplitCards:
    """What the page shows of a split: cards of its images, and tables.

    Args:
        split: What the stage found.
        folder: What the paths in the manifest are relative to.
        params: The section ``split``.
    """

    def __init__(self, split: Split, folder: Path, params: SplitParams) -> None:
        self._split = split
        self._folder = folder
        self._params = params
        self._manifest = split.manifest
        self._index = pd.Index(split.manifest["id"].to_numpy(object))

    def drops(self) -> Iterator[dict[str, Any]]:
        """Yield what was dropped here, by reason.

        Each is ``reason``, ``meaning``, ``count`` and ``pairs``, the most alike first: some that were dropped, each
        with what stays because of it, and how alike they are (``None`` where the pixels are the same, or what they
        share is the group).
        """
        dropped = self._alike()
        for word, meaning in REASONS.items():
            rows = dropped[dropped["word"] == word]
            if rows.empty:
                continue
            first = rows.sort_values(["similarity", "id"], ascending=[False, True]).head(_PAIRS)
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
        """Return a random sample of each part as a model sees it, the same each time."""
        samples: dict[str, list[SplitCard]] = {}
        for part in PARTS:
            names = self._manifest.loc[self._manifest["split"] == part, "id"].to_numpy(object)
            # An id is a digest: its last digits are random, and nothing else depends on them.
            chosen = heapq.nsmallest(_SAMPLE, names, key=lambda name: str(name)[-16:])
            samples[part] = [self._model_card(str(name)) for name in chosen]
        return samples

    def missing_tests(self) -> Excerpt[tuple[str | None, ...]]:
        """Return the given test images that were dropped, with label, reason and file."""
        rows = given_test_rows(self._manifest)
        rows = rows[rows["reason"].notna()].sort_values(["reason", "id"])
        columns = rows[["id", "label", "reason", "image_url"]].astype(object).head(_MISSING)
        shown: list[tuple[str | None, ...]] = [
            (name[:12], None if pd.isna(label) else label, _reason(why), None if pd.isna(url) else shorten(url))
            for name, label, why, url in columns.itertuples(index=False)
        ]
        return Excerpt(shown, len(rows))

    def _alike(self) -> pd.DataFrame:
        """Return what was dropped here, with how alike it is to what stays; absent where they are no verified pair."""
        dropped = self._split.dropped
        sorted_ids = np.sort(dropped[["id", "other"]].to_numpy(str), axis=1)
        pairs = self._split.pairs
        pairs = pairs[pairs["a"].isin(sorted_ids[:, 0])].astype({"a": object, "b": object})
        keyed = dropped.assign(a=sorted_ids[:, 0].astype(object), b=sorted_ids[:, 1].astype(object))
        return keyed.merge(pairs, on=["a", "b"], how="left")

    def _card(self, name: str, fate: str = "") -> SplitCard:
        """Return an image as it came, with its fate: by default where it stays."""
        row = self._row(name)
        if not fate:
            fate = f"kept in {row['split']}" + ("" if pd.isna(row["fold"]) else f", fold {row['fold']}")
        url = row["page_url"] if pd.notna(row["page_url"]) else row["image_url"]
        lines = (row["label"], fate, f"{row['width']} \u00d7 {row['height']}", shorten(url) if pd.notna(url) else "")
        return SplitCard(self._thumbnail(row), name[:12], tuple(line for line in lines if line))

    def _model_card(self, name: str) -> SplitCard:
        """Return an image as a model sees it."""
        row, params = self._row(name), self._params
        return SplitCard(
            self._thumbnail(row, params.image_size, params.aspect, params.resize), name[:12], (row["label"],)
        )

    def _thumbnail(self, row: pd.Series, *shape: Any) -> Thumbnail:
        return Thumbnail(row["id"], self._folder / row["path"], int(row["width"] * row["height"]), *shape)

    def _row(self, name: str) -> pd.Series:
        row: pd.Series = self._manifest.iloc[self._index.get_loc(name)]
        return row
