"""Comparison of many models with the best, and the expected metric of the best on new images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pixmill.metrics.arrays import ArrayLike, Floats, Groups, Ints, NDArray
from pixmill.metrics.resampling import SEED, group_numbers, percentiles, weighted_scores

_CHUNK_DRAWS = 100
"""Draws at a time."""

_MAX_ATTEMPTS = 20
"""Maximum number of attempts per requested draw."""


@dataclass(frozen=True)
class Gap:
    """A model's distance from the best model.

    Args:
        difference: Metric of the model minus that of the best.
        low: Lower limit of the difference, simultaneous for all pairs; ``None`` where too few
            groups differ for a test.
        high: Upper limit, likewise.
        p: p-value of no difference, adjusted for all pairs.
        worse: Whether the model is significantly worse.
    """

    difference: float
    low: float | None
    high: float | None
    p: float
    worse: bool


def gaps_from_best(
    figures: ArrayLike,
    drawn: Floats,
    answers: NDArray[np.uint64],
    *,
    confidence: float,
    lower_is_better: bool = False,
) -> list[Gap]:
    """Return the distance of each model from the best one, which the same figures selected.

    Tests of all models against a winner that was selected on the same images call too many models
    worse, even with Holm's method, since the winner is partly lucky. Instead, all pairs are tested
    simultaneously, by the maximum of their studentized differences over bootstrap draws; these
    include the pairs with the winner, whichever model wins. A difference is divided by its
    deviation about zero, sqrt(s^2 + d^2 / groups). With the deviation s of the draws instead, the
    error rate is up to 7 % instead of 5 % for tables of 40 equal models on 300 images.

    Pairs that differ on too few groups for a significant exact paired test (below 6 at 95 %
    confidence) are not tested.

    Sources: Westfall and Young, "Resampling-Based Multiple Testing", 1993, chapter 2 (max-T); Hsu,
    "Multiple Comparisons: Theory and Methods", 1996, section 4.2 (all pairs cover the best,
    whichever it is).

    Args:
        figures: Metric of each model, shape (models,).
        drawn: Metric in each bootstrap draw of images, shape (draws, models); NaN where it is
            undefined.
        answers: Hash of the predictions of each model for each group of near-duplicates, as far as
            the metric depends on them, shape (models, groups): see :func:`hash_answers`.
        confidence: Confidence level, > 0 and < 1, such as 0.95: the share of tables without a false
            "worse".
        lower_is_better: Whether the best model has the lowest figure.

    Returns:
        One gap per model; the gap of the best is zero. Of equal figures, the first is the best.

    >>> import numpy as np
    >>> from pixmill.metrics.resampling import group_weights
    >>> right = np.arange(300)[:, None] >= [20, 24, 80]
    >>> weights = np.concatenate([*group_weights(300, 1000)], axis=1)
    >>> answers = right.T.astype(np.uint64)
    >>> gaps = gaps_from_best(right.mean(axis=0), weights.T @ right / 300, answers, confidence=0.95)
    >>> [(round(gap.difference, 3), gap.worse) for gap in gaps]
    [(0.0, False), (-0.013, False), (-0.2, True)]
    """
    values = np.asarray(figures, np.float64)
    drawn = drawn[~np.isnan(drawn).any(axis=1)]
    best = int(np.argmin(values) if lower_is_better else np.argmax(values))
    moves = drawn - drawn.mean(axis=0)
    deviations = _deviations(moves)
    # Models that differ on k groups cannot have an exact paired p-value below 2 / 2^k.
    differing = np.stack([np.count_nonzero(answers != row, axis=1) for row in answers])
    tested = (deviations > 0) & (np.exp2(1.0 - differing) <= 1 - confidence)
    # The largest studentized difference of any tested pair in each draw: its quantile is the limit
    # for all pairs at once. Pair by pair, since all of them would not fit into memory.
    largest = np.zeros(len(drawn))
    for one in range(len(values) - 1):
        others = one + 1 + np.flatnonzero(tested[one, one + 1 :])
        if others.size:
            ratios = np.abs(moves[:, [one]] - moves[:, others]) / deviations[one, others]
            np.maximum(largest, ratios.max(axis=1), out=largest)
    # Fewer draws than the level allows are beyond this place.
    place = int((1 - confidence) * (1 + len(largest)) + 1e-9)
    limit = np.sort(largest)[-place] if place else np.inf
    gaps = []
    for model, value in enumerate(values):
        gap = float(value - values[best])
        if not tested[best, model]:
            gaps.append(Gap(gap, None, None, 1.0, worse=False))
            continue
        deviation = float(np.hypot(deviations[best, model], gap / np.sqrt(answers.shape[1])))
        ratio = abs(gap) / deviation
        width = limit * deviation
        p = (1 + np.count_nonzero(largest >= ratio)) / (1 + len(largest))
        gaps.append(
            Gap(gap, float(gap - width), float(gap + width), float(p), worse=bool(ratio > limit))
        )
    return gaps


def hash_answers(answers: Sequence[Floats], group_of: Groups) -> NDArray[np.uint64]:
    """Return a hash of a model's predictions for each group; equal predictions have equal hashes.

    Args:
        answers: Predictions of each training of the model: shape (images,) or (images, numbers).
        group_of: Group number of each image, shape (images,).
    """
    columns = (
        np.column_stack([answer.reshape(len(group_of), -1) for answer in answers]) + 0.0
    )  # -0.0 becomes 0.0
    # With the index, since two images of a group may swap their predictions.
    images = pd.util.hash_pandas_object(pd.DataFrame(columns), index=True).to_numpy()
    found = np.zeros(int(group_of.max()) + 1, np.uint64)
    np.add.at(found, group_of, images)
    return found


def _deviations(moves: Floats) -> Floats:
    """Return the standard deviation of the difference between each two columns.

    Zero if it is due to rounding.
    """
    products = moves.T @ moves / max(1, len(moves) - 1)
    own = np.diag(products)
    squares = own[:, None] + own[None, :] - 2 * products
    return np.sqrt(np.where(squares > 1e-12 * (own[:, None] + own[None, :]), squares, 0))


@dataclass(frozen=True)
class SelectedValue:
    """Expected metric of a model that was selected as the best of many.

    Args:
        value: Expected metric.
        low: Lower limit.
        high: Upper limit.
        draws: Number of draws.
        left_out: Number of replaced draws, which lacked a class in the bag or out of it.
    """

    value: float
    low: float
    high: float
    draws: int
    left_out: int


def selected_value(
    metric: str,
    actual: Ints,
    answers: Sequence[NDArray[np.floating]],
    groups: Groups,
    *,
    draws: int,
    confidence: float,
    lower_is_better: bool = False,
) -> SelectedValue | None:
    """Return the expected metric of the best model, estimated by repeating the selection.

    The best value of many models is optimistic, since the winner is partly lucky. In each bootstrap
    draw, the best model on the drawn images is measured on the other images. The mean of these
    values is the estimate; its limits are their percentiles. The limits are wide, since only a
    third of the images measures: in simulated sweeps of 40 models on 300 images, 95 % limits cover
    the true accuracy of the selected model in 99 to 100 %, and the estimate is biased by less than
    half a point. A bootstrap of the best value covers it in 0 to 75 %.

    Earlier selections on the same images, such as the best epoch of each training, are not
    repeated; their bias stays in the estimate. Draws are stratified by class.

    Source: Tsamardinos, Greasidou and Borboudakis, "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation", Machine Learning 107, 2018 (BBC-CV).

    Args:
        metric: Name of the metric, as in :func:`pixmill.metrics.scores.scores`.
        actual: Class indices, shape (images,).
        answers: Probabilities of each model, shape (images, classes).
        groups: Group number of each image, shape (images,); near-duplicates share a group.
        draws: Number of bootstrap draws; draws that lack a class are replaced, with up to 20
            attempts per draw.
        confidence: Confidence level, > 0 and < 1, such as 0.95.
        lower_is_better: Whether the best model has the lowest value.

    Returns:
        The estimate; ``None`` with several labels an image, by which draws cannot be stratified,
        for the calibration error, which depends on the number of images, and
        if fewer than a fifth of the draws have each class in the bag and out of it, such as with a
        class of one group.

    >>> import numpy as np
    >>> generator = np.random.default_rng(0)
    >>> actual = generator.integers(2, size=200)
    >>> coins = [np.eye(2)[generator.integers(2, size=200)] for _ in range(40)]
    >>> best = max(float((coin.argmax(axis=1) == actual).mean()) for coin in coins)
    >>> groups = np.arange(200)
    >>> found = selected_value("accuracy", actual, coins, groups, draws=500, confidence=0.95)
    >>> best > 0.55, abs(found.value - 0.5) < 0.05, found.low < 0.5 < found.high
    (True, True, True)
    """
    if metric == "ece" or np.ndim(actual) > 1:
        return None
    weights, left_out = _usable_weights(actual, groups, draws)
    if weights.shape[1] < draws / 5:
        return None
    areas = metric in ("roc_auc", "pr_auc")
    chunks = np.array_split(weights, -(-weights.shape[1] // _CHUNK_DRAWS), axis=1)
    # The best model is chosen on the drawn groups, and measured on those that were not drawn.
    both = [*chunks, *((chunk == 0).astype(np.float64) for chunk in chunks)]
    scored = [
        weighted_scores(actual, values, groups, both, areas=areas)[0][metric] for values in answers
    ]
    chosen_by, measured_by = np.split(np.stack(scored), 2, axis=1)
    worst = np.inf if lower_is_better else -np.inf
    # argmax would choose an undefined value.
    chosen_by = np.where(np.isnan(chosen_by), worst, chosen_by)
    best = chosen_by.argmin(axis=0) if lower_is_better else chosen_by.argmax(axis=0)
    values = measured_by[best, np.arange(measured_by.shape[1])]
    limits = percentiles(values, confidence)
    if limits is None:
        return None
    return SelectedValue(float(np.nanmean(values)), *limits, weights.shape[1], left_out)


def _usable_weights(actual: Ints, groups: Groups, draws: int) -> tuple[Floats, int]:
    """Return draws with each class in the bag and out of it, and the number of rejected draws."""
    from scipy.sparse import csr_array

    classes = group_numbers(actual)
    ones = np.ones(len(actual))
    members = csr_array(
        (ones, (classes, groups)), shape=(int(classes.max()) + 1, int(groups.max()) + 1)
    )
    generator = np.random.Generator(np.random.PCG64(SEED))
    accepted: list[Floats] = []
    found = tried = 0
    while found < draws and tried < _MAX_ATTEMPTS * draws:
        weights = stratified_weights(actual, groups, min(draws, _CHUNK_DRAWS), generator)
        usable = ((members @ weights > 0) & (members @ (weights == 0) > 0)).all(axis=0)
        accepted.append(weights[:, usable][:, : draws - found])
        found += accepted[-1].shape[1]
        tried += (
            weights.shape[1]
            if found < draws
            else int(np.flatnonzero(usable)[accepted[-1].shape[1] - 1]) + 1
        )
    return np.concatenate(accepted, axis=1), tried - found


def stratified_weights(
    actual: Ints, groups: Groups, draws: int, generator: np.random.Generator
) -> Floats:
    """Return the count of each group in bootstrap draws, stratified by class.

    Shape (groups, draws).

    A group of several classes has the class of its first image.

    Args:
        actual: Class indices, shape (images,).
        groups: Group number of each image, shape (images,).
        draws: Number of bootstrap draws.
        generator: Random generator.
    """
    numbers, first = np.unique(groups, return_index=True)
    strata = np.asarray(actual)[first]
    weights = np.zeros((len(numbers), draws))
    for label in np.unique(strata):
        own = np.flatnonzero(strata == label)
        weights[own] = generator.multinomial(
            len(own), np.full(len(own), 1 / len(own)), size=draws
        ).T
    return weights
