"""The page for people: ``reports/evaluate.html``."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.evaluate.charts import curve_svg
from pixmill.evaluate.figures import confusion_figure
from pixmill.evaluate.labels_search import Doubt
from pixmill.evaluate.mistakes import Confusion, Mistake, commonest_confusions
from pixmill.evaluate.reading import calibration, cautions, confusion_sentence, headline, meaning, next_steps, threshold
from pixmill.evaluate.sheets import Pair, Shown
from pixmill.images.thumbnail import thumbnail_uri
from pixmill.report import figure_svg, render_page, shorten

__all__ = ["Findings", "render_report"]

_CONFUSIONS, _MANY_CONFUSIONS = 6, 24
"""Confusions that are spelt out; the matrix has them all. More where the matrix is a picture that shows no names."""

_CELLS = 30
"""Classes up to which the matrix is a table, in which each count can be read; above it is a picture."""

_CLASSES = 100
"""Classes that the table lists: of more, those that the model does worst."""

_SLICES = 60
"""Kinds of pictures that are listed."""

_UNLABELLED = 48
"""Unlabelled pictures that are listed; all are in a file."""

_ID_DIGITS = 12
"""Digits of an id that are shown: enough to find the picture by, few enough to read."""

_DEPTH = 0.45
"""The most colour in a cell, so that its count can be read on it in light and in dark."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Findings:
    """Hold what the page tells.

    Args:
        metrics: The content of ``metrics/evaluate.json``.
        labels: The classes in the order of the model's outputs.
        matrix: Test pictures by actual (row) and predicted (column) class.
        interval_confidence: Confidence of the intervals.
        mean_confidence: Mean probability of the predicted class over the test part.
        target_accuracy: The share of answers that shall be right.
        mistakes: The mistakes to show, the surest first.
        typical: A picture that was rightly named of each class, or of the first ones where there are very many.
        looked: Where the model looked, by id of the picture; of some pictures only.
        pairs: The worst mistakes of each pair of classes.
        unsure: Pictures that the model could hardly decide on.
        sample: Pictures at random.
        doubts: The likeliest wrong labels; ``None`` where none were looked for.
        doubtful: How many labels are in doubt in all.
        reliability: Columns ``confidence``, ``accuracy`` and ``n``, one row a bin that holds pictures.
        coverage: Columns ``coverage`` and ``accuracy``, one row a threshold.
        slices: Columns ``dimension``, ``what``, ``n``, ``accuracy``, ``accuracy_low``, ``accuracy_high`` and ``worse``.
        worse: Sentences about slices that are worse than the rest.
        unlabelled: Columns ``path``, ``predicted``, ``confidence``, ``sure`` and ``reason``; ``None`` where there are
            no such pictures.
    """

    metrics: Mapping[str, Any]
    labels: Sequence[str]
    matrix: npt.NDArray[np.int64]
    interval_confidence: float
    mean_confidence: float
    target_accuracy: float
    mistakes: Sequence[Mistake]
    typical: Sequence[Shown]
    looked: Mapping[str, Pixels]
    pairs: Sequence[Pair]
    unsure: Sequence[Shown]
    sample: Sequence[Shown]
    doubts: Sequence[Doubt] | None
    doubtful: int
    reliability: pd.DataFrame
    coverage: pd.DataFrame
    slices: pd.DataFrame
    worse: Sequence[str]
    unlabelled: pd.DataFrame | None


