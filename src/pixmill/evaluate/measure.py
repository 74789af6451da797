"""Metrics of ``plots/evaluate/full.json``, from predictions and calibration.

They include the accuracy by slice of the test split (class, source, size, brightness and
near-duplicates), and the baseline: logistic regression on colour histograms, which ignores shapes.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from pixmill.core.process.progress import track
from pixmill.evaluate.predictions import class_indices, is_cross_fitted, probabilities_of
from pixmill.images.parts import Part
from pixmill.metrics.arrays import ArrayLike, Bools, Floats, Groups, Ints, NDArray
from pixmill.metrics.calibration import Calibration, threshold_hints
from pixmill.metrics.confidence import coverage_curve, reliability
from pixmill.metrics.limits import accuracy_interval, score_limits, with_sides
from pixmill.metrics.probabilities import normalise
from pixmill.metrics.resampling import CROSS_FITTING_WIDTH
from pixmill.metrics.scores import class_scores, macro_f1, majority_accuracy, scores
from pixmill.metrics.significance import holm, worse_than_rest

HEADLINE = (
    "accuracy",
    "accuracy_low",
    "accuracy_high",
    "macro_f1",
    "log_loss",
    "ece",
    "confidence",
    "n",
)

_MIN_GROUPS = 10
"""Minimum groups in a slice and in the rest: a test of fewer has no power and weakens others."""

_SIGNIFICANCE = 0.05
"""Family-wise significance level over all slices."""

_THIRDS: dict[str, tuple[str, tuple[str, str, str], str]] = {
    "size": ("short_side", ("small", "medium", "large"), "shorter side {} px"),
    "brightness": ("brightness", ("dark", "medium", "bright"), "mean brightness {}"),
}

_CHANNEL_BINS = 16
"""Bins of each single-channel histogram."""

_JOINT_BINS = 4
"""Bins per channel of the joint histogram."""

_LENGTH = 3 * _CHANNEL_BINS + _JOINT_BINS**3

_MAX_SIDE = 64
"""Maximum rows and columns of pixels that are counted; a subsample gives nearly the same histogram.
"""

_MAX_IMAGES = 20_000
"""Maximum training images, to bound time and memory."""

_BATCH = 256


def measure(
    predictions: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    *,
    draws: int,
    confidence: float,
    top_k: int = 2,
) -> dict[str, Any]:
    """Return the metrics of the test split, and under ``val`` of the other held-out images.

    Confidence limits are named ``<name>_low`` and ``<name>_high``. With cross-fitting,
    ``cross_validation`` has ``accuracy``, its limits and ``n`` over all held-out images; otherwise
    it is ``None``. Predictions of different folds depend on each other, so the limits are wider by
    :data:`CROSS_FITTING_WIDTH`.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.apply_calibration`. Log-loss and
            ECE under ``val`` are slightly optimistic, because the temperature was fitted on these
            images.
        groups: Cluster by image id; near-duplicates and images of one given group share a cluster.
        labels: The classes in the order of the model's outputs.
        draws: Number of bootstrap samples.
        confidence: Confidence level of the limits, such as 0.95.
        top_k: The k of ``top_<k>_accuracy``.
    """
    parts = held_out_tables(predictions)
    actual = {name: class_indices(table["label"], labels) for name, table in parts.items()}
    measured: dict[str, dict[str, Any]] = {}
    for name in track(("test", "val"), "Confidence intervals", 2, unit="split"):
        table = parts[name]
        probabilities = probabilities_of(table, labels)
        right, members = _outcomes(table, groups)
        limits, of_classes = score_limits(
            actual[name],
            probabilities,
            members,
            labels,
            draws=draws,
            confidence=confidence,
            top_k=top_k,
        )
        limits["accuracy"] = accuracy_interval(right, members, draws=draws, confidence=confidence)
        per_class = class_scores(actual[name], class_indices(table["predicted"], labels), labels)
        measured[name] = {
            **scores(actual[name], probabilities, top_k=top_k),
            **with_sides(limits),
            "per_class": {
                label: row | with_sides(of_classes[label]) for label, row in per_class.items()
            },
        }
    del measured["val"]["per_class"]
    return {
        **measured["test"],
        "baseline": {"majority_accuracy": majority_accuracy(actual["test"])},
        "val": measured["val"],
        "cross_validation": _cross_validation(
            predictions, groups, draws=draws, confidence=confidence
        ),
    }


def held_out_tables(predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of the test split, and under ``val`` those of other held-out images."""
    tested = predictions["split"] == "test"
    return {"test": predictions[tested], "val": predictions[~tested & predictions["held_out"]]}


def _outcomes(table: pd.DataFrame, groups: pd.Series) -> tuple[Bools, Groups]:
    """Return whether each prediction is right, and the number of the image's cluster."""
    right = (table["label"] == table["predicted"]).to_numpy(bool)
    return right, pd.factorize(table["id"].map(groups))[0]


def _cross_validation(
    predictions: pd.DataFrame, groups: pd.Series, *, draws: int, confidence: float
) -> dict[str, float] | None:
    if not is_cross_fitted(predictions):
        return None
    table = predictions[predictions["held_out"]]
    right, members = _outcomes(table, groups)
    found = covered("accuracy", right, members, draws=draws, confidence=confidence)
    return widened("accuracy", found | {"n": len(table)})


def widened(name: str, found: Mapping[str, Any]) -> dict[str, float] | None:
    """Return a metric of cross-fitted predictions with its limits and ``n``; ``None`` if undefined.

    Args:
        name: Name of the metric.
        found: Metrics by name, with limits as of independent predictions.
    """
    figure = found[name]
    if figure is None:
        return None
    low = found[f"{name}_low"]
    high = found[f"{name}_high"]
    # Each fold's model was fitted to most images of the others, so their errors go together and the
    # bootstrap of images alone gives too narrow an interval.
    return {
        name: figure,
        f"{name}_low": max(0.0, figure - CROSS_FITTING_WIDTH * (figure - low)),
        f"{name}_high": min(1.0, figure + CROSS_FITTING_WIDTH * (high - figure)),
        "n": found["n"],
    }


def covered(
    name: str, right: Bools, groups: ArrayLike, *, draws: int, confidence: float
) -> dict[str, float | None]:
    """Return the accuracy of sure answers with its limits, by name; ``None`` without any."""
    if not len(right):
        return {name: None, **with_sides({name: None})}
    limits = accuracy_interval(right, groups, draws=draws, confidence=confidence)
    return {name: float(right.mean()), **with_sides({name: limits})}


def measure_training(
    in_sample: pd.DataFrame, predictions: pd.DataFrame, labels: Sequence[str]
) -> dict[str, float | None]:
    """Return ``accuracy``, ``log_loss`` and ``n`` on the images that the model was fitted to.

    The gap to the test split measures overfitting.

    Args:
        in_sample: Predictions of all images by the delivered model.
        predictions: The same images with held-out predictions where there are any.
        labels: The classes in the order of the model's outputs.
    """
    splits = ["train", "val"] if is_cross_fitted(predictions) else ["train"]
    table = in_sample[in_sample["split"].isin(splits)]
    found = scores(class_indices(table["label"], labels), probabilities_of(table, labels))
    return {name: found[name] for name in ("accuracy", "log_loss", "n")}


def measure_confidence(
    predictions: pd.DataFrame,
    uncalibrated: pd.DataFrame,
    groups: pd.Series,
    labels: Sequence[str],
    calibration: Calibration,
    *,
    draws: int,
    confidence: float,
) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Measure the calibration on the test split, which was not used to fit it.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.apply_calibration`.
        uncalibrated: Result of :func:`pixmill.evaluate.predictions.predict_parts`, at least for the
            test split.
        groups: Cluster by image id; near-duplicates and images of one given group share a cluster.
        labels: The classes in the order of the model's outputs.
        calibration: The model's calibration.
        draws: Number of bootstrap samples.
        confidence: Confidence level of the limits, such as 0.95.

    Returns:
        Entries of ``plots/evaluate/full.json``: ``temperature`` and ``threshold`` of the model,
        fitted on the held-out images of the other splits; ``confidence``, the mean on the test
        split; ``uncalibrated``, the ``log_loss``, ``ece`` and mean ``confidence`` of the test split
        without the temperature; ``coverage``, the share of answered test images;
        ``covered_accuracy`` with its limits, the accuracy of the answered ones. The last four are
        ``None`` without a threshold; ``threshold_images`` and ``threshold_target`` then are the
        results of :func:`pixmill.metrics.calibration.threshold_hints` on the held-out images of the
        other splits.

        Curves by plot name. ``calibrated`` and ``uncalibrated``: results of
        :func:`pixmill.metrics.confidence.reliability` on the test split, after and before
        temperature scaling; ``coverage`` and ``coverage_val``: results of
        :func:`~pixmill.metrics.confidence.coverage_curve` on the test split and on the held-out
        images of the other splits.
    """
    tables = held_out_tables(predictions)
    before = uncalibrated[uncalibrated["split"] == "test"]
    after = tables["test"]
    actual = class_indices(before["label"], labels)
    given = probabilities_of(before, labels)
    certainty = {
        name: normalise(probabilities_of(table, labels)).max(axis=1)
        for name, table in tables.items()
    }
    sure = certainty["test"] >= (np.inf if calibration.threshold is None else calibration.threshold)
    # The confidence of images unlike the training images is not trusted.
    sure &= ~after["unlike"].fillna(False).to_numpy(bool)
    images = aim = None
    right_val, members = _outcomes(tables["val"], groups)
    if calibration.threshold is None:
        images, aim = threshold_hints(
            certainty["val"], right_val, members, calibration.target_accuracy
        )
    metrics = {
        "temperature": calibration.temperature,
        "confidence": float(np.mean(certainty["test"])),
        "uncalibrated": {
            **{name: scores(actual, given)[name] for name in ("log_loss", "ece")},
            "confidence": float(np.mean(normalise(given).max(axis=1))),
        },
        "threshold": calibration.threshold,
        "threshold_images": images,
        "threshold_target": aim,
        "coverage": None if calibration.threshold is None else float(np.mean(sure)),
        **covered(
            "covered_accuracy",
            *_outcomes(after[sure], groups),
            draws=draws,
            confidence=confidence,
        ),
    }
    # One table per curve, because DVC plots missing values of a joint table as zero.
    return metrics, {
        "calibrated": reliability(
            class_indices(after["label"], labels), probabilities_of(after, labels)
        ),
        "uncalibrated": reliability(actual, given),
        "coverage": coverage_curve(certainty["test"], _outcomes(after, groups)[0]),
        "coverage_val": coverage_curve(certainty["val"], right_val),
    }


def headline(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of ``metrics/evaluate.json``: headline metrics of the test split.

    ``baseline_accuracy`` is the accuracy of always predicting the most common class of the test
    split; ``cross_validation_accuracy`` is missing without cross-fitting.

    Args:
        metrics: Results of :func:`measure` and :func:`measure_confidence`.
    """
    found = {name: metrics[name] for name in HEADLINE} | {
        "baseline_accuracy": metrics["baseline"]["majority_accuracy"]
    }
    crossed = metrics["cross_validation"]
    return found | ({"cross_validation_accuracy": crossed["accuracy"]} if crossed else {})


