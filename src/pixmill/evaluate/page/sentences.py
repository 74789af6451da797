"""What an evaluation says, in sentences: the macros of ``sentences.txt``."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from pixmill.evaluate.mistakes import Confusion
from pixmill.metrics.calibration import min_answers
from pixmill.metrics.growth import UNMEASURED, Growth
from pixmill.pages.page import make_environment


def say(name: str, *given: Any) -> str:
    """Return a sentence as plain text, which is not escaped.

    Args:
        name: Of the macro, such as ``headline``.
        given: What it names.
    """
    return _in_a_line(getattr(_macros(), name)(*given))


def threshold_sentence(metrics: Mapping[str, Any], target: float) -> str:
    """Return what accuracy and coverage the confidence threshold gives, or what it takes to choose one."""
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
    """Return the most useful next steps, most important first, each with its command, which may be empty.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        confusions: Confusions between classes, most frequent first.
        ranking: As :func:`pixmill.evaluate.labels.find_label_errors` returns it; ``None``: labels were not searched.
        slices: As :func:`pixmill.evaluate.slices.slices` returns it.
        growth: What the learning curve says of more images; ``None``: there is none.
    """
    first, wrong = next(iter(confusions), None), sum(confusion.count for confusion in confusions)
    suggested = labels_sentence(ranking)
    items = _items("next_steps", metrics, suggested, first, wrong, worse(slices), growth, UNMEASURED)
    return [(sentence.strip(), command) for sentence, _, command in (item.partition("$ ") for item in items)]


def worse(slices: pd.DataFrame) -> list[dict[Any, Any]]:
    """Return the slices with significantly lower accuracy than the rest, worst first."""
    order = ["p_adjusted", "accuracy", "dimension", "slice"]
    return slices[slices["worse"]].sort_values(order, kind="stable").to_dict("records")


def labels_sentence(ranking: pd.DataFrame | None) -> str:
    """Return how many labels are worth a look; empty if none is, or none was searched."""
    doubtful = 0 if ranking is None else int(ranking["suggested"].notna().sum())
    if ranking is None or not doubtful:
        return ""
    # A score of at least a half: no other class is more probable than the label.
    return say("labels", doubtful, float((ranking["score"] >= 0.5).mean()))


def _items(name: str, *given: Any) -> list[str]:
    items = re.split(r"^---$", getattr(_macros(), name)(*given), flags=re.MULTILINE)
    return [sentence for item in items if (sentence := _in_a_line(item))]


def _in_a_line(text: str) -> str:
    return re.sub(r"[ \n]+", " ", text.replace("&nbsp;", "\N{NO-BREAK SPACE}")).strip()


@functools.cache
def _macros() -> Any:
    environment = make_environment("pixmill.evaluate.page", autoescape=False)
    environment.filters["share"] = lambda value: f"{100 * value:.1f}\N{NO-BREAK SPACE}%"
    return environment.get_template("sentences.txt").module
