"""Render the page of validate: results of the checks first, then the data."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pixmill.core.cells import by_label
from pixmill.core.decisions import Row
from pixmill.core.expectations import Outcome
from pixmill.core.manifest import shrinkage
from pixmill.core.params import ValidateParams
from pixmill.core.words import shorten
from pixmill.images.compute import RowLimits
from pixmill.images.depth import WEIGHTS, describe_window
from pixmill.images.formats import OTHER_FORMATS
from pixmill.images.read_errors import remedy
from pixmill.pages import Excerpt, histogram_svg, render_page
from pixmill.pages.thumbnails import Thumbnail, take_until_full, thumbnails
from pixmill.validate.page.cards import ValidationCards
from pixmill.validate.page.image_sections import (
    beyond_threshold,
    count_dropped_by_class,
    leaks,
    near_duplicates,
    offenders,
    placeholders,
    sheets,
)
from pixmill.validate.reasons import UNREADABLE
from pixmill.validate.statistics import (
    DIMENSIONS,
    Distribution,
    dimension_table,
    distributions,
    metrics,
)
from pixmill.validate.tables import lookalikes_advice
from pixmill.validate.validation import Review, Validation

MAX_ROWS = 400
MAX_DECISIONS = 200
"""Maximum number of rows (classes) and of decisions in a table."""

_WINDOW_BINS = 32

MAX_BARS = 60
"""Maximum number of classes in a bar chart."""

_TYPICAL = ("brightness", "contrast", "sharpness", "entropy", "border")
"""Measures in the table of medians."""

_SEVERITIES = ("critical", "warning", "info")

MAX_BYTES = 3_500_000
"""Maximum bytes of all thumbnails, so that the page stays under 5 MB."""


def render_report(
    validation: Validation,
    *,
    folder: Path,
    params: ValidateParams,
    workers: int | None = None,
    root: Path | None = None,
) -> str:
    """Return the page as self-contained HTML under 5 MB.

    Args:
        validation: Results of the stage.
        folder: Base folder of the paths in the manifest.
        params: The section ``validate``.
        workers: Number of processes; default: one per CPU. ``0``: this process, without limits.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    images = ValidationCards(validation)
    labels = list(validation.classes["label"])
    outcomes = sorted(
        validation.outcomes, key=lambda item: (item.success, _SEVERITIES.index(item.check.severity))
    )
    followed, powerless = _view_decisions(validation.review)
    decided = [name for name, of in validation.review.followed.items() if of.fate == "keep"]
    # In the order of importance: if the page exceeds its limit, the last cards have no thumbnail.
    leaking = leaks(images, validation.leaks)
    standing = placeholders(images, validation.repeated)
    near = near_duplicates(images, validation.pairs, validation.pairs_across_labels())
    offending = list(offenders(images))
    suspects = list(beyond_threshold(images, params, decided=decided))
    sampled = sheets(images, labels)
    how = (params.max_pixels, validation.window)
    shown = (Thumbnail(card.id, folder / card.path, *how) for card in images.cards if card.readable)
    # Limits apply to worker processes only.
    limits = None if workers == 0 else RowLimits(seconds=params.timeout, memory=params.memory << 20)
    uris = thumbnails(shown, limits=limits, workers=workers)
    figures = metrics(validation)
    classes = validation.classes
    smallest = classes if len(classes) <= MAX_BARS else classes.sort_values("n", kind="stable")
    sized = validation.manifest[["label", "verdict", "given_split", *DIMENSIONS]]
    dimensions = dimension_table(by_label(sized), labels).to_dict("records")
    return render_page(
        "pixmill.validate.page",
        "page.html",
        root=root,
        formats=OTHER_FORMATS,
        remedy=remedy,
        figures=figures,
        shrinkage=shrinkage(figures.get("given_test", {})),
        outcomes=outcomes,
        failed=_failed(outcomes),
        # With very many classes, show the smallest.
        smallest=Excerpt(smallest.head(MAX_BARS).to_dict("records"), len(labels)),
        balance=validation.classes.head(MAX_ROWS).to_dict("records"),
        labels=labels,
        least=params.min_per_class.count,
        by_split=len(dimensions) > len(labels),
        dimensions=Excerpt(dimensions[:MAX_ROWS], len(dimensions)),
        sizes=DIMENSIONS,
        typical=_class_medians(images, labels),
        measures=_TYPICAL,
        shortcuts=validation.shortcuts.to_dict("records"),
        charts=[_chart(item.trim()) for item in distributions(validation.judged, params)],
        window=_describe_window(validation),
        unreadable=[item for item in offending if item["reason"] in UNREADABLE],
        offenders=[item for item in offending if item["reason"] not in UNREADABLE],
        dropped=count_dropped_by_class(images).head(MAX_ROWS),
        suspects=suspects,
        placeholders=standing,
        leaks=leaking,
        near=near,
        lookalikes=lookalikes_advice(validation.lookalikes, where="")
        if len(validation.lookalikes)
        else "",
        followed=followed,
        powerless=powerless,
        sheets=sampled,
        series=validation.series and validation.series.sentence(),
        shop=bool((images.manifest["source"] == "shop").any()),
        uris=take_until_full(((image.id, uri) for image, uri in uris.items()), MAX_BYTES),
    )


