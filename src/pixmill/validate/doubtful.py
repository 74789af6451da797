"""Pictures that are kept though a person may not want them: the darkest, the blankest and so on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.params import ValidateParams
from pixmill.validate.cards import CARDS, Card, Deck, Rows

__all__ = ["Doubtful", "doubtful"]

_EXTREMES = 6
"""Pictures that are shown of a measure none of which is beyond its threshold: they help to choose one."""


@dataclass(frozen=True)
class Doubtful:
    """Hold kept pictures that are furthest out by one measure.

    Args:
        title: What they are.
        beyond: What it means to be beyond the threshold, in words.
        parameter: The key of ``params.yaml`` that holds the threshold.
        count: How many kept pictures are beyond it.
        settled: How many more of them a person decided to keep.
        above: How many of them are beyond an earlier measure's threshold too, and not shown again.
        cards: The furthest, furthest first; where some are beyond the threshold only such.
    """

    title: str
    beyond: str
    parameter: str
    count: int
    settled: int
    above: int
    cards: list[Card]

    @property
    def more(self) -> int:
        """How many beyond the threshold are not shown."""
        return self.count - self.above - len(self.cards) if self.count else 0


@dataclass(frozen=True)
class _Measure:
    """Say by what pictures are compared: ``values`` are smaller for the worse, those below ``least`` are too bad."""

    title: str
    beyond: str
    parameter: str
    values: npt.NDArray[np.float64]
    least: float
    told: str


def doubtful(deck: Deck, params: ValidateParams, *, decided: Collection[str] = ()) -> Iterator[Doubtful]:
    """Yield the extremes of each measure among the kept pictures.

    Args:
        deck: The pictures.
        params: The thresholds.
        decided: Ids of pictures that people decided to keep, which are not in doubt.
    """
    settled = np.zeros(len(deck.manifest), dtype=bool)
    found = deck.rows(sorted(decided))
    settled[found[found >= 0]] = True
    above = np.zeros_like(settled)
    for measure in _measures(deck, params):
        beyond = deck.kept & (measure.values < measure.least)
        bad = beyond & ~settled
        if bad.any():
            worst = _smallest(np.flatnonzero(bad & ~above), measure.values, CARDS)
        else:
            rows = np.flatnonzero(deck.kept & ~settled & ~np.isnan(measure.values))
            worst = _smallest(rows, measure.values, _EXTREMES)
        yield Doubtful(
            title=measure.title,
            beyond=measure.beyond,
            parameter=measure.parameter,
            count=int(bad.sum()),
            settled=int((beyond & settled).sum()),
            above=int((bad & above).sum()),
            cards=[deck.card(row, measure.told.format(abs(measure.values[row]))) for row in worst],
        )
        above |= bad


def _measures(deck: Deck, params: ValidateParams) -> Iterator[_Measure]:
    column = {
        name: deck.manifest[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in ("brightness", "sharpness", "entropy", "aspect_ratio")
    }
    dark, blurred, blank = params.dark.min_brightness, params.blurred.min_sharpness, params.blank.min_entropy
    most = params.aspect_ratio.max_ratio
    yield _Measure(
        "Dark",
        f"of a brightness below {dark:g}",
        "validate.dark.min_brightness",
        column["brightness"],
        dark,
        "brightness {:.1f}",
    )
    yield _Measure(
        "Blank",
        f"of an entropy below {blank:g} bits",
        "validate.blank.min_entropy",
        column["entropy"],
        blank,
        "entropy {:.2f} bits",
    )
    yield _Measure(
        "Blurred",
        f"of a sharpness below {blurred:g}",
        "validate.blurred.min_sharpness",
        column["sharpness"],
        blurred,
        "sharpness {:.1f}",
    )
    ratio = column["aspect_ratio"]
    # The longer side by the shorter, negative: the longest picture is the smallest.
    long = -np.maximum(ratio, 1 / np.where(ratio > 0, ratio, np.nan))
    yield _Measure(
        "Long and narrow",
        f"more than {most:g} times as long as wide",
        "validate.aspect_ratio.max_ratio",
        long,
        -most,
        "{:.3g} times as long as wide",
    )


def _smallest(rows: Rows, values: npt.NDArray[np.float64], count: int) -> list[int]:
    """Return the rows of the smallest values, the first of equal ones."""
    smallest: list[int] = rows[np.argsort(values[rows], kind="stable")[:count]].tolist()
    return smallest