def slices(
    predictions: pd.DataFrame, manifest: pd.DataFrame, *, draws: int, confidence: float
) -> pd.DataFrame:
    """Return one row per slice of the test split, sorted by dimension.

    Dimensions with a single value are left out. Size and brightness are cut into terciles of the
    test split.

    Args:
        predictions: Result of :func:`pixmill.evaluate.predictions.predict_parts`.
        manifest: ``id``, ``source``, ``short_side``, ``brightness``, ``group`` (near-duplicates
            share one) and ``cluster`` (the resampling unit) of the kept images of all splits.
        draws: Number of bootstrap samples and of permutations.
        confidence: Confidence level of the limits, such as 0.95.

    Returns:
        Columns ``dimension`` (``class``, ``source``, ``size``, ``brightness``, ``near_duplicate``);
        ``slice``, the name within the dimension; ``what``, the display name; ``n``, ``right``,
        ``accuracy``, ``accuracy_low`` and ``accuracy_high``; ``rest``, the accuracy on all other
        test images; ``p`` and ``p_adjusted`` (Holm, over all slices), the p-value of the null
        hypothesis that the slice is no worse than the rest, NaN if either has fewer than ten
        groups; ``worse``, True if significantly worse.
    """
    tested = predictions.loc[predictions["split"] == "test", ["id", "label", "predicted"]]
    table = tested.merge(manifest, on="id", how="left", validate="one_to_one")
    right = (table["label"] == table["predicted"]).to_numpy(bool)
    groups = pd.factorize(table["cluster"])[0]
    sizes = manifest["group"].value_counts()
    rows = []
    cuts = list(_cuts(table, sizes))
    for dimension, name, what, inside in track(cuts, "Accuracy by slice", len(cuts), unit="slice"):
        low, high = accuracy_interval(
            right[inside], groups[inside], draws=draws, confidence=confidence
        )
        tested_slice = (
            min(len(np.unique(groups[side])) for side in (inside, ~inside)) >= _MIN_GROUPS
        )
        rows.append(
            {
                "dimension": dimension,
                "slice": name,
                "what": what,
                "n": int(inside.sum()),
                "right": int(right[inside].sum()),
                "accuracy": float(right[inside].mean()),
                "accuracy_low": low,
                "accuracy_high": high,
                "rest": float(right[~inside].mean()),
                "p": worse_than_rest(right, inside, groups, draws=draws) if tested_slice else None,
            }
        )
    found = pd.DataFrame(rows).astype({"p": float})
    known = found["p"].notna().to_numpy()
    # Only tested slices count for the correction, or small ones would hide what large ones show.
    adjusted = np.full(len(found), np.nan)
    adjusted[known] = holm(found["p"][known])
    return found.assign(p_adjusted=adjusted, worse=adjusted < _SIGNIFICANCE)


