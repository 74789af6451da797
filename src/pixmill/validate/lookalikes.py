"""Look-alikes: different images detected as near-duplicates, such as parts before a fixed camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.expectations import Check
from pixmill.core.params import Severity
from pixmill.images.likeness.similarity import Compared, correlations

LOOKALIKES = ("found", "similarity", "apart")

_MIN_ACROSS_SHARE, _MIN_ACROSS_PAIRS = 0.2, 10
"""Share and number of near-duplicate pairs with different labels that indicate look-alikes; wrong labels explain a few
percent."""

_MIN_ALIKE_SHARE, _MIN_ALIKE_OTHERS = 0.5, 5
"""Share of images with near-duplicates, and their median number per image, that indicate a single scene."""

_MAX_SAMPLE = 1000
"""Number of images compared with each other among very many near-duplicates, whose pairs are not all known."""

_SEPARATED_SHARE = 0.95
"""Share of the images that the suggested similarity separates from all others; the rest may be copies."""

_MAX_SIMILARITY = 0.9999
"""Maximum suggested similarity; similarities have four decimals."""

Indices = npt.NDArray[np.int64]


def find_lookalikes(
    pairs: pd.DataFrame,
    repeats: Indices,
    *,
    labels: npt.NDArray[np.object_],
    greys: npt.NDArray[np.uint8],
    kept: int,
    similarity: float,
) -> pd.DataFrame:
    """Return signs that near-duplicates are different images, with a similarity that separates them.

    Args:
        pairs: See :func:`pixmill.validate.tables.pair_table`.
        repeats: See :class:`pixmill.images.likeness.groups.VerifiedPairs`.
        labels: Label of each image; ``None`` if it has none.
        greys: Small greyscale versions of all images, shape (n, 32, 32).
        kept: Number of compared images.
        similarity: ``validate.duplicate_similarity``.

    Returns:
        :data:`LOOKALIKES`, one row per sign: ``found``, a clause; ``similarity``, the suggested setting; ``apart``, the
        share of images without near-duplicates at that setting. Pairs that no similarity separates are copies.
    """
    some = _pairs_among(np.unique(repeats)[:_MAX_SAMPLE], labels, greys, similarity)
    every = pd.concat([pairs.astype({"a": object, "b": object}), some], ignore_index=True)
    across = every["label_a"] != every["label_b"]
    ends = pd.concat([pairs["a"], pairs["b"]]).value_counts()
    alike = len(ends) + len(np.unique(repeats))
    others = np.median([*ends, *np.full(len(repeats), _MIN_ALIKE_OTHERS)]) if alike else 0
    rows = []
    if across.sum() >= _MIN_ACROSS_PAIRS and across.mean() >= _MIN_ACROSS_SHARE:
        clause = f"{across.mean():.0%} of the near-duplicate pairs have different labels"
        rows.append((clause, *_similarity(every[across])))
    if alike >= _MIN_ALIKE_SHARE * kept and others >= _MIN_ALIKE_OTHERS:
        clause = f"{alike:,} of {kept:,} images are near-duplicates of another"
        rows.append((clause, *_similarity(every)))
    found = pd.DataFrame(rows, columns=list(LOOKALIKES))
    return found[found["apart"] >= 0.5].reset_index(drop=True)


def _pairs_among(
    rows: Indices, labels: npt.NDArray[np.object_], greys: npt.NDArray[np.uint8], similarity: float
) -> pd.DataFrame:
    """Return the pairs of similar images among some rows, without mirroring: rows, similarity and labels."""
    compared = Compared(greys[rows])
    scores = correlations(compared, compared)
    one, other = np.nonzero(np.triu(scores >= similarity, 1))
    named = labels[rows]
    ends = {"a": rows[one].astype(object), "b": rows[other].astype(object)}
    return pd.DataFrame(ends | {"similarity": scores[one, other], "label_a": named[one], "label_b": named[other]})


def _similarity(pairs: pd.DataFrame) -> tuple[float, float]:
    """Return the smallest similarity at which nearly all images are in no pair, and the share of such images."""
    ends = pd.concat([pairs.set_index(end)["similarity"] for end in ("a", "b")])
    nearest = ends.groupby(level=0, sort=False).max()
    least = min(_MAX_SIMILARITY, round(float(nearest.quantile(_SEPARATED_SHARE, interpolation="higher")) + 0.0001, 4))
    return least, float((nearest < least).mean())


def lookalikes_check(severity: Severity) -> Check:
    """Return the check that near-duplicates are copies.

    Args:
        severity: Severity of a failure.
    """
    return Check(
        # Shared with the check of labels across near-duplicates.
        name="near_duplicates",
        table="lookalikes",
        expectation="ExpectTableRowCountToBeBetween",
        kwargs={"max_value": 0},
        severity=severity,
        parameters=("validate.duplicate_similarity",),
        wanted="copies only",
        describe=lambda _, rows: list(rows["found"]) or ["no sign of look-alikes among the near-duplicates"],
        advise=lambda _, rows: advice(rows),
    )


def advice(lookalikes: pd.DataFrame, *, where: str = " in reports/validate.html") -> str:
    """Return advice on look-alikes as a clause.

    Args:
        lookalikes: See :func:`find_lookalikes`; at least one row.
        where: Phrase for the place where the near-duplicates are shown.
    """
    best: dict[Any, Any] = lookalikes.sort_values("similarity").iloc[-1].to_dict()
    return (
        f"if the near-duplicates{where} are different images that look alike, as before a fixed camera, set "
        f"validate.duplicate_similarity: {best['similarity']:g}, which keeps {best['apart']:.0%} of them apart"
    )