def _class_medians(images: ValidationCards, labels: Sequence[str]) -> list[dict[Hashable, Any]]:
    """Return the medians of the measures over the kept images, by class."""
    kept = by_label(images.manifest.loc[images.kept, ["label", *_TYPICAL]])
    table = (
        kept.groupby("label", observed=True)[list(_TYPICAL)]
        .median()
        .reindex(list(labels[:MAX_ROWS]))
    )
    return table.rename_axis("label").reset_index().to_dict("records")


def _chart(found: Distribution) -> tuple[str, str]:
    counts = {"kept": found.kept.tolist(), "dropped": found.dropped.tolist()}
    return found.title, histogram_svg(
        found.edges, counts, ticks=found.ticks, marks=found.limits, name=found.title
    )


def _describe_window(validation: Validation) -> tuple[str, str] | None:
    """Return a sentence about the window, and a histogram of values in per mille of pixels."""
    values = validation.values
    window = validation.window
    if window is None:
        return None
    low = min(float(values.min()), window[0])
    high = max(float(values.max()), window[1])
    shares, edges = np.histogram(
        values, _WINDOW_BINS, (low, high), weights=np.broadcast_to(WEIGHTS, values.shape)
    )
    counts = {"‰ of pixels": np.rint(shares * 1000 / len(values)).astype(int).tolist()}
    chart = histogram_svg(edges.tolist(), counts, ticks=(low, high), marks=window, name="Values")
    return describe_window(len(values), window), chart


def _failed(outcomes: Sequence[Outcome]) -> dict[str, list[str]]:
    """Return the names of the failed checks by severity."""
    failed = dict.fromkeys(
        (item.check.severity, item.check.name) for item in outcomes if not item.success
    )
    return {each: [name for severity, name in failed if severity == each] for each in _SEVERITIES}


def _view_decisions(review: Review) -> tuple[Excerpt[Any], Excerpt[Any]]:
    """Return the rows of the tables of applied and ignored decisions."""
    rows = [row for of in review.followed.values() for row in of.rows]
    rows.sort(key=lambda row: row.line)
    followed = [
        (*_describe(row), row.label or None, shorten(row.by), shorten(row.why))
        for row in rows[:MAX_DECISIONS]
    ]
    powerless = [(*_describe(row), why) for row, why in review.powerless[:MAX_DECISIONS]]
    return Excerpt(followed, len(rows)), Excerpt(powerless, len(review.powerless))


def _describe(row: Row) -> tuple[int, str, str]:
    return row.line, shorten(row.image), row.answer