def slice_figures(table: pd.DataFrame) -> dict[str, dict[str, dict[str, Any]]]:
    """Return ``slices.<dimension>.<slice>.<figure>`` of ``plots/evaluate/full.json``.

    Args:
        table: Result of :func:`slices`.
    """
    figures: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.to_dict("records"):
        kept = {
            name: row[name] for name in ("n", "accuracy", "accuracy_low", "accuracy_high", "worse")
        }
        kept["p_adjusted"] = None if np.isnan(row["p_adjusted"]) else row["p_adjusted"]
        figures.setdefault(row["dimension"], {})[row["slice"]] = kept
    return figures


def _cuts(table: pd.DataFrame, sizes: pd.Series) -> Iterator[tuple[str, str, str, Bools]]:
    """Yield dimension, name, display name and image mask of each slice."""
    for dimension, column in (("class", "label"), ("source", "source")):
        names = sorted(table[column].dropna().unique())
        if len(names) > 1:
            for name in names:
                yield dimension, name, f"{dimension} {name}", (table[column] == name).to_numpy(bool)
    for dimension, (column, names_of, unit) in _THIRDS.items():
        values = table[column].to_numpy(np.float64, na_value=np.nan)
        known = values[~np.isnan(values)]
        # Cut at values that occur in the data.
        first, second = (
            np.quantile(known, [1 / 3, 2 / 3], method="inverted_cdf") if len(known) else (0, 0)
        )
        thirds = (values <= first, (values > first) & (values <= second), values > second)
        ranges = (
            f"up to {first:,.0f}",
            f"over {first:,.0f}, up to {second:,.0f}",
            f"over {second:,.0f}",
        )
        if sum(third.any() for third in thirds) > 1:
            for name, span, inside in zip(names_of, ranges, thirds, strict=True):
                if inside.any():
                    yield dimension, name, f"{name} images ({unit.format(span)})", inside
    alike = (table["group"].map(sizes) > 1).to_numpy(bool)
    if alike.any() and not alike.all():
        yield "near_duplicate", "yes", "images with a near-duplicate", alike
        yield "near_duplicate", "no", "images without a near-duplicate", ~alike


