"""The page ``reports/evaluate.html``."""

import re
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.words import count
from pixmill.evaluate.evaluation import Evaluation, Pixels
from pixmill.evaluate.labels import LabelIssue
from pixmill.evaluate.mistakes import Confusion, PredictedImage, commonest_confusions
from pixmill.images.fit import thumbnail_uri
from pixmill.metrics.growth import Growth
from pixmill.pages.base import Excerpt, heat_svg, lines_svg, render_page
from pixmill.pages.base.chart import READABLE, shade
from pixmill.pages.base.thumbnails import Thumbnail, thumbnails
from pixmill.pages.evaluate import sentences
from pixmill.pages.evaluate.sentences import say

_CONFUSIONS = 6
"""Confusions that are listed; the matrix has them all."""

_RANDOM, _UNSURE, _OF_CLASS, _CLASSES = 10, 12, 4, 30
"""Unlabelled images that are shown: at random, the least confident, and of each predicted class, with most images; the
file has them all."""

_UNREAD = 48
"""Unreadable files that are listed."""

_ID_DIGITS = 12
"""Digits of an id that are shown: enough to identify the image, few enough to read."""


def render_report(evaluation: Evaluation, root: Path, growth: Growth | None) -> str:
    """Return the page as HTML that works offline: under 5 MB, whatever the number of images.

    Args:
        evaluation: The evaluation to show.
        root: The project's folder, which holds the unlabelled images.
        growth: What train's learning curve says of more images; ``None``: there is none.
    """
    metrics, labels, matrix = evaluation.metrics, evaluation.labels, evaluation.matrix
    heatmaps, reliability, slices = evaluation.heatmaps, evaluation.plots["calibrated"], evaluation.plots["slices"]
    is_table = len(labels) <= READABLE
    confusions = commonest_confusions(matrix, labels)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ranking, wrong = evaluation.ranking, int(matrix.sum() - np.trace(matrix))
    doubtful = 0 if ranking is None else int(ranking["suggested"].notna().sum())
    return render_page(
        "pixmill.pages.evaluate",
        "page.html",
        metrics=metrics,
        headline=say("headline", metrics, evaluation.interval_confidence),
        shortcut=say("shortcut", metrics),
        meaning=say("meaning", metrics),
        cautions=sentences.cautions(metrics),
        steps=sentences.next_steps(metrics, confusions, ranking=ranking, slices=slices, growth=growth),
        calibration=say("calibration", metrics),
        threshold=sentences.threshold_sentence(metrics, evaluation.target_accuracy),
        top=_top(metrics),
        per_class=_per_class(metrics["per_class"], confusions),
        table=_cells(matrix, shares, {_anchor(cell, labels) for cell, _ in evaluation.cells}) if is_table else None,
        matrix=""
        if is_table
        else heat_svg(shares, labels, name="Confusion matrix", x_label="predicted class", y_label="actual class"),
        labels=labels,
        confusions=[say("confusion", confusion) for confusion in confusions[:_CONFUSIONS]],
        reliability=_reliability(reliability),
        coverage=_coverage(evaluation.plots["coverage"], metrics),
        slices=slices.to_dict("records"),
        worse=[say("worse", row) for row in sentences.worse(slices)],
        mistakes=Excerpt([_mistake_card(item, heatmaps) for item in evaluation.mistakes], wrong),
        typical=Excerpt(
            [_typical_card(item, heatmaps) for item in evaluation.typical if item.id in heatmaps],
            int(np.count_nonzero(np.diag(matrix))),
        ),
        has_looks=bool(heatmaps),
        cells=[_cell(*cell, labels) for cell in evaluation.cells],
        unsure=[_unsure_card(item) for item in evaluation.unsure],
        unlike=[_sample_card(item) for item in evaluation.unlike],
        sample=[_sample_card(item) for item in evaluation.sample],
        sample_right=sum(item.right for item in evaluation.sample),
        doubts=None if ranking is None else Excerpt([_doubt_card(doubt) for doubt in evaluation.doubts], doubtful),
        suggestions=sentences.labels_sentence(ranking),
        unlabelled=_view_unlabelled(evaluation, root),
        wrong=wrong,
    )


def _per_class(per_class: Mapping[str, Mapping[str, Any]], confusions: Sequence[Confusion]) -> list[dict[str, Any]]:
    commonest: dict[str, str] = {}
    for confusion in confusions:
        commonest.setdefault(confusion.actual, f"{confusion.predicted} ({confusion.count:,})")
    return [{"label": label, **row, "taken_for": commonest.get(label)} for label, row in per_class.items()]


def _top(metrics: Mapping[str, Any]) -> tuple[int, float] | None:
    """Return k and the top-k accuracy."""
    for name, value in metrics.items():
        if value is not None and (found := re.fullmatch(r"top_(\d+)_accuracy", name)):
            return int(found[1]), value
    return None


def _cells(
    matrix: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], anchors: Set[str]
) -> list[list[tuple[int, str, int, str | None]]]:
    """Return count, kind and shade of each cell."""
    return [
        [
            (
                int(count),
                "good" if row == column else "bad",
                shade(shares[row, column]),
                anchor if (anchor := f"cell-{row}-{column}") in anchors else None,
            )
            for column, count in enumerate(counts)
        ]
        for row, counts in enumerate(matrix)
    ]


def _reliability(table: pd.DataFrame) -> str:
    return lines_svg(
        {"images": list(zip(table["confidence"], table["accuracy"], strict=True))},
        name="Reliability diagram: accuracy by confidence",
        x_label="confidence",
        y_label="accuracy",
        y_low=0.0,
        dots={"images": list(table["n"] / table["n"].max())},
    )


