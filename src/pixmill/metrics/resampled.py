"""Every figure of a part, drawn again and again: what intervals and paired differences are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pixmill.metrics.calibration import confidence_gaps
from pixmill.metrics.probabilities import losses, normalised
from pixmill.metrics.ranking import Ranking, rankings
from pixmill.metrics.resampling import group_numbers, group_weights
from pixmill.metrics.scores import among_top

__all__ = ["Resampled", "resampled_scores"]

Drawn = npt.NDArray[np.float64]

_WORK = 20_000_000_000
"""Pictures times classes times draws above which fewer draws are made: they take minutes, and the limits are narrow."""

_FEWEST = 1000
"""At least so many draws are made, where so many are asked for."""

_AT_ONCE = 20_000_000
"""Pictures times classes whose order is held at a time, 240 MB."""


@dataclass(frozen=True)
class Resampled:
    """Hold figures of each draw; not-a-number where a draw leaves one undefined.

    Args:
        overall: By name as of :func:`pixmill.metrics.scores`, each of shape (draws,).
        per_class: ``precision``, ``recall`` and ``f1``, each of shape (classes, draws).
    """

    overall: dict[str, Drawn]
    per_class: dict[str, Drawn]


def resampled_scores(
    actual: npt.NDArray[np.integer],
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike,
    *,
    draws: int,
    top_k: int | None = None,
) -> Resampled:
    """Return the figures of a part, with its groups drawn anew each time.

    Each is a function of sums over groups, so that a draw costs a product of matrices. The draws follow from the number
    of groups alone: of two models on the same pictures, draw i is the same pictures.

    Sources: Davison and Hinkley, "Bootstrap Methods and their Application", 1997, section 3.8 (clusters).

    Args:
        actual: Class indices, shape (pictures,), at least one.
        probabilities: Shape (pictures, classes).
        groups: Each picture's group, shape (pictures,); pictures that are alike share one.
        draws: How often to draw; less often, but at least a thousand times, where pictures, classes and draws multiply
            to more than 20 thousand million.
        top_k: As of :func:`pixmill.metrics.scores`.
    """
    values = normalised(probabilities)
    group_of = group_numbers(groups)
    draws = min(draws, max(_FEWEST, _WORK // values.size))
    counted, per_class = _counted(actual, values, group_of, draws=draws, top_k=top_k)
    return Resampled(counted | _ranked(actual, values, group_of, draws=draws), per_class)


def _counted(
    actual: npt.NDArray[np.integer],
    values: Drawn,
    group_of: npt.NDArray[np.intp],
    *,
    draws: int,
    top_k: int | None,
) -> tuple[dict[str, Drawn], dict[str, Drawn]]:
    from scipy.sparse import csr_array

    classes, groups = values.shape[1], int(group_of.max()) + 1
    predicted = values.argmax(axis=1)
    right = predicted == actual
    bin_of, gap, bins = confidence_gaps(actual, values)
    tops = {} if top_k is None or top_k >= classes else {f"top_{top_k}_accuracy": among_top(actual, values, top_k)}
    # Rows of the sums: one each for the pictures, what was right, the loss, ...; a row a bin; three a class.
    single = [np.ones(len(actual)), right, losses(actual, values), *tops.values()]
    starts = np.cumsum([len(single), bins, classes, classes])
    everyone = np.ones(len(actual))
    entries = [
        *((np.full(len(actual), row), np.asarray(column, np.float64)) for row, column in enumerate(single)),
        (starts[0] + bin_of, gap),
        (starts[1] + actual, right.astype(np.float64)),
        (starts[2] + actual, everyone),
        (starts[3] + predicted, everyone),
    ]
    rows, data = (np.concatenate(column) for column in zip(*entries, strict=True))
    sums = csr_array((data, (rows, np.tile(group_of, len(entries)))), shape=(starts[3] + classes, groups))

    overall: dict[str, list[Drawn]] = {}
    per_class: dict[str, list[Drawn]] = {}
    for weights in group_weights(groups, draws):
        alone, gaps, hits, support, claims = np.split(sums @ weights, starts)
        n = alone[0]
        with np.errstate(invalid="ignore"):
            found = {"precision": hits / claims, "recall": hits / support, "f1": 2 * hits / (support + claims)}
        figures = {
            "accuracy": alone[1] / n,
            "balanced_accuracy": _mean_defined(found["recall"]),
            "macro_f1": _mean_defined(found["f1"]),
            "weighted_f1": np.nansum(found["f1"] * support, axis=0) / n,
            "log_loss": alone[2] / n,
            "ece": np.abs(gaps).sum(axis=0) / n,
            **{name: alone[3 + place] / n for place, name in enumerate(tops)},
        }
        for name, values_of in figures.items():
            overall.setdefault(name, []).append(values_of)
        for name, values_of in found.items():
            per_class.setdefault(name, []).append(values_of)
    return (
        {name: np.concatenate(chunks) for name, chunks in overall.items()},
        {name: np.concatenate(chunks, axis=1) for name, chunks in per_class.items()},
    )


def _ranked(
    actual: npt.NDArray[np.integer], values: Drawn, group_of: npt.NDArray[np.intp], *, draws: int
) -> dict[str, Drawn]:
    groups = int(group_of.max()) + 1
    sums = {name: np.zeros(draws) for name in ("roc_auc", "pr_auc")}
    counts = {name: np.zeros(draws) for name in sums}
    for block in _blocks(actual, values, group_of, groups):
        start = 0
        # Drawn anew for each block of classes: the same draws, and never more than one block's order in memory.
        for weights in group_weights(groups, draws):
            drawn = slice(start, start + weights.shape[1])
            for column, ranking in block:
                roc, average = ranking.areas(weights)
                areas = {"roc_auc": roc, "pr_auc": average}
                if values.shape[1] == 2 and column == 0:
                    # The curve of the first of two classes is that of the second, mirrored.
                    del areas["roc_auc"]
                for name, area in areas.items():
                    sums[name][drawn] += np.nan_to_num(area)
                    counts[name][drawn] += ~np.isnan(area)
            start = drawn.stop
    with np.errstate(invalid="ignore"):
        return {name: sums[name] / counts[name] for name in sums}


def _blocks(
    actual: npt.NDArray[np.integer], values: Drawn, group_of: npt.NDArray[np.intp], groups: int
) -> Iterator[list[tuple[int, Ranking]]]:
    most = max(1, _AT_ONCE // len(actual))
    block: list[tuple[int, Ranking]] = []
    for found in rankings(actual, values, group_of, groups):
        block.append(found)
        if len(block) == most:
            yield block
            block = []
    if block:
        yield block


def _mean_defined(drawn: Drawn) -> Drawn:
    """Return the mean over the classes where it is defined, of each draw."""
    defined = ~np.isnan(drawn)
    mean: Drawn = np.nansum(drawn, axis=0) / defined.sum(axis=0)
    return mean
