"""The page ``reports/compare.html``: whether a change matters, what it did, and why."""

import math
import re
from itertools import groupby
from typing import Any

import pandas as pd

from pixmill.compare.comparison import Comparison, DataDifference, Numbers, Revision, with_sign
from pixmill.compare.confusion import ConfusionChange
from pixmill.compare.description import (
    FLIPPED,
    NONE,
    ComparisonTable,
    ImageRow,
    better_or_worse,
    changes_section,
    class_rows,
    confidence,
    data_lines,
    labels_of,
    mcnemar_line,
    metric_rows,
    own_results_section,
    p_value,
    slice_cells,
    slices_line,
    steps_section,
)
from pixmill.compare.image_changes import CHANGES, tables
from pixmill.compare.metric_files import read_curves
from pixmill.compare.sheet import ImageSelection
from pixmill.compare.slices import VALUES, changed_slices
from pixmill.metrics.significance import Difference
from pixmill.pages import base
from pixmill.pages.base.chart import READABLE
from pixmill.split import straddling
from pixmill.validate.reasons import REASONS, word

_COLOURS = {"better": "good", "worse": "bad", "same": "", "pass": "good", "fail": "bad"}
"""Of the badges; that of all other words warns."""

_OWN_SCALE = frozenset({"log_loss", "coverage"})
"""Metrics that would flatten all others: log loss has no upper limit, and coverage goes by the thresholds."""

_CLASSES = 20
"""Classes that are shown unfolded, those that changed most."""

_LISTED = 200
"""Rows of a folded list."""

_PANELS = 6
"""The most columns of ``curves.csv`` that are drawn."""


def render_page(comparison: Comparison, chosen: ImageSelection) -> str:
    """Return the page as HTML that works offline: under 5 MB, whatever the number of images and classes.

    Args:
        comparison: What it shows. Its revisions are asked for ``plots/train/curves.csv``; what cannot be had is left
            out.
        chosen: Its images.
    """
    numbers, data, changes = comparison.numbers, comparison.data, comparison.changes
    of_numbers: dict[str, Any] = {}
    if numbers is not None:
        of_numbers = {
            "metrics": _metrics(numbers),
            "classes": _classes(numbers),
            "confusion": ConfusionChange(numbers, [*chosen.lost, *chosen.gained]),
            "slices": _slices(numbers),
            "slices_line": slices_line(numbers),
            "flipped": [
                (FLIPPED[False], chosen.lost, numbers.mcnemar.lost),
                (FLIPPED[True], chosen.gained, numbers.mcnemar.gained),
            ],
            "mcnemar": mcnemar_line(numbers),
            "steps": steps_section(numbers).parts,
            "reliability": _reliability(numbers),
            "coverage": _coverage(numbers),
        }
    return base.render_page(
        "pixmill.compare",
        "page.html",
        comparison=comparison,
        colours=_COLOURS,
        # The verdict stands before it as a badge.
        sentence=re.sub(f"^{comparison.verdict.replace('_', ' ')}[:,] ", "", comparison.sentence, flags=re.IGNORECASE),
        numbers=numbers,
        level="" if numbers is None else f"{100 * numbers.confidence:g} %",
        **of_numbers,
        n_classes=_CLASSES,
        n_cells=READABLE,
        recorded=() if numbers else own_results_section(comparison).parts,
        chosen=chosen,
        curves=_curves(comparison.base, comparison.head),
        data_lines=() if data is None else data_lines(data),
        counts=[] if data is None else _counts(data),
        changes=None if changes is None else changes_section(changes, _LISTED).parts,
        labels_of=labels_of,
        confidence=confidence,
        reason=_reason,
        with_sign=with_sign,
        p_value=p_value,
    )


_DifferenceRow = tuple[tuple[str, ...], str, str, bool]
"""A row: its cells, the word behind its name, its chart, and whether it decides."""


def _metrics(numbers: Numbers) -> list[_DifferenceRow]:
    extent = _extent([item for name, item in numbers.metrics.items() if name not in _OWN_SCALE], numbers.margin)
    rows = []
    for name, (*cells, word_) in metric_rows(numbers).items():
        item, decides = numbers.metrics[name], name == numbers.metric
        margin = numbers.margin if decides else 0
        own = _extent([item], margin) if name in _OWN_SCALE else extent
        chart = _interval(item, own, word_, margin)
        rows.append((tuple(cells), word_, chart, decides))
    return rows


def _classes(numbers: Numbers) -> list[_DifferenceRow]:
    extent = _extent([row.f1 for row in numbers.per_class.values() if row.f1 is not None], 0)
    rows = []
    for label, (*cells, word_) in class_rows(numbers).items():
        row = numbers.per_class[label]
        chart = "" if row.f1 is None else _interval(row.f1, extent, better_or_worse(row.f1))
        both = (
            " → ".join(NONE if value is None else f"{value:.2f}" for value in pair)
            for pair in (row.precision, row.recall)
        )
        rows.append(((*cells, *both), word_, chart, False))
    return rows