def render_report(found: Findings) -> str:
    """Return the page as HTML that asks nothing of any server: under 5 MB, whatever the number of pictures.

    Args:
        found: What it tells.
    """
    metrics, labels, matrix = found.metrics, found.labels, found.matrix
    confusions = commonest_confusions(matrix, labels)
    classes = _per_class(metrics["per_class"], confusions)
    return render_page(
        "pixmill.evaluate",
        "report.html",
        metrics=metrics,
        headline=_tied(headline(metrics, found.interval_confidence)),
        meaning=_tied(meaning(metrics)),
        cautions=[_tied(caution) for caution in cautions(metrics)],
        steps=[
            (_tied(sentence), command)
            for sentence, command in next_steps(metrics, confusions, doubtful=found.doubtful, worse=found.worse)
        ],
        calibration=_tied(calibration(metrics, found.mean_confidence)),
        threshold=_tied(threshold(metrics, found.target_accuracy) or ""),
        bars=_bars(metrics),
        top=_top(metrics),
        per_class=classes[:_CLASSES],
        more_classes=max(0, len(classes) - _CLASSES),
        table=_cells(matrix) if len(labels) <= _CELLS else None,
        matrix="" if len(labels) <= _CELLS else figure_svg(confusion_figure(matrix, labels)),
        labels=labels,
        confusions=[
            _tied(confusion_sentence(confusion))
            for confusion in confusions[: _CONFUSIONS if len(labels) <= _CELLS else _MANY_CONFUSIONS]
        ],
        reliability=_reliability(found.reliability),
        coverage=_coverage(found.coverage, metrics),
        slices=_slices(found.slices),
        more_slices=max(0, len(found.slices) - _SLICES),
        worse=[_tied(sentence) for sentence in found.worse],
        mistakes=[_mistake(mistake, found.looked) for mistake in found.mistakes],
        typical=[_typical(shown, found.looked) for shown in found.typical if shown.id in found.looked],
        named_right=int(np.count_nonzero(np.diag(matrix))),
        has_looks=bool(found.looked),
        pairs=[_pair(pair) for pair in found.pairs],
        unsure=[_unsure(shown) for shown in found.unsure],
        sample=[_sampled(shown) for shown in found.sample],
        sample_right=sum(shown.right for shown in found.sample),
        doubts=None if found.doubts is None else [_doubt(doubt) for doubt in found.doubts],
        doubtful=found.doubtful,
        unlabelled=_unlabelled(found.unlabelled),
        wrong=int(matrix.sum() - np.trace(matrix)),
    )


def _tied(sentence: str) -> str:
    """Return a sentence in which no line ends between a number and its unit."""
    return sentence.replace(" %", "\u00a0%")


