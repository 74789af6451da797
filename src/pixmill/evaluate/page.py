"""The page for people: ``reports/evaluate.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixmill.evaluate.figures import confusion_figure
from pixmill.evaluate.mistakes import Confusion, Mistake, commonest_confusions
from pixmill.evaluate.reading import calibration, cautions, confusion_sentence, headline
from pixmill.images.thumbnail import thumbnail_uri
from pixmill.report import figure_svg, render_page

__all__ = ["render_report"]

_CONFUSIONS = 6
"""Confusions that are spelt out; the matrix has them all."""

_ID_DIGITS = 12
"""Digits of an id that are shown: enough to find the picture by, few enough to read."""


def render_report(
    metrics: Mapping[str, Any],
    matrix: npt.NDArray[np.int64],
    labels: Sequence[str],
    mistakes: Sequence[Mistake],
    *,
    mean_confidence: float,
    interval_confidence: float,
) -> str:
    """Return the page as HTML that asks nothing of any server.

    Args:
        metrics: As :func:`pixmill.evaluate.measure.measure` returns them.
        matrix: Test pictures by actual (row) and predicted (column) class.
        labels: The classes in the order of the model's outputs.
        mistakes: The mistakes to show, the surest first.
        mean_confidence: Mean probability of the predicted class over the test part.
        interval_confidence: Confidence of the accuracy's interval.
    """
    confusions = commonest_confusions(matrix, labels)
    return render_page(
        "pixmill.evaluate",
        "report.html",
        metrics=metrics,
        headline=headline(metrics, interval_confidence),
        cautions=cautions(metrics),
        calibration=calibration(metrics, mean_confidence),
        per_class=_per_class(metrics["per_class"], confusions),
        matrix=figure_svg(confusion_figure(matrix, labels)),
        confusions=[confusion_sentence(confusion) for confusion in confusions[:_CONFUSIONS]],
        mistakes=[_card(mistake) for mistake in mistakes],
        wrong=int(matrix.sum() - np.trace(matrix)),
    )


def _per_class(per_class: Mapping[str, Mapping[str, Any]], confusions: Sequence[Confusion]) -> list[dict[str, Any]]:
    commonest: dict[str, str] = {}
    for confusion in confusions:
        commonest.setdefault(confusion.actual, f"{confusion.predicted} ({confusion.count:,})")
    return [{"label": label, **row, "taken_for": commonest.get(label)} for label, row in per_class.items()]


def _card(mistake: Mistake) -> dict[str, Any]:
    return {
        "uri": thumbnail_uri(mistake.pixels),
        "title": f"Said {mistake.predicted}, is {mistake.label}",
        "lines": [
            f"{100 * mistake.confidence:.1f} % {mistake.predicted}",
            f"{100 * mistake.truth:.1f} % {mistake.label}",
            mistake.id[:_ID_DIGITS],
        ],
    }