def _slices(numbers: Numbers) -> list[tuple[str, list[_DifferenceRow], int, bool]]:
    """Return of each dimension its name, its slices that changed most, how many others, and whether any did clearly."""
    extent = _extent([row.accuracy for row in numbers.slices], 0)
    clear = set(changed_slices(numbers))
    found = []
    for dimension, members in groupby(numbers.slices, key=lambda row: row.dimension):
        rows = list(members)
        if dimension in VALUES:  # ranges go from low to high
            rows.sort(key=lambda row: -abs(row.accuracy.difference))
        shown: list[_DifferenceRow] = []
        for row in rows[:_CLASSES]:
            word_ = better_or_worse(row.accuracy)
            chart = _interval(row.accuracy, extent, word_)
            mark = "" if row not in clear else "better" if row.accuracy.difference > 0 else "worse"
            shown.append(((row.name, *slice_cells(row)), mark, chart, False))
        found.append((dimension, shown, len(rows) - len(shown), any(row in clear for row in rows)))
    return found


def _extent(differences: list[Difference], margin: float) -> float:
    return 1.05 * max([margin, *(abs(limit) for one in differences for limit in (one.low, one.high, one.difference))])


def _interval(item: Difference, extent: float, change: str, margin: float = 0.0) -> str:
    name = f"{with_sign(item.difference)}, from {with_sign(item.low)} to {with_sign(item.high)}"
    kind = _COLOURS.get(change, "")
    return base.interval_svg(item.low, item.difference, item.high, extent=extent, name=name, kind=kind, margin=margin)


def _reliability(numbers: Numbers) -> str:
    tables = dict(zip(("base", "head"), numbers.reliability, strict=True))
    return base.lines_svg(
        {revision: list(zip(rows["confidence"], rows["accuracy"], strict=True)) for revision, rows in tables.items()},
        name="Accuracy by confidence, of base and head",
        x_label="confidence",
        y_low=0.0,
        dots={revision: list(rows["n"] / rows["n"].max()) for revision, rows in tables.items()},
    )


def _coverage(numbers: Numbers) -> str | None:
    if numbers.coverage is None:
        return None
    tables = dict(zip(("base", "head"), numbers.coverage, strict=True))
    marks = {}
    if "answered_accuracy" in numbers.metrics:
        share, accuracy = numbers.metrics["coverage"], numbers.metrics["answered_accuracy"]
        marks = {"base": (share.first, accuracy.first), "head": (share.second, accuracy.second)}
    lowest = min(float(rows["accuracy"].min()) for rows in tables.values())
    return base.lines_svg(
        {revision: list(zip(rows["coverage"], rows["accuracy"], strict=True)) for revision, rows in tables.items()},
        name="Accuracy against coverage, of base and head",
        x_label="coverage",
        # A quarter of the axis is a round number.
        y_low=max(0.0, math.floor(lowest * 5 - 0.25) / 5),
        marks=marks,
    )


def _curves(before: Revision | None, after: Revision) -> list[tuple[str, str]]:
    """Return title and chart of each column of both revisions' training curves."""
    revisions = {
        name: read_curves(None if revision is None else revision.read("plots/train/curves.csv"))
        for name, revision in (("base", before), ("head", after))
    }
    columns = dict.fromkeys(column for table in revisions.values() for column in table.columns[1:])
    charts = []
    for column in columns:
        lines = {name: _points(table, column) for name, table in revisions.items()}
        if any(lines.values()):
            title = str(column).replace("_", " ")
            charts.append((title, base.lines_svg(lines, name=f"{title} of base and head", x_label="epoch")))
    return charts[:_PANELS]


def _points(table: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    if column not in table:
        return []
    both = [pd.to_numeric(table[name], errors="coerce") for name in (table.columns[0], column)]
    return [(x, y) for x, y in zip(*both, strict=True) if abs(x) < 1e12 and abs(y) < 1e12]


def _reason(row: ImageRow) -> str:
    """Return why an image is or was dropped; another version's reason may be unknown."""
    text = word(row["head_reason"] or row["base_reason"] or "")
    return {**REASONS, **straddling.REASONS}.get(text, base.shorten(text).replace("_", " "))


def _counts(data: DataDifference) -> list[ComparisonTable]:
    """Return how many images changed, by class, source and reason, if by more than one."""
    kinds = [kind for kind in CHANGES if data.count(kind)]
    found = []
    for what, table in tables(data).items():
        if len(table) > 1:
            rows = [
                (base.shorten(str(name), 60), *map(str, row)) for name, row in table[kinds].head(_LISTED).iterrows()
            ]
            left = len(table) - len(rows)
            found.append(ComparisonTable((what, *kinds), tuple(rows), f"and {left:,} more" if left else ""))
    return found