def _coverage(table: pd.DataFrame, metrics: Mapping[str, Any]) -> str:
    # The last row of the table is the accuracy at full coverage.
    lowest = table["accuracy"].min()
    mark = None if metrics["covered_accuracy"] is None else (metrics["coverage"], metrics["covered_accuracy"])
    return lines_svg(
        {"answers": list(zip(table["coverage"], table["accuracy"], strict=True))},
        name="Accuracy against coverage",
        x_label="coverage (images answered)",
        y_label="accuracy of the answers",
        # A quarter of the axis is a round number.
        y_low=max(0.0, float(np.floor(lowest * 5 - 0.25) / 5)),
        mark=mark,
    )


def _card(
    item: PredictedImage | LabelIssue,
    title: str,
    lines: Sequence[str],
    heatmaps: Mapping[str, Pixels] = MappingProxyType({}),
) -> dict[str, Any]:
    return {
        "uri": thumbnail_uri(item.pixels),
        "look": thumbnail_uri(heatmaps[item.id]) if item.id in heatmaps else None,
        "title": title,
        "lines": lines,
        "id": item.id[:_ID_DIGITS],
        "file": None,
    }


def _mistake_card(item: PredictedImage, heatmaps: Mapping[str, Pixels]) -> dict[str, Any]:
    sure = [f"{100 * item.confidence:.1f} % {item.predicted}", f"{100 * item.truth:.1f} % {item.label}"]
    return _card(item, f"Predicted {item.predicted}, actual {item.label}", sure, heatmaps)


def _typical_card(item: PredictedImage, heatmaps: Mapping[str, Pixels]) -> dict[str, Any]:
    return _card(item, item.label, [f"{100 * item.confidence:.1f} % confidence, correct"], heatmaps)


def _cell(cell: Confusion, examples: Sequence[PredictedImage], labels: Sequence[str]) -> dict[str, Any]:
    right = cell.actual == cell.predicted
    what = f"{cell.actual}, correct" if right else f"{cell.actual} predicted as {cell.predicted}"
    return {
        "title": f"{what}: {count(cell.count, 'image')}",
        "anchor": _anchor(cell, labels),
        "cards": [_card(item, f"{100 * item.confidence:.0f} % confidence", []) for item in examples],
    }


def _anchor(cell: Confusion, labels: Sequence[str]) -> str:
    return f"cell-{labels.index(cell.actual)}-{labels.index(cell.predicted)}"


def _unsure_card(item: PredictedImage) -> dict[str, Any]:
    sure = [f"{100 * item.confidence:.1f} % {item.predicted}", f"{100 * item.second_confidence:.1f} % {item.second}"]
    return _card(item, f"{item.predicted} or {item.second}?", [*sure, f"actual: {item.label}"])


def _sample_card(item: PredictedImage) -> dict[str, Any]:
    lines = [f"{100 * item.confidence:.0f} % confidence", *([] if item.right else [f"actual: {item.label}"])]
    return _card(item, f"{'✓' if item.right else '✗'} {item.predicted}", lines)


def _doubt_card(item: LabelIssue) -> dict[str, Any]:
    lines = [f"label score {item.score:.2f}", f"{item.split} split"]
    return _card(item, f"Label {item.label}, perhaps {item.suggested}", lines)


def _view_unlabelled(evaluation: Evaluation, root: Path) -> dict[str, Any] | None:
    table, folder = evaluation.unlabelled, evaluation.unlabelled_folder
    if folder is None:
        return None
    if table is None or table.empty:
        return {"n": 0, "remark": evaluation.unlabelled_remark()}
    read, unread = table[table["predicted"].notna()], table[table["predicted"].isna()]
    # Copies of an image are shown once.
    distinct = read.drop_duplicates("id").sort_values(["confidence", "path"], ascending=[False, True])
    # An id is a digest: its last digits are effectively random.
    random = distinct.loc[distinct["id"].str[-16:].sort_values(kind="stable").index[:_RANDOM]]
    counts = read["predicted"].value_counts(sort=True)
    of_class = [(str(label), int(n), distinct[distinct["predicted"] == label]) for label, n in counts.items()]
    tables = [random, distinct[::-1][:_UNSURE], *(rows[:_OF_CLASS] for _, _, rows in of_class[:_CLASSES])]
    groups: list[list[dict[Any, Any]]] = [rows.to_dict("records") for rows in tables]
    images = {row["path"]: Thumbnail(row["id"], root / folder / row["path"]) for rows in groups for row in rows}
    uris = thumbnails(images.values())
    cards = [[_guess(row, uris.get(images[row["path"]])) for row in rows] for rows in groups]
    return {
        "n": len(table),
        "random": cards[0],
        "unsure": cards[1],
        "classes": Excerpt(
            [(label, n, shown) for (label, n, _), shown in zip(of_class, cards[2:], strict=False)], len(of_class)
        ),
        "unread": Excerpt(unread.head(_UNREAD).to_dict("records"), len(unread)),
        "n_sure": int(read["sure"].sum()),
        "n_read": len(read),
        "n_unlike": int(read["unlike"].sum()),
    }


def _guess(row: Mapping[Any, Any], uri: str | None) -> dict[str, Any]:
    is_unsure = pd.notna(row["sure"]) and not row["sure"]
    is_unlike = pd.notna(row["unlike"]) and row["unlike"]
    remark = ": unlike the training images" if is_unlike else ": not sure" if is_unsure else ""
    lines = [f"{100 * row['confidence']:.1f} % confidence{remark}"]
    return {"uri": uri, "look": None, "title": row["predicted"], "lines": lines, "id": None, "file": row["path"]}
