"""The search for wrong labels in all parts at once: packed pictures in, a ranking out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.labels import LABELS, rank_labels
from pixmill.evaluate.labels_folds import FEWEST, held_out_probabilities
from pixmill.params import BackboneParams
from pixmill.parts import Part, PartName, Shards

__all__ = ["Doubt", "Features", "find_label_errors", "first_doubts", "seen_features"]

_LEAST, _MOST = 112, 224
"""Side of the pictures that the backbone sees, in pixels: on smaller ones than the least it hardly tells classes apart,
and on larger ones than the most, for which it was made, it is only slower."""

Features = Callable[[Sequence[Part]], npt.NDArray[np.float32]]
"""Takes parts; gives the features of their pictures, shape (pictures, features), in the order of parts and rows."""


@dataclass(frozen=True)
class Doubt:
    """Hold one picture whose label is likely wrong.

    Args:
        id: The picture's id.
        label: The label that it has.
        suggested: The class that it more likely shows.
        score: How well the label fits, from 0 (surely wrong) to 1.
        split: The part that it is in.
        pixels: The picture as the model saw it, ``uint8`` of shape (side, side, 3).
    """

    id: str
    label: str
    suggested: str
    score: float
    split: str
    pixels: npt.NDArray[np.uint8]


def find_label_errors(
    parts: Sequence[Part], labels: Sequence[str], features: Features, *, threads: int
) -> pd.DataFrame:
    """Return the columns of :data:`pixmill.evaluate.labels.LABELS`, one row a picture, sorted by id.

    Pictures of a class with fewer than :data:`pixmill.evaluate.labels_folds.FEWEST` groups are left out, and all where
    fewer than two classes remain: of those nothing can be said.

    Args:
        parts: The packed parts; all are searched, since a wrong label harms in each.
        labels: The classes' names.
        features: What the pictures are told apart by.
        threads: Threads that compute; part of the result.
    """
    rows = pd.concat([part.rows.assign(split=part.name) for part in parts], ignore_index=True)
    targets = np.concatenate([part.targets for part in parts]).astype(np.int64)
    sizes = rows.groupby(targets)["cluster"].nunique()
    known = [place for place in range(len(labels)) if sizes.get(place, 0) >= FEWEST]
    if len(known) < 2:
        return pd.DataFrame({field.name: pd.Series(dtype=field.type.to_pandas_dtype()) for field in LABELS})
    seen, chosen = features(parts), np.isin(targets, known)
    rows, targets = rows[chosen].reset_index(drop=True), np.searchsorted(known, targets[chosen])
    if not chosen.all():
        # Only then: it is a copy of features that may lie in a file.
        seen = seen[chosen]
    probabilities = held_out_probabilities(seen, targets, rows["cluster"].tolist(), len(known), threads=threads)
    return rank_labels(rows, targets, probabilities, [labels[place] for place in known])


def first_doubts(ranking: pd.DataFrame, parts: Mapping[PartName, Part], *, limit: int) -> list[Doubt]:
    """Return the likeliest wrong labels with their pictures, in the order of their ranks.

    Args:
        ranking: As :func:`find_label_errors` returns it.
        parts: The packed parts by name, which have the pixels.
        limit: The most to return.
    """
    found = ranking[ranking["suggested"].notna()].sort_values("rank").head(limit)
    place = {
        name: {picture: row for row, picture in enumerate(parts[name].rows["id"])} for name in found["split"].unique()
    }
    return [
        Doubt(
            id=row["id"],
            label=row["label"],
            suggested=row["suggested"],
            score=float(row["score"]),
            split=row["split"],
            pixels=np.asarray(parts[row["split"]].pixels[place[row["split"]][row["id"]]]),
        )
        for row in found.to_dict("records")
    ]


def seen_features(*, scratch: Path, threads: int) -> Features:
    """Return what gives the features of the bundled backbone, from the scratch folder where they are known.

    Args:
        scratch: Where features are kept.
        threads: Threads that compute; part of the result.
    """

    def seen(parts: Sequence[Part]) -> npt.NDArray[np.float32]:
        from pixmill.backbones import features

        # Shards of shards: what indexes like an array is one to them.
        pixels = Shards([part.pixels for part in parts])  # type: ignore[misc]
        size = int(np.clip(pixels.shape[1], _LEAST, _MOST))
        seeing = BackboneParams(image_size=None if size == pixels.shape[1] else size)
        ids = [str(name) for part in parts for name in part.rows["id"]]
        return features(pixels, ids, seeing, scratch=scratch, threads=threads)

    return seen
