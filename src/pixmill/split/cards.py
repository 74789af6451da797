"""What the stage's page shows: pairs side by side, samples, places, groups."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pixmill.params import SplitParams
from pixmill.parts import PARTS
from pixmill.report import shorten
from pixmill.report.thumbnails import Shown
from pixmill.split.reasons import REASONS
from pixmill.split.splitting import Split

__all__ = ["Card", "Deck", "Lost", "Meeting"]

_MEETINGS = 12
"""Dropped pictures of one reason that are shown with the one that stays."""

_SAMPLE = 18
"""Pictures of a part that are shown."""

_PLACES = 25
"""Places that pictures came from, and groups, that are listed."""


@dataclass(frozen=True)
class Card:
    """Hold what is shown of a picture: how it is drawn, its short id, and lines of text."""

    shown: Shown
    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Meeting:
    """Hold a picture that was dropped, the one that stays because of which it was, and how alike they are.

    Args:
        gone: The picture that was dropped.
        stays: The one that stays.
        similarity: From 0 to 1; ``None`` where the pixels are the same, or what they share is the group.
    """

    gone: Card
    stays: Card
    similarity: float | None


@dataclass(frozen=True)
class Lost:
    """Hold what was dropped for one reason.

    Args:
        reason: The word.
        meaning: What it means.
        count: How many pictures.
        meetings: Some of them.
    """

    reason: str
    meaning: str
    count: int
    meetings: list[Meeting]


class Deck:
    """Deal the cards of a split.

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

    def lost(self) -> Iterator[Lost]:
        """Yield what was dropped here, by reason, the most alike first."""
        dropped = self._alike()
        for word, meaning in REASONS.items():
            rows = dropped[dropped["word"] == word]
            if rows.empty:
                continue
            first = rows.sort_values(["similarity", "id"], ascending=[False, True]).head(_MEETINGS)
            meetings = [
                Meeting(
                    self._card(row["id"], f"dropped from {row['part']}"),
                    self._card(row["other"]),
                    None if pd.isna(row["similarity"]) else float(row["similarity"]),
                )
                for row in first.to_dict("records")
            ]
            yield Lost(word, meaning, len(rows), meetings)

    def samples(self) -> dict[str, list[Card]]:
        """Return a random sample of each part as a model sees it, the same each time."""
        samples: dict[str, list[Card]] = {}
        for part in PARTS:
            names = self._manifest.loc[self._manifest["split"] == part, "id"].to_numpy(object)
            # An id is a digest: its last digits are as good as dice, and nothing else hangs on them.
            chosen = heapq.nsmallest(_SAMPLE, names, key=lambda name: str(name)[-16:])
            samples[part] = [self._sampled(str(name)) for name in chosen]
        return samples

    def places(self) -> tuple[list[tuple[str | int, ...]], int]:
        """Return how many pictures of each part came from where, most first, and how many more places there are."""
        kept = self._manifest[self._manifest["split"].notna()]
        url = kept["page_url"].astype(object).where(kept["page_url"].notna(), kept["image_url"].astype(object))
        host = url.astype("string").str.extract(r"^[a-zA-Z]+://(?:[^/?#]*@)?([^/?#]+)")[0]
        place = kept["source"].astype("string").str.cat(host, sep=" · ").fillna(kept["source"].astype("string"))
        sizes = kept.groupby([place, "split"]).size().to_dict()
        sums = place.value_counts().to_dict()
        order = sorted((str(name) for name in sums), key=lambda name: (-sums[name], name))
        rows: list[tuple[str | int, ...]] = [
            (shorten(name), *(int(sizes.get((name, part), 0)) for part in PARTS)) for name in order[:_PLACES]
        ]
        return rows, max(0, len(order) - _PLACES)

    def groups(self) -> tuple[list[tuple[str, str, int]], int]:
        """Return the largest groups with their part and size, and how many more there are of two pictures or more."""
        if self._split.groups is None:
            return [], 0
        kept = self._manifest[self._manifest["split"].notna()]
        table = pd.DataFrame(
            {"group": self._split.groups[kept.index].to_numpy(object), "part": kept["split"].to_numpy(object)}
        )
        sizes = table.dropna().groupby(["group", "part"]).size()
        several = sizes[sizes > 1].reset_index(name="n").sort_values(["n", "group"], ascending=[False, True])
        first = several.head(_PLACES)
        rows = [(shorten(group), part, int(n)) for group, part, n in first.itertuples(index=False)]
        return rows, len(several) - len(rows)

    def _alike(self) -> pd.DataFrame:
        """Return what was dropped here, with how alike it is to what stays; absent where they are no verified pair."""
        dropped = self._split.dropped
        sorted_ids = np.sort(dropped[["id", "other"]].to_numpy(str), axis=1)
        pairs = self._split.pairs
        pairs = pairs[pairs["a"].isin(sorted_ids[:, 0])].astype({"a": object, "b": object})
        keyed = dropped.assign(a=sorted_ids[:, 0].astype(object), b=sorted_ids[:, 1].astype(object))
        return keyed.merge(pairs, on=["a", "b"], how="left")

    def _card(self, name: str, fate: str = "") -> Card:
        """Return a picture as it came, with its fate: by default where it stays."""
        row = self._row(name)
        if not fate:
            fate = f"stays in {row['split']}" + ("" if pd.isna(row["fold"]) else f", fold {row['fold']}")
        url = row["page_url"] if pd.notna(row["page_url"]) else row["image_url"]
        lines = (row["label"], fate, f"{row['width']} \u00d7 {row['height']}", shorten(url) if pd.notna(url) else "")
        shown = Shown(name, self._folder / row["path"], int(row["width"] * row["height"]))
        return Card(shown, name[:12], tuple(line for line in lines if line))

    def _sampled(self, name: str) -> Card:
        """Return a picture as a model sees it."""
        row, params = self._row(name), self._params
        shape = (params.image_size, params.aspect, params.resize)
        shown = Shown(name, self._folder / row["path"], int(row["width"] * row["height"]), *shape)
        return Card(shown, name[:12], (row["label"],))

    def _row(self, name: str) -> pd.Series:
        row: pd.Series = self._manifest.iloc[self._index.get_indexer(pd.Index([name]))[0]]
        return row