def histogram_figures(training: Part, tested: Part) -> dict[str, float]:
    """Return ``histogram_accuracy`` and ``histogram_macro_f1``, as in ``plots/evaluate/full.json``.

    Args:
        training: The packed training split.
        tested: The packed test split.
    """
    predicted = predict_by_colours(training, tested)
    actual = tested.targets.astype(np.int64)
    return {
        "histogram_accuracy": float(np.mean(predicted == actual)),
        "histogram_macro_f1": macro_f1(actual, predicted),
    }


def predict_by_colours(training: Part, tested: Part) -> Ints:
    """Return the class of each test image by logistic regression on colour histograms.

    The fit uses one thread, because the result depends on the number of threads.

    Args:
        training: The packed training split; 20,000 evenly spaced images are used if there are more.
        tested: The packed test split.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows = np.unique(
        np.linspace(0, len(training) - 1, min(len(training), _MAX_IMAGES)).astype(np.int64)
    )
    targets = training.targets[rows].astype(np.int64)
    if len(np.unique(targets)) == 1:
        return np.full(len(tested), targets[0])
    with threadpool_limits(1), warnings.catch_warnings():
        # Full convergence is not needed.
        warnings.simplefilter("ignore", ConvergenceWarning)
        features = np.concatenate(list(_features(training, rows)))
        mean = features.mean(axis=0)
        spread = features.std(axis=0) + 1e-3
        model = LogisticRegression(C=0.1, max_iter=100, tol=1e-3).fit(
            (features - mean) / spread, targets
        )
        batches = _features(tested, np.arange(len(tested)))
        return np.concatenate([model.predict((batch - mean) / spread) for batch in batches]).astype(
            np.int64
        )


def colour_histograms(pixels: NDArray[np.uint8]) -> Floats:
    """Return colour histograms as square roots of shares, shape (images, 112).

    The columns are 16 bins per channel, then 64 joint bins, four per channel. The square root turns
    Euclidean distance into Hellinger distance, in which large plain areas do not dominate.

    Args:
        pixels: ``uint8`` of shape (images, height, width, 3).
    """
    every = -(-max(pixels.shape[1:3]) // _MAX_SIDE)
    sampled = pixels[:, ::every, ::every].reshape(len(pixels), -1, 3).astype(np.int64)
    levels = sampled // (256 // _CHANNEL_BINS) + _CHANNEL_BINS * np.arange(3)
    steps = sampled // (256 // _JOINT_BINS)
    colours = (
        3 * _CHANNEL_BINS
        + (steps[..., 0] * _JOINT_BINS + steps[..., 1]) * _JOINT_BINS
        + steps[..., 2]
    )
    places = np.concatenate([levels.reshape(len(pixels), -1), colours], axis=1)
    places += _LENGTH * np.arange(len(pixels))[:, None]
    counts = np.bincount(places.ravel(), minlength=_LENGTH * len(pixels)).reshape(
        len(pixels), _LENGTH
    )
    shares: Floats = np.sqrt(counts / sampled.shape[1])
    return shares


def _features(part: Part, rows: Ints) -> Iterator[Floats]:
    for start in range(0, len(rows), _BATCH):
        yield colour_histograms(part.pixels[rows[start : start + _BATCH]])
