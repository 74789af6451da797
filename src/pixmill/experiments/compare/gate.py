"""The gate: check the head against the limits of ``compare`` in ``params.yaml``.

A limit within the confidence interval of its metric is neither kept nor broken but undecided; the
rule then states how many images would probably decide it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np

from pixmill.core.params import CompareParams
from pixmill.core.params.compare import ThresholdMetric
from pixmill.core.words import join_names
from pixmill.experiments.compare.answers import MAX_CLASSES, classes_of, clusters_of, split_answers
from pixmill.experiments.compare.class_scoring import find_answered
from pixmill.experiments.compare.comparison import (
    Gate,
    NotComparableError,
    Numbers,
    Result,
    Revision,
    Rule,
)
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.verdict import images_needed
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
    "errors, to show train.target_accuracy)"
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
    results = {rule.result for rule in rules}
    worst: tuple[Result, ...] = ("fail", "undecided")
    return Gate(next((each for each in worst if each in results), "pass"), rules)


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
    bounds: list[tuple[str, str, float]] = [("min", *item) for item in settings.min.items()]
    bounds += [("max", *item) for item in settings.max.items()]
    for key, name, limit in bounds:
        found = _Checked(_UNREAD)
        if metrics is not None and name in _AT_THRESHOLD and not metrics.get("threshold"):
            found = _Checked(_NO_THRESHOLD)
        elif metrics is not None:
            found = _check_limit(metrics, name, limit, key == "min", level, metrics["n"])
        bound = f"at {'least' if key == 'min' else 'most'} {limit:g}"
        text = f"{METRIC_NAMES[name]} {found.text}"
        yield _rule(f"{key}.{name}", text, bound, found.result, found.needed)


def _measure_coverage(head: Revision, level: float, draws: int) -> dict[str, float]:
    """Return the head's coverage on its own test split with its interval.

    Empty without valid predictions.
    """
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
    rows = None if metrics is None else metrics.get("per_class")
    for name, limit in settings.min_per_class.items():
        bound = f"at least {limit:g}"
        key = f"min_per_class.{name}"
        words = name.replace("_", " ")
        if metrics is None or rows is None:
            yield _rule(key, f"{words} of each class {_UNREAD}", bound, _UNKNOWN)
            continue
        found: dict[Result, list[_Checked]] = {"fail": [], "undecided": [], "pass": []}
        for label, row in rows.items():
            checked = _check_limit(row, name, limit, True, level, metrics["n"])
            found[checked.result].append(replace(checked, text=f"{label} {checked.text}"))
        yield _class_rule(key, words, bound, found["fail"], found["undecided"])


def _class_rule(
    key: str, name: str, bound: str, failing: list[_Checked], undecided: list[_Checked]
) -> Rule:
    """Return the rule of a limit for each class, given the classes that may break it."""
    texts = [each.text for each in failing or undecided] or ["each class"]
    text = f"{name} of {join_names(texts, MAX_CLASSES)}"
    if failing:
        rule = _rule(key, text, bound, "fail")
        if undecided:
            doubtful = join_names([each.text for each in undecided], MAX_CLASSES)
            rule = replace(rule, sentence=f"{rule.sentence}; undecided for {doubtful}")
        return rule
    if not undecided:
        return _rule(key, text, bound, "pass")
    # The number for the class that needs most, unless no number decides a class.
    counts = [each.needed for each in undecided if each.needed]
    needed = max(counts) if len(counts) == len(undecided) else None
    return _rule(key, text, bound, _UNKNOWN, needed)


@dataclass(frozen=True)
class _Checked:
    """A metric as text, the result of its limit, and the images that would decide it."""

    text: str
    result: Result = _UNKNOWN
    needed: int | None = None


def _check_limit(
    values: Mapping[str, Any], name: str, limit: float, at_least: bool, level: float, n: int
) -> _Checked:
    """Check a metric by its whole interval."""
    value, low, high = (values.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        reason = _UNDEFINED.get(name, "too few classes have test images")
        return _Checked(f"undefined ({reason})")
    if low is None or high is None:
        return _Checked(f"{value:.3f} (without a confidence interval)")
    text = f"{value:.3f} ({100 * level:g} % CI {low:.3f} to {high:.3f})"
    if (low >= limit) if at_least else (high <= limit):
        return _Checked(text, "pass")
    if (high < limit) if at_least else (low > limit):
        return _Checked(text, "fail")
    half_width = value - low if limit < value else high - value
    return _Checked(text, needed=images_needed(n, half_width, abs(value - limit), level))


def _drop_rule(
    numbers: Numbers | None, settings: CompareParams, obstacle: str | None
) -> Iterator[Rule]:
    if settings.max_drop is None:
        return
    bound = "must not be significantly worse"
    if settings.max_drop != "significant":
        bound = f"must not be worse by more than {settings.max_drop:g}"
    if numbers is not None:
        found = numbers.decisive
        text = (
            f"{METRIC_NAMES[numbers.metric]} {found.second:.3f} after {found.first:.3f} "
            f"({with_sign(found.difference)}, {100 * numbers.confidence:g} % CI "
            f"{with_sign(found.low)} to {with_sign(found.high)})"
        )
        result, needed = _check_drop(numbers, settings.max_drop)
        yield _rule("max_drop", text, bound, result, needed, numbers.image)
    elif obstacle:
        why = obstacle.removeprefix("Not comparable: ").removesuffix(".")
        text = f"{METRIC_NAMES[settings.metric]} not comparable ({why})"
        yield _rule("max_drop", text, bound, _UNKNOWN)


def _check_drop(numbers: Numbers, max_drop: float | str) -> tuple[Result, int | None]:
    """Return the result of ``compare.max_drop``, and the images that would decide it."""
    low, gain, high = numbers.gain
    # "significant" passes only if the interval also rules out a drop of more than the margin.
    if isinstance(max_drop, str):
        broken = 0.0
        allowed = margin = numbers.margin
        distance = max(-gain, gain + margin)
    else:
        broken = allowed = max_drop
        margin = 0.0
        distance = abs(gain + max_drop)
    if high < -broken:
        return "fail", None
    if low >= -allowed:
        return "pass", None
    needed = images_needed(numbers.n, (high - low) / 2, distance, numbers.confidence, margin)
    return _UNKNOWN, needed


def _run_rules(run: MlflowRun | None, settings: CompareParams) -> Iterator[Rule]:
    megabytes = run.megabytes if run else None
    seconds = run.seconds if run else None
    for name, limit, what, unit, value in (
        ("max_megabytes", settings.max_megabytes, "size of the model", "MB", megabytes),
        ("max_seconds", settings.max_seconds, "duration of the training", "s", seconds),
    ):
        if limit is None:
            continue
        result: Result = _UNKNOWN
        text = _NO_RUN
        if value is not None:
            result = "pass" if value <= limit else "fail"
            text = f"{value:,.1f} {unit}"
        elif run is not None:
            text = f"unknown to the run {run.name} in MLflow (next: {RECORD_AGAIN})"
        yield _rule(name, f"{what} {text}", f"at most {limit:g} {unit}", result)
