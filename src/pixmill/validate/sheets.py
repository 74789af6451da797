"""A random sheet of each class, the same each time: what the gate cannot see, a person sees at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pixmill.validate.cards import Card, Deck

__all__ = ["SHEETS", "sheets"]

SHEETS = 300
"""Classes of which a sheet is shown."""

_ALL, _LEAST, _MOST = 600, 2, 32
"""Pictures of all sheets together, and bounds for one."""


def sheets(deck: Deck, labels: Sequence[str]) -> dict[str, list[Card]]:
    """Return a random sample of each class's kept pictures.

    Args:
        deck: The pictures.
        labels: The classes; of many the first ones have a sheet.
    """
    shown = list(labels[:SHEETS])
    size = min(_MOST, max(_LEAST, _ALL // max(1, len(shown))))
    rows = np.flatnonzero(deck.kept)
    # An id is a digest: its last digits are as good as dice, and nothing else hangs on them.
    dice = np.array(deck.manifest["id"].iloc[rows].str[-16:].to_numpy(dtype=object), dtype="S16")
    drawn = rows[np.argsort(dice, kind="stable")]
    by_label = pd.Series(drawn).groupby(deck.manifest["label"].iloc[drawn].to_numpy(dtype=object)).head(size)
    chosen = by_label.groupby(deck.manifest["label"].iloc[by_label].to_numpy(dtype=object)).agg(list)
    return {label: [deck.card(row) for row in chosen.get(label, [])] for label in shown}
