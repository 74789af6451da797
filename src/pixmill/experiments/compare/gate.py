"""The gate: check the head against the limits of ``compare`` in ``params.yaml``.

A limit within the confidence interval of its metric is neither kept nor broken but undecided; the
rule then states how many images would probably decide it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from pixmill.core.params import CompareParams
from pixmill.core.params.compare import ThresholdMetric
from pixmill.core.words import join_names
from pixmill.experiments.compare.answers import MAX_CLASSES, classes_of, clusters_of, split_answers
from pixmill.experiments.compare.comparison import (
    Gate,
    NotComparableError,
    Numbers,
    Result,
    Revision,
    Rule,
)
from pixmill.experiments.compare.numbers import (
    LOWER_IS_BETTER,
    METRIC_NAMES,
    find_answered,
    images_needed,
)
from pixmill.metrics.limits import accuracy_interval
from pixmill.pages import with_sign
from pixmill.tracking.run_lookup import MlflowRun
from pixmill.tracking.store import RECORD_AGAIN

_UNDEFINED = {
    "recall": "has no test images",
    "precision": "was never predicted",
    "f1": "neither occurs nor is predicted",
    "coverage": "its predictions cannot be read",
    "covered_accuracy": "no test image is answered",
}
_AT_THRESHOLD = frozenset(get_args(ThresholdMetric))
_NO_THRESHOLD = (
    "undefined (the model has no confidence threshold: validation has too few images, or too many "
    "errors, to show "
    "train.target_accuracy)"
)
_UNKNOWN: Result = "undecided"
_UNREAD = "unknown, since plots/evaluate/full.json cannot be read (next: dvc repro)"
_NO_RUN = (
    f"unknown, since MLflow has no run with these weights (next: {RECORD_AGAIN}, or set "
    "MLFLOW_TRACKING_URI)"
)


def judge(
    head: Revision,
    numbers: Numbers | None,
    settings: CompareParams,
    *,
    confidence: float,
    draws: int = 10_000,
    obstacle: str | None = None,
) -> Gate:
    """Return the outcome of each limit that is set.

    Args:
        head: Revision under review, with metrics of its test split.
        numbers: Comparison with the base, if any.
        settings: The limits.
        confidence: Level of the confidence intervals in the head's metrics.
        draws: Bootstrap draws for the interval of coverage, which the metrics lack.
        obstacle: Message of :class:`pixmill.experiments.compare.comparison.NotComparableError`,
            which makes ``compare.max_drop`` undecided. Without a base that limit does not apply.
    """
    metrics = head.metrics if head.metrics and head.metrics.get("n") else None
    if metrics is not None and "coverage" in settings.min:
        metrics = {**metrics, **_measure_coverage(head, confidence, draws)}
    rules = (
        *_overall_rules(metrics, settings, confidence),
        *_class_rules(metrics, settings, confidence),
        *_drop_rule(numbers, settings, obstacle),
        *_run_rules(head.run, settings),
    )
    return Gate(_worst([rule.result for rule in rules]), rules)


def _worst(results: list[Result]) -> Result:
    return next((result for result in ("fail", "undecided") if result in results), "pass")


def _rule(
    name: str,
    text: str,
    bound: str,
    result: Result,
    needed: int | None = None,
    image: str = "test image",
) -> Rule:
    more = f"; about {needed:,} {image}s would probably decide it" if needed else ""
    return Rule(f"compare.{name}", result, f"{text}, {bound}: {result}{more}", needed)


def _overall_rules(
    metrics: Mapping[str, Any] | None, settings: CompareParams, level: float
) -> Iterator[Rule]:
    bounds = [
        *(("min", *item) for item in settings.min.items()),
        *(("max", *item) for item in settings.max.items()),
    ]
    for key, name, limit in bounds:
        text = _UNREAD
        result = _UNKNOWN
        needed = None
        if metrics is not None and name in _AT_THRESHOLD and not metrics.get("threshold"):
            text = _NO_THRESHOLD
        elif metrics is not None:
            text, result, needed = _check_limit(
                metrics, name, limit, key == "min", level, metrics["n"]
            )
        bound = f"at {'least' if key == 'min' else 'most'} {limit:g}"
        yield _rule(f"{key}.{name}", f"{METRIC_NAMES[name]} {text}", bound, result, needed)


def _measure_coverage(head: Revision, level: float, draws: int) -> dict[str, float]:
    """Return the head's coverage on its own test split with its interval; empty without valid predictions."""
    try:
        own = split_answers(head, classes_of(head))
    except NotComparableError:
        return {}
    answered = find_answered(head, own.ids, own.values)
    if answered is None or own.ids.empty:
        return {}
    clusters = clusters_of((head.manifest,), own.ids)
    low, high = accuracy_interval(answered, clusters, draws=draws, confidence=level)
    return {"coverage": float(np.mean(answered)), "coverage_low": low, "coverage_high": high}


