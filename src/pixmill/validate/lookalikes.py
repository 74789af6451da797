"""Look-alikes: different images that near-duplicate detection takes for copies, such as parts before a fixed camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.expectations import Check
from pixmill.core.params import Severity
from pixmill.images.likeness.similarity import Compared, correlations

LOOKALIKES = ("found", "similarity", "apart")

_ACROSS, _PAIRS = 0.2, 10
"""Share and count of near-duplicate pairs with different labels from which on they are no mistakes of single labels: of
copies on the web, a few percent are mislabelled."""

_MOST, _OTHERS = 0.5, 5
"""Share of images that resemble others from which on a set shows one scene, and how many others each of them resembles
(median): where every image was saved twice, it is one."""

_SAMPLE = 1000
"""Images among very many near-duplicates that are compared with each other: their pairs are not all known."""

_APART = 0.95
"""Share of the images that the suggested similarity keeps apart from all others; the rest may be copies."""

_HIGHEST = 0.9999
"""The highest similarity that is suggested; similarities have four decimals."""

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
    """Return the signs that near-duplicates are different images, and the similarity that tells them apart.

    Args:
        pairs: See :func:`pixmill.validate.tables.pair_table`.
        repeats: See :class:`pixmill.images.likeness.groups.VerifiedPairs`.
        labels: The label of each image; ``None`` where it has none.
        greys: Small greys of all images, of shape (n, 32, 32).
        kept: How many images were compared.
        similarity: ``validate.duplicate_similarity``.

    Returns:
        :data:`LOOKALIKES`, one row a sign: what was ``found``, as a clause; the ``similarity`` to set; and the share of
        the images that are then ``apart`` from those that they resembled. Pairs that no similarity tells apart are
        copies, and no sign.
    """
    some = _pairs_among(np.unique(repeats)[:_SAMPLE], labels, greys, similarity)
    every = pd.concat([pairs.astype({"a": object, "b": object}), some], ignore_index=True)
    across = every["label_a"] != every["label_b"]
    ends = pd.concat([pairs["a"], pairs["b"]]).value_counts()
    alike = len(ends) + len(np.unique(repeats))
    others = np.median([*ends, *np.full(len(repeats), _OTHERS)]) if alike else 0
    rows = []
    if across.sum() >= _PAIRS and across.mean() >= _ACROSS:
        clause = f"{across.mean():.0%} of the near-duplicate pairs have different labels"
        rows.append((clause, *_similarity(every[across])))
    if alike >= _MOST * kept and others >= _OTHERS:
        clause = f"{alike:,} of {kept:,} images are near-duplicates of another"
        rows.append((clause, *_similarity(every)))
    found = pd.DataFrame(rows, columns=list(LOOKALIKES))
    return found[found["apart"] >= 0.5].reset_index(drop=True)


def _pairs_among(
    rows: Indices, labels: npt.NDArray[np.object_], greys: npt.NDArray[np.uint8], similarity: float
) -> pd.DataFrame:
    """Return the pairs among some images that are alike as they are: their rows, similarity and labels."""
    compared = Compared(greys[rows])
    scores = correlations(compared, compared)
    one, other = np.nonzero(np.triu(scores >= similarity, 1))
    named = labels[rows]
    ends = {"a": rows[one].astype(object), "b": rows[other].astype(object)}
    return pd.DataFrame(ends | {"similarity": scores[one, other], "label_a": named[one], "label_b": named[other]})


def _similarity(pairs: pd.DataFrame) -> tuple[float, float]:
    """Return the least similarity at which nearly all images are in no pair, and the share of them that are not."""
    ends = pd.concat([pairs.set_index(end)["similarity"] for end in ("a", "b")])
    nearest = ends.groupby(level=0, sort=False).max()
    least = min(_HIGHEST, round(float(nearest.quantile(_APART, interpolation="higher")) + 0.0001, 4))
    return least, float((nearest < least).mean())


def lookalikes_check(severity: Severity) -> Check:
    """Return the check that near-duplicates are copies.

    Args:
        severity: What a failure does.
    """
    return Check(
        # As that of labels: both say that near-duplicates are not what they should be.
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
    """Return what to do about look-alikes, as a clause.

    Args:
        lookalikes: See :func:`find_lookalikes`; at least one row.
        where: Where the near-duplicates are shown.
    """
    best: dict[Any, Any] = lookalikes.sort_values("similarity").iloc[-1].to_dict()
    return (
        f"if the near-duplicates{where} are different images that look alike, as before a fixed camera, set "
        f"validate.duplicate_similarity: {best['similarity']:g}, which keeps {best['apart']:.0%} of them apart"
    )
