"""The page ``reports/compare.html``: whether a change matters, what it did, and why."""

import re
from functools import partial
from itertools import groupby
from typing import Any

import pandas as pd
from markupsafe import Markup

from pixmill import pages
from pixmill.experiments.compare.comparison import Comparison, Numbers, Revision
from pixmill.experiments.compare.confusion import cell, changed_errors
from pixmill.experiments.compare.metric_files import read_curves
from pixmill.experiments.compare.rendering import content
from pixmill.experiments.compare.sheet import ImageSelection
from pixmill.experiments.compare.slices import VALUES
from pixmill.experiments.compare.view import ImageRow, labels_of
from pixmill.pages.chart import MAX_MATRIX_CLASSES
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
    made, numbers = content(comparison), comparison.numbers
    extents = _extents(made)

    def interval(it: dict[str, float], group: str, change: str, margin: float = 0.0) -> Markup:
        return pages.interval_svg(
            it["low"],
            it["diff"],
            it["high"],
            extent=extents[group],
            name=f"{pages.with_sign(it['diff'])}, from {pages.with_sign(it['low'])} to {pages.with_sign(it['high'])}",
            kind=_COLOURS.get(change, ""),
            margin=margin,
        )

    return pages.render_page(
        "pixmill.experiments.compare",
        "page.html",
        **made,
        colours=_COLOURS,
        # The verdict stands before it as a badge.
        lead=re.sub(f"^{comparison.verdict.replace('_', ' ')}[:,] ", "", comparison.sentence, flags=re.IGNORECASE),
        labels=() if numbers is None else numbers.labels,
        cell=None if numbers is None else partial(cell, numbers),
        errors=[] if numbers is None else changed_errors(numbers),
        **({} if numbers is None else _calibration(numbers)),
        dimensions=_dimensions(made["slices"]),
        interval=interval,
        own_scale=_OWN_SCALE,
        n_classes=_CLASSES,
        n_cells=MAX_MATRIX_CLASSES,
        n_listed=_LISTED,
        chosen=chosen,
        curves=_curves(comparison.base, comparison.head),
        labels_of=labels_of,
        reason=_reason,
    )


def _extents(made: dict[str, Any]) -> dict[str, float]:
    """Return how far the scale of each group of intervals reaches from 0."""
    metrics, margin = made["metrics"], made["margin"] or 0
    groups = {
        "metrics": [it for name, it in metrics.items() if name not in _OWN_SCALE],
        "per_class": [row["f1"] for row in made["per_class"].values() if row["f1"]],
        "slices": [row["accuracy"] for row in made["slices"]],
        **{name: [it] for name, it in metrics.items() if name in _OWN_SCALE},
    }
    return {
        group: 1.05
        * max(
            [
                margin if group in ("metrics", made["metric"]) else 0,
                *(abs(it[limit]) for it in differences for limit in ("low", "high", "diff")),
            ]
        )
        for group, differences in groups.items()
    }


def _dimensions(slices: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]], int, bool]]:
    """Return of each dimension its name, its slices that changed most, how many others, and whether any did clearly."""
    found = []
    for dimension, members in groupby(slices, key=lambda row: row["dimension"]):
        rows = list(members)
        if dimension in VALUES:  # ranges go from low to high
            rows.sort(key=lambda row: -abs(row["accuracy"]["diff"]))
        found.append((dimension, rows[:_CLASSES], len(rows) - _CLASSES, any(row["changed"] for row in rows)))
    return found


def _calibration(numbers: Numbers) -> dict[str, Markup | None]:
    sides, metrics = ("base", "head"), numbers.metrics
    marks: dict[str, tuple[float, float]] = {}
    if "covered_accuracy" in metrics:
        share, accuracy = metrics["coverage"], metrics["covered_accuracy"]
        marks = {"base": (share.first, accuracy.first), "head": (share.second, accuracy.second)}
    reliability = dict(zip(sides, numbers.reliability, strict=True))
    coverage = dict(zip(sides, numbers.coverage, strict=True)) if numbers.coverage else {}
    return {
        "reliability": pages.reliability_svg(reliability, name="Accuracy by confidence, of base and head"),
        "coverage": pages.coverage_svg(coverage, marks, name="Accuracy against coverage, of base and head")
        if coverage
        else None,
    }


def _curves(before: Revision | None, after: Revision) -> list[tuple[str, Markup]]:
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
            charts.append((title, pages.lines_svg(lines, name=f"{title} of base and head", x_label="epoch")))
    return charts[:_PANELS]


def _points(table: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    if column not in table:
        return []
    both = [pd.to_numeric(table[name], errors="coerce") for name in (table.columns[0], column)]
    return [(x, y) for x, y in zip(*both, strict=True) if abs(x) < 1e12 and abs(y) < 1e12]


def _reason(row: ImageRow) -> str:
    """Return why an image is or was dropped; another version's reason may be unknown."""
    text = word(row["head_reason"] or row["base_reason"] or "")
    return {**REASONS, **straddling.REASONS}.get(text, pages.shorten(text).replace("_", " "))