def _class_rules(
    metrics: Mapping[str, Any] | None, settings: CompareParams, level: float
) -> Iterator[Rule]:
    for name, limit in settings.min_per_class.items():
        bound = f"at least {limit:g}"
        if metrics is None or metrics.get("per_class") is None:
            yield _rule(
                f"min_per_class.{name}", f"{name} of each class {_UNREAD}", bound, "undecided"
            )
            continue
        rows = metrics["per_class"]
        found = {
            label: _check_limit(row, name, limit, True, level, metrics["n"])
            for label, row in rows.items()
        }
        result = _worst([each for _, each, _ in found.values()])
        failing, open_ = (
            [f"{label} {text}" for label, (text, each, _) in found.items() if each == kind]
            for kind in ("fail", "undecided")
        )
        text = f"{name} of {join_names(failing or open_ or ['each class'], MAX_CLASSES)}"
        # The number for the class that needs most, unless no number decides a class.
        counts = [count for _, each, count in found.values() if each == result == "undecided"]
        needed = None if None in counts else max(filter(None, counts), default=None)
        rule = _rule(f"min_per_class.{name}", text, bound, result, needed)
        also = f"; undecided for {join_names(open_, MAX_CLASSES)}" if failing and open_ else ""
        yield replace(rule, sentence=rule.sentence + also)


def _check_limit(
    values: Mapping[str, Any], name: str, limit: float, at_least: bool, level: float, n: int
) -> tuple[str, Result, int | None]:
    """Return the metric as text, the result by its whole interval, and the images that would decide it."""
    value, low, high = (values.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is not None and low is high is None:
        return f"{value:.3f} (without a confidence interval)", "undecided", None
    if value is None or low is None or high is None:
        return (
            f"undefined ({_UNDEFINED.get(name, 'too few classes have test images')})",
            "undecided",
            None,
        )
    text = f"{value:.3f} ({100 * level:g} % CI {low:.3f} to {high:.3f})"
    if (low >= limit) if at_least else (high <= limit):
        return text, "pass", None
    if (high < limit) if at_least else (low > limit):
        return text, "fail", None
    half_width = value - low if limit < value else high - value
    return text, "undecided", images_needed(n, half_width, abs(value - limit), level)


def _drop_rule(
    numbers: Numbers | None, settings: CompareParams, obstacle: str | None
) -> Iterator[Rule]:
    if settings.max_drop is None:
        return
    # "significant" passes only if the interval also rules out a drop of more than the margin.
    limit = None if settings.max_drop == "significant" else settings.max_drop
    bound = (
        "must not be significantly worse"
        if limit is None
        else f"must not be worse by more than {limit:g}"
    )
    if numbers is None:
        if obstacle:
            why = obstacle.removeprefix("Not comparable: ").removesuffix(".")
            yield _rule(
                "max_drop",
                f"{METRIC_NAMES[settings.metric]} not comparable ({why})",
                bound,
                "undecided",
            )
        return
    found = numbers.decisive
    name = numbers.metric
    gain = found.difference
    low = found.low
    high = found.high
    text = f"{METRIC_NAMES[name]} {found.second:.3f} after {found.first:.3f} "
    text += (
        f"({with_sign(gain)}, {100 * numbers.confidence:g} % CI {with_sign(low)} to "
        f"{with_sign(high)})"
    )
    if name in LOWER_IS_BETTER:
        gain, low, high = -gain, -high, -low
    if limit is None:
        result: Result = "fail" if high < 0 else "pass" if low >= -numbers.margin else "undecided"
        distance = max(-gain, gain + numbers.margin)
        margin = numbers.margin
    else:
        result = "fail" if high < -limit else "pass" if low >= -limit else "undecided"
        distance = abs(gain + limit)
        margin = 0.0
    needed = None
    if result == "undecided":
        needed = images_needed(numbers.n, (high - low) / 2, distance, numbers.confidence, margin)
    yield _rule("max_drop", text, bound, result, needed, numbers.image)


def _run_rules(run: MlflowRun | None, settings: CompareParams) -> Iterator[Rule]:
    for name, limit, what, unit, value in (
        (
            "max_megabytes",
            settings.max_megabytes,
            "size of the model",
            "MB",
            run.megabytes if run else None,
        ),
        (
            "max_seconds",
            settings.max_seconds,
            "duration of the training",
            "s",
            run.seconds if run else None,
        ),
    ):
        if limit is None:
            continue
        result: Result = "undecided" if value is None else "pass" if value <= limit else "fail"
        text = (
            _NO_RUN
            if run is None
            else f"unknown to the run {run.name} in MLflow (next: {RECORD_AGAIN})"
        )
        yield _rule(
            name,
            f"{what} {text if value is None else f'{value:,.1f} {unit}'}",
            f"at most {limit:g} {unit}",
            result,
        )
