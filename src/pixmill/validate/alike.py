"""Pictures that are alike: near-duplicates, placeholders, leaks, and files that were seen again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pixmill.report import shorten
from pixmill.validate.cards import CARDS, Card, Deck, Spread

__all__ = ["leaks", "near_duplicates", "placeholders", "repeated_files"]


def near_duplicates(deck: Deck, pairs: pd.DataFrame, across: pd.DataFrame) -> tuple[list[Spread], int]:
    """Return the groups of near-duplicates, and how many there are.

    Those with different labels come first, then the largest. A pair that joins two groups, where a chain was cut, is
    shown by itself if its labels differ.

    Args:
        deck: The pictures.
        pairs: The columns of :data:`pixmill.manifest.PAIRS`.
        across: Those of the pairs whose different labels a person should look at.
    """
    one, other, alike = deck.rows(pairs["a"]), deck.rows(pairs["b"]), pairs["similarity"].to_numpy(dtype=np.float64)
    groups = deck.rows(deck.manifest["group"])
    labels = deck.manifest["label"].to_numpy(dtype=object, na_value="")
    crossing = pd.MultiIndex.from_frame(pairs[["a", "b"]]).isin(pd.MultiIndex.from_frame(across[["a", "b"]]))
    joining = groups[one] != groups[other]
    sizes = np.bincount(groups[groups >= 0], minlength=len(groups))
    large = np.flatnonzero(sizes > 1)
    warned = np.isin(large, groups[one[crossing & ~joining]])
    loose = np.flatnonzero(crossing & joining)
    first = loose[np.argsort(-alike[loose], kind="stable")][:CARDS]
    spreads = [_spread(deck, [one[place], other[place]], pairs.iloc[[place]], crossing=True) for place in first]
    for place in np.lexsort((large, -sizes[large], ~warned)).tolist()[:CARDS]:
        members = np.flatnonzero(groups == large[place])
        within = pairs[np.isin(one, members) & np.isin(other, members)]
        # Of many members each label shows one first.
        turns = pd.Series(labels[members]).groupby(labels[members]).cumcount().to_numpy()
        order = members[np.lexsort((members, labels[members], turns))].tolist()
        spreads.append(_spread(deck, order, within, crossing=bool(warned[place])))
    spreads.sort(key=lambda spread: not spread.warning)
    return spreads[:CARDS], len(large) + len(loose)


def _spread(deck: Deck, rows: Sequence[int], pairs: pd.DataFrame, *, crossing: bool) -> Spread:
    """Return pictures side by side, each with how alike it is to that of the others which it is most like."""
    nearest = pd.concat([pairs.set_index(end)["similarity"] for end in ("a", "b")]).groupby(level=0).max()
    likeness = nearest.reindex(deck.manifest["id"].iloc[list(rows)]).to_numpy()
    low, high = pairs["similarity"].min(), pairs["similarity"].max()
    return deck.spread(
        f"{len(rows):,} pictures, {low:.4f}{f' to {high:.4f}' if high > low else ''} alike",
        rows,
        warning="under different labels" if crossing else "",
        facts=["" if np.isnan(value) or len(rows) == 2 else f"{value:.4f} like its nearest" for value in likeness],
        verdict=False,
    )


def placeholders(deck: Deck, repeated: pd.DataFrame) -> tuple[list[Card], int]:
    """Return the pictures that stand in the place of many, at the most addresses first, and how many there are.

    Args:
        deck: The pictures.
        repeated: The columns of :data:`pixmill.validate.findings.REPEATED`.
    """
    found = repeated[repeated["kind"] == "placeholder"]
    found = found.sort_values(["addresses", "pictures", "id"], ascending=[False, False, True])
    first = found.head(CARDS)
    cards = [
        deck.card(
            row,
            f"{_count(pictures, 'file', 'files')}, {_count(addresses, 'address', 'addresses')}",
            # A picture without a label of its own tells the labels that it came as anyhow.
            *([f"as {shorten(labels)}"] if deck.labelled[row] else []),
            verdict=True,
            everywhere=True,
        )
        for row, pictures, addresses, labels in zip(
            deck.rows(first["id"]).tolist(), first["pictures"], first["addresses"], first["labels"], strict=True
        )
    ]
    return cards, len(found)


def leaks(deck: Deck, found: pd.DataFrame) -> list[Spread]:
    """Return the first pictures that lie in two parts of a given split, each pair with both places.

    Args:
        deck: The pictures.
        found: The columns of :data:`pixmill.validate.findings.LEAKS`.
    """
    first = found.head(CARDS)
    rows = zip(deck.rows(first["id"]).tolist(), deck.rows(first["other"]).tolist(), strict=True)
    return [
        Spread(
            "The same file" if row == other else "The same pixels",
            [
                deck.card(row, f"in {leak.part}", place=str(leak.place)),
                deck.card(other, f"in {leak.other_part}", place=str(leak.other_place)),
            ],
        )
        for leak, (row, other) in zip(first.itertuples(index=False), rows, strict=True)
    ]


def repeated_files(deck: Deck) -> tuple[list[Card], int]:
    """Return files that were seen more than once, most often first, and how many there are."""
    often = np.flatnonzero(deck.times > 1)
    first = often[np.argsort(-deck.times[often], kind="stable")][:CARDS].tolist()
    return [deck.card(row, f"seen {deck.times[row]:,} times", everywhere=True) for row in first], len(often)


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"
