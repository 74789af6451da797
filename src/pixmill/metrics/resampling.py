"""Parts drawn again, group by group: the common ground of every interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["SEED", "group_numbers", "group_weights", "percentiles"]

SEED = 20170401
"""Any fixed number: the same pictures give the same draws on every machine."""

_CELLS = 4_000_000
"""Numbers that are held at a time, 32 MB, however many groups or draws there are."""


def group_numbers(groups: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return each picture's group as a number from 0, in the order of the groups' names.

    Args:
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
    """
    _, numbers = np.unique(np.asarray(groups), return_inverse=True)
    return numbers


def group_weights(groups: int, draws: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield how often each group was drawn: arrays of shape (groups, some draws), with ``draws`` columns in all.

    As many groups are drawn, with replacement, as there are. The draws follow from the two numbers alone, so that two
    models that saw the same pictures are measured on the same draws.

    Args:
        groups: How many groups there are.
        draws: How often to draw.
    """
    generator = np.random.Generator(np.random.PCG64(SEED))
    most = int(np.clip(_CELLS // groups, 1, 64))
    for start in range(0, draws, most):
        count = min(most, draws - start)
        drawn = generator.integers(groups, size=(count, groups)) * count + np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=groups * count).reshape(groups, count).astype(np.float64)


def percentiles(drawn: npt.NDArray[np.float64], confidence: float) -> tuple[float, float] | None:
    """Return the limits that hold a share of the draws, or ``None`` where no draw has a value.

    Args:
        drawn: A figure of each draw; not-a-number where that draw leaves it undefined.
        confidence: Share of the draws between the limits, > 0 and < 1, such as 0.95.
    """
    defined = drawn[~np.isnan(drawn)]
    if defined.size == 0:
        return None
    low, high = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