def _slices(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Return the slices to show: of very many those that are worse, then all but classes, then the worst of these."""
    if len(table) > _SLICES:
        order = table.assign(of_class=table["dimension"] == "class")
        order = order.sort_values(["worse", "of_class", "accuracy"], ascending=[False, True, True], kind="stable")
        table = table.loc[order.index[:_SLICES].sort_values()]
    return table.to_dict("records")


def _per_class(per_class: Mapping[str, Mapping[str, Any]], confusions: Sequence[Confusion]) -> list[dict[str, Any]]:
    commonest: dict[str, str] = {}
    for confusion in confusions:
        commonest.setdefault(confusion.actual, f"{confusion.predicted} ({confusion.count:,})")
    rows = [{"label": label, **row, "taken_for": commonest.get(label)} for label, row in per_class.items()]
    return rows if len(rows) <= _CLASSES else sorted(rows, key=lambda row: -1 if row["f1"] is None else row["f1"])


def _bars(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the model's accuracy among those of doing without it."""
    baseline = metrics["baseline"]
    bars = [{"name": "this model", "share": metrics["accuracy"], "kind": "own"}]
    if baseline.get("histogram_accuracy") is not None:
        bars.append({"name": "colours alone", "share": baseline["histogram_accuracy"], "kind": "other"})
    bars.append({"name": "commonest class", "share": baseline["majority_accuracy"], "kind": "other"})
    return bars


def _top(metrics: Mapping[str, Any]) -> tuple[int, float] | None:
    """Return how many of the likeliest classes are looked at, and how often the right one is among them."""
    for name, value in metrics.items():
        if value is not None and (found := re.fullmatch(r"top_(\d+)_accuracy", name)):
            return int(found[1]), value
    return None


def _cells(matrix: npt.NDArray[np.int64]) -> list[list[tuple[int, str, int]]]:
    """Return count, kind and depth of colour of each cell; the shade is the share of its row."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    # The square root lifts small shares, which are the ones to look for.
    depth = np.rint(100 * _DEPTH * np.sqrt(share)).astype(int)
    return [
        [
            (int(count), "good" if row == column else "bad", int(depth[row, column]))
            for column, count in enumerate(counts)
        ]
        for row, counts in enumerate(matrix)
    ]


def _reliability(table: pd.DataFrame) -> str:
    most = max(int(table["n"].max()), 1) if len(table) else 1
    return curve_svg(
        list(zip(table["confidence"], table["accuracy"], strict=True)),
        name="How often the model is right by how sure it says it is",
        x_label="how sure it said it was",
        y_label="how often it was right",
        dots=[float(n) / most for n in table["n"]],
        joined=False,
        guide=((0, 0), (1, 1)),
    )


def _coverage(table: pd.DataFrame, metrics: Mapping[str, Any]) -> str:
    lowest = min([*table["accuracy"], metrics["accuracy"]])
    mark = None
    if metrics.get("coverage") is not None and metrics.get("covered_accuracy") is not None:
        mark = (metrics["coverage"], metrics["covered_accuracy"])
    return curve_svg(
        list(zip(table["coverage"], table["accuracy"], strict=True)),
        name="How often the answers are right by how many pictures get an answer",
        x_label="pictures that get an answer",
        y_label="answers that are right",
        # Steps of a quarter of the axis shall be round.
        y_low=max(0.0, float(np.floor(lowest * 5 - 0.25) / 5)),
        mark=mark,
    )


def _card(
    item: Mistake | Shown | Doubt, title: str, lines: Sequence[str], looked: Mapping[str, Pixels] | None = None
) -> dict[str, Any]:
    looked = looked or {}
    return {
        "uri": thumbnail_uri(item.pixels),
        "look": thumbnail_uri(looked[item.id]) if item.id in looked else None,
        "title": title,
        "lines": lines,
        "id": item.id[:_ID_DIGITS],
    }


def _mistake(item: Mistake, looked: Mapping[str, Pixels]) -> dict[str, Any]:
    sure = [f"{100 * item.confidence:.1f} % {item.predicted}", f"{100 * item.truth:.1f} % {item.label}"]
    return _card(item, f"Said {item.predicted}, is {item.label}", sure, looked)


def _typical(item: Shown, looked: Mapping[str, Pixels]) -> dict[str, Any]:
    return _card(item, item.label, [f"{100 * item.confidence:.1f} % sure, and right"], looked)


def _pair(pair: Pair) -> dict[str, Any]:
    times = "once" if pair.count == 1 else f"{pair.count:,} times"
    return {
        "title": f"{pair.label} taken for {pair.predicted}, {times}",
        "cards": [_card(item, f"{100 * item.confidence:.0f} % sure", []) for item in pair.mistakes],
    }


def _unsure(item: Shown) -> dict[str, Any]:
    sure = [f"{100 * item.confidence:.1f} % {item.predicted}", f"{100 * item.second_confidence:.1f} % {item.second}"]
    return _card(item, f"{item.predicted} or {item.second}?", [*sure, f"is {item.label}"])


def _sampled(item: Shown) -> dict[str, Any]:
    lines = [f"{100 * item.confidence:.0f} % sure", *([] if item.right else [f"is {item.label}"])]
    return _card(item, f"{'✓' if item.right else '✗'} {item.predicted}", lines)


def _doubt(item: Doubt) -> dict[str, Any]:
    return _card(item, f"{item.label}, or {item.suggested}?", [f"label fits {item.score:.2f} of 1", f"in {item.split}"])


def _unlabelled(table: pd.DataFrame | None) -> dict[str, Any] | None:
    if table is None:
        return None
    read = table[table["predicted"].notna()]
    first = read.sort_values(["confidence", "path"], ascending=[True, True]).head(_UNLABELLED)
    unread = table[table["predicted"].isna()]
    return {
        "n": len(table),
        "counts": [(str(label), int(n)) for label, n in read["predicted"].value_counts(sort=True).items()],
        "rows": [
            (shorten(str(row["path"])), row["predicted"], f"{100 * row['confidence']:.1f} %")
            for row in first.to_dict("records")
        ],
        "unread": [(shorten(str(row["path"])), row["reason"]) for row in unread.head(_UNLABELLED).to_dict("records")],
        "n_unread": len(unread),
        "n_sure": int(read["sure"].sum()),
        "n_read": len(read),
    }
