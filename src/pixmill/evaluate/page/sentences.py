"""Sentences about an evaluation, from the macros of ``sentences.txt``."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.core.words import percent
from pixmill.evaluate.labels import MIN_CONFIRMED
from pixmill.evaluate.mistakes import Confusion
from pixmill.metrics.calibration import calibration_verdict, min_answers
from pixmill.metrics.growth import UNMEASURED, Growth
from pixmill.pages.page import make_environment


def say(name: str, *given: Any) -> str:
    """Return the text of a macro in one line, without escaping.

    Args:
        name: Name of the macro, such as ``headline``.
        given: Arguments of the macro.
    """
    return _in_a_line(getattr(_macros(), name)(*given))


def threshold_sentence(metrics: Mapping[str, Any], target: float) -> str:
    """Return coverage and covered accuracy at the threshold, or how to get a threshold."""
    return say("threshold", metrics, target, min_answers(target))


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Return the limitations of the result, most serious first."""
    return _items("cautions", metrics)


def next_steps(
    metrics: Mapping[str, Any],
    confusions: Sequence[Confusion],
    *,
    ranking: pd.DataFrame | None,
    slices: pd.DataFrame,
    growth: Growth | None,
) -> list[tuple[str, str]]:
    """Return next steps, most useful first, each with its command (may be empty).

    Args:
        metrics: Result of :func:`pixmill.evaluate.measure.measure`.
        confusions: Confusions between classes, most frequent first.
        ranking: Result of :func:`pixmill.evaluate.labels.find_label_issues`; ``None`` if the search
            is off.
        slices: Result of :func:`pixmill.evaluate.measure.slices`.
        growth: Expected gain from more images; ``None`` without a learning curve.
    """
    first = next(iter(confusions), None)
    wrong = sum(confusion.count for confusion in confusions)
    issues = count_issues(ranking)
    return split_steps(
        "next_steps", metrics, issues, first, wrong, worse(slices), growth, UNMEASURED
    )


def split_steps(name: str, *given: Any) -> list[tuple[str, str]]:
    """Return the steps of a macro, each with its command (may be empty).

    Args:
        name: Name of the macro.
        given: Arguments of the macro.
    """
    return [
        (sentence.strip(), command)
        for sentence, _, command in (item.partition("$ ") for item in _items(name, *given))
    ]


def worse(slices: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the slices with significantly lower accuracy than the rest, most significant first."""
    order = ["p_adjusted", "accuracy", "dimension", "slice"]
    return slices[slices["worse"]].sort_values(order, kind="stable").to_dict("records")


def count_issues(ranking: pd.DataFrame | None) -> int:
    """Return the number of label issues in a ranking of labels."""
    return 0 if ranking is None else int(ranking["suggested"].notna().sum())


def labels_sentence(ranking: pd.DataFrame | None) -> str:
    """Return a sentence on the label issues; empty without issues or without a search."""
    if ranking is None or ranking.empty:
        return ""
    issues = count_issues(ranking)
    confirmed = float((ranking["score"] >= 0.5).mean())
    if confirmed < MIN_CONFIRMED:
        return (
            f"A model that was not trained on the images confirms {percent(confirmed, 0)} of the "
            "labels, too few to judge."
        )
    return say("labels", issues, confirmed) if issues else ""


def _items(name: str, *given: Any) -> list[str]:
    items = re.split(r"^---$", getattr(_macros(), name)(*given), flags=re.MULTILINE)
    return [sentence for item in items if (sentence := _in_a_line(item))]


def _in_a_line(text: str) -> str:
    return re.sub(r"[ \n]+", " ", text.replace("&nbsp;", "\N{NO-BREAK SPACE}")).strip()


@functools.cache
def _macros() -> Any:
    environment = make_environment("pixmill.evaluate.page", autoescape=False)
    environment.filters["calibrated"] = calibration_verdict
    return environment.get_template("sentences.txt").module
