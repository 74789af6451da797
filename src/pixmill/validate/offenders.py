"""The pictures that were dropped, by reason: how many, of which class, from where, and a look at some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pixmill.report import shorten
from pixmill.validate.cards import CARDS, Card, Deck, Rows, Spread
from pixmill.validate.reasons import REASONS, meaning

__all__ = ["Offenders", "dropped_by_class", "offenders"]

_BESIDE = ("label_conflict", "repeated", "duplicate_pixels")
"""Reasons that rest on other pictures, which stand beside."""

_ELSEWHERE = ("placeholder", "leak")
"""Reasons whose pictures have a section of their own on the page."""

_ORIGINS = 4
"""Hosts and folders that are named."""

_NO_LABEL = "several labels"

_ORIGIN = r"(?i)^(?:[a-z]+://(?P<host>[^/?#]*)|(?P<folder>.*)/)"


@dataclass(frozen=True)
class Offenders:
    """Hold the pictures that were dropped for one reason.

    Args:
        reason: The word.
        meaning: What it means.
        count: How many there are.
        origins: The hosts and folders that most of them came from, each with how many.
        elsewhere: How many came from others.
        cards: Some of them, where each stands for itself. Placeholders and leaks are dealt in :mod:`.alike`.
        spreads: Some of them beside the pictures that the reason names, the largest sets first.
        more: How many cards or sets are not shown.
    """

    reason: str
    meaning: str
    count: int
    origins: list[tuple[str, int]]
    elsewhere: int
    cards: list[Card]
    spreads: list[Spread]
    more: int


def offenders(deck: Deck) -> Iterator[Offenders]:
    """Yield what was dropped, by reason in the order of the vocabulary."""
    words = deck.words.to_numpy(dtype=object)
    for name in REASONS:
        rows = np.flatnonzero(words == name)
        if not len(rows):
            continue
        cards: list[Card] = []
        spreads: list[Spread] = []
        if name in _ELSEWHERE:
            count = 0
        elif name in _BESIDE:
            sets, count = _sets(rows, deck.others[rows] if name == "repeated" else None, deck)
            spreads = [deck.spread(_title(name, len(members)), members) for members in sets]
        else:
            cards, count = [deck.card(row) for row in rows[:CARDS].tolist()], len(rows)
        origins = _origins(deck.manifest.iloc[rows])
        yield Offenders(
            reason=name,
            meaning=meaning(name),
            count=len(rows),
            origins=origins,
            elsewhere=len(rows) - sum(n for _, n in origins),
            cards=cards,
            spreads=spreads,
            more=count - len(cards) - len(spreads),
        )


def dropped_by_class(deck: Deck) -> pd.DataFrame:
    """Return how many pictures were dropped: one row a class, one column a reason in the order of the vocabulary.

    The rows are sorted by label; last come those without one, as :data:`_NO_LABEL`.
    """
    dropped = pd.DataFrame({"label": deck.manifest["label"].astype(object), "reason": deck.words})[~deck.kept]
    labels = dropped["label"].where(dropped["label"].notna(), None)
    table = dropped.groupby([labels, "reason"], dropna=False).size().unstack(fill_value=0)
    table = table.reindex(columns=[name for name in REASONS if name in table.columns])
    order = sorted(table.index, key=lambda label: (pd.isna(label), str(label)))
    table = table.reindex(order)
    table.index = pd.Index([_NO_LABEL if pd.isna(label) else shorten(label) for label in order], dtype=object)
    return table


def _sets(rows: Rows, leaders: Rows | None, deck: Deck) -> tuple[list[list[int]], int]:
    """Return the sets that offenders make with the pictures that they resemble, and how many there are.

    The largest sets come first; within one what is kept, then by id.

    Args:
        rows: The offenders.
        leaders: The picture that each of them belongs to; by default they belong to those with the same pixels.
        deck: The pictures.
    """
    if leaders is None:
        # What has no pixels is like nothing else.
        table = deck.manifest[["width", "height"]].assign(pixels=deck.manifest["pixels"].fillna(deck.manifest["id"]))
        involved = table[table["pixels"].isin(table["pixels"].iloc[rows])]
        parts = involved.groupby(["pixels", "width", "height"], sort=False, dropna=False).ngroup().to_numpy()
        members = involved.index.to_numpy()
    else:
        first = np.unique(leaders)
        members, parts = np.append(rows, first), np.searchsorted(first, np.append(leaders, first))
    offending = np.unique(parts[np.isin(members, rows)])
    sizes = np.bincount(parts)
    largest = offending[np.argsort(-sizes[offending], kind="stable")][:CARDS]
    sets = [members[parts == part] for part in largest]
    return [some[np.lexsort((some, ~deck.kept[some]))].tolist() for some in sets], len(offending)


def _title(name: str, members: int) -> str:
    if members == 1:
        return "The same file under several labels"
    return f"{members:,} near-duplicates" if name == "repeated" else f"{members:,} pictures with the same pixels"


def _origins(rows: pd.DataFrame) -> list[tuple[str, int]]:
    """Return the hosts of URLs and the folders of files that most rows came from."""
    places = rows["image_url"].fillna(rows["page_url"]).astype(object)
    found = places.where(places.notna(), "").str.extract(_ORIGIN)
    counts = found["host"].fillna(found["folder"]).value_counts()
    first = sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))
    return [(shorten(str(name)), int(count)) for name, count in first[:_ORIGINS]]
