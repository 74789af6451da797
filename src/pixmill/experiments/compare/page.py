"""Write the page of a comparison with its images, and the text for a pull request."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from pixmill import pages
from pixmill.core.files.writing import write_text
from pixmill.core.words import shorten
from pixmill.experiments.compare.comparison import Comparison, Numbers, Revision
from pixmill.experiments.compare.image_changes import CHANGES
from pixmill.experiments.compare.numbers import METRIC_NAMES
from pixmill.experiments.compare.plain import headline
from pixmill.experiments.compare.results import read_curves
from pixmill.experiments.compare.slices import VALUES
from pixmill.experiments.compare.view import (
    Document,
    ImageRow,
    comparison_markdown,
    content,
    labels_of,
    rows_of,
)
from pixmill.metrics.arrays import Ints
from pixmill.pages.chart import MAX_MATRIX_CLASSES, shade
from pixmill.pages.thumbnails import Thumbnail, each_thumbnail, take_until_full
from pixmill.split import straddling
from pixmill.validate.reasons import REASONS, word

_MAX_FLIPS = 36
_MAX_SAMPLES = 12
_MAX_PAIRS = 6
"""Flips, images per kind of change, and pairs of near-duplicates on the page."""

_SIDE_PIXELS = 192
_MAX_BYTES = 3_000_000
"""Longer side of a thumbnail, and total size of all thumbnails."""

_COLOURS = {"better": "good", "worse": "bad", "same": "", "pass": "good", "fail": "bad"}
"""Colours of badges by word; others have the colour of warnings."""

_OWN_SCALE = frozenset({"log_loss", "coverage"})
"""Metrics that are drawn to separate scales, since their intervals may be far wider than all
others."""

_MAX_CLASSES = 20
"""Classes and slices shown unfolded, those with the largest changes."""

_MAX_ROWS = 200
"""Rows of a table of params or packages."""

_MAX_ERRORS = 40
"""Cells in the list of errors."""

_MAX_CURVES = 6
"""Columns of ``curves.csv`` that are drawn."""


Matrices = tuple[Ints, Ints]
"""Confusion matrices of base and head."""


@dataclass(frozen=True)
class ImageSelection:
    """Images of the page, as rows of the comparison's tables.

    Args:
        lost: Flips that are now wrong.
        gained: Flips that are now right.
        samples: Images of each kind of change, spread evenly over classes.
        near: Near-duplicates of test images.
        uris: Thumbnails as ``data:`` URIs by id, without images that are unavailable or do not
            decode.
    """

    lost: list[ImageRow]
    gained: list[ImageRow]
    samples: dict[str, list[ImageRow]]
    near: list[ImageRow]
    uris: dict[str, str]


def choose_images(comparison: Comparison) -> ImageSelection:
    """Choose and load flips, half of each direction, and samples of each change of the data.

    Args:
        comparison: The comparison; files are read from its revisions.
    """
    numbers = comparison.numbers
    data = comparison.data
    lost: list[ImageRow] = []
    gained: list[ImageRow] = []
    if numbers is not None:
        lost, gained = _choose_flips(numbers.flips)
    samples = {}
    near = []
    if data is not None:
        kinds = dict(iter(data.images.groupby("change")))
        samples = {kind: _spread(kinds[kind]) for kind in CHANGES if kind in kinds}
        near = rows_of(data.near_test.head(_MAX_PAIRS))
    rows = [*lost, *gained, *chain.from_iterable(samples.values()), *near]
    ids = dict.fromkeys([row["id"] for row in rows] + [row["test_id"] for row in near])
    names: list[str] = []
    uris = list(each_thumbnail(_load_images(comparison, list(ids), names)))
    loaded = take_until_full(zip(names, uris, strict=True), _MAX_BYTES)
    return ImageSelection(lost, gained, samples, near, loaded)


def _choose_flips(flips: pd.DataFrame) -> tuple[list[ImageRow], list[ImageRow]]:
    """Return lost and gained flips: half of each, unless one kind has fewer."""
    lost = rows_of(flips[~flips["gained"]].head(_MAX_FLIPS))
    gained = rows_of(flips[flips["gained"]].head(_MAX_FLIPS))
    half = _MAX_FLIPS // 2
    most_lost = max(half, _MAX_FLIPS - len(gained))
    most_gained = max(half, _MAX_FLIPS - len(lost))
    return lost[:most_lost], gained[:most_gained]


def _spread(rows: pd.DataFrame) -> list[ImageRow]:
    """Return rows at equal distances; rows are sorted by class."""
    places = np.unique(
        np.linspace(0, len(rows) - 1, min(_MAX_SAMPLES, len(rows))).round().astype(int)
    )
    return rows_of(rows.iloc[places])


def _load_images(comparison: Comparison, ids: list[str], names: list[str]) -> Iterator[Thumbnail]:
    """Yield the available images, preferably the head's; add the id of each to ``names``."""
    places: dict[str, list[Any]] = {name: [] for name in ids}
    for revision in (comparison.head, comparison.base):
        manifest = None if revision is None else revision.manifest
        if manifest is not None and "path" in manifest:
            rows = manifest[manifest["id"].isin(ids) & manifest["path"].notna()]
            for name, path in zip(rows["id"], rows["path"], strict=True):
                places[name].append((revision, path))
    for name, found in places.items():
        for revision, path in found:
            content = revision.read(f"artifacts/scrape/{path}")
            if content is not None:
                names.append(name)
                yield Thumbnail(name, content, size=_SIDE_PIXELS)
                break


@dataclass(frozen=True)
class Cell:
    """One cell of both confusion matrices.

    Args:
        actual: Actual class.
        predicted: Predicted class.
        base: Number of images in the base.
        head: Number of images in the head.
        depth: Depth of the colour, by the share of the row that changed.
    """

    actual: str
    predicted: str
    base: int
    head: int
    depth: int

    @property
    def difference(self) -> int:
        """Head minus base."""
        return self.head - self.base

    @property
    def kind(self) -> str:
        """The colour: ``good`` or ``bad``."""
        return "good" if (self.head > self.base) == (self.actual == self.predicted) else "bad"


def write_reports(comparison: Comparison, folder: Path, name: str = "compare") -> list[Path]:
    """Write the page and the text for a pull request, and return their paths.

    Args:
        comparison: The comparison.
        folder: Folder ``reports`` of the project, which must exist.
        name: Name of the files: the command that compares, and a suffix after a hyphen.
    """
    page = folder / f"{name}.html"
    text = folder / f"{name}.md"
    write_text(text, comparison_markdown(comparison, name))
    write_text(
        page,
        render_page(comparison, choose_images(comparison), name.partition("-")[0], folder.parent),
    )
    return [page, text]


def render_page(
    comparison: Comparison,
    chosen: ImageSelection,
    command: str = "compare",
    root: Path | None = None,
) -> str:
    """Return the page as self-contained HTML of at most 5 MB.

    Args:
        comparison: The comparison; ``plots/train/curves.csv`` is read from its revisions, if
            available.
        chosen: Images to show.
        command: Command that compares.
        root: Project folder; default: none, see :func:`pixmill.pages.render_page`.
    """
    made = content(comparison)
    numbers = comparison.numbers
    extents = _extents(made)

    def interval(it: dict[str, float], group: str, change: str, margin: float = 0.0) -> Markup:
        return pages.interval_svg(
            it["low"],
            it["diff"],
            it["high"],
            extent=extents[group],
            name=(
                f"{pages.with_sign(it['diff'])}, from {pages.with_sign(it['low'])} to "
                f"{pages.with_sign(it['high'])}"
            ),
            kind=_COLOURS.get(change, ""),
            margin=margin,
        )

    return pages.render_page(
        "pixmill.experiments.compare",
        "page.html",
        root=root,
        **made,
        command=command,
        colours=_COLOURS,
        heading=headline(comparison),
        # The badge in the heading states the verdict.
        lead=re.sub(
            f"^{comparison.verdict.replace('_', ' ')}[:,] ",
            "",
            comparison.sentence,
            flags=re.IGNORECASE,
        ),
        labels=() if numbers is None else numbers.labels,
        share="accuracy" if numbers is None else METRIC_NAMES[numbers.share],
        **({} if numbers is None else _errors_and_calibration(numbers)),
        dimensions=_dimensions(made["slices"]),
        interval=interval,
        own_scale=_OWN_SCALE,
        n_classes=_MAX_CLASSES,
        n_cells=MAX_MATRIX_CLASSES,
        n_listed=_MAX_ROWS,
        chosen=chosen,
        curves=_curves(comparison.base, comparison.head),
        labels_of=labels_of,
        reason=_reason,
    )


def _extents(made: Document) -> dict[str, float]:
    """Return the largest absolute value on the scale of each group of intervals."""

    def extent(differences: Iterable[dict[str, float]], least: float = 0.0) -> float:
        return 1.05 * max(
            [least, *(abs(it[limit]) for it in differences for limit in ("low", "high", "diff"))]
        )

    metrics = made["metrics"]
    margin = made["margin"] or 0
    return {
        "metrics": extent((it for name, it in metrics.items() if name not in _OWN_SCALE), margin),
        "per_class": extent(
            it for row in made["per_class"].values() if (it := row[made["score"]]) is not None
        ),
        "slices": extent(row["accuracy"] for row in made["slices"]),
        **{
            name: extent([it], margin if name == made["metric"] else 0)
            for name, it in metrics.items()
            if name in _OWN_SCALE
        },
    }


def _dimensions(slices: list[Document]) -> list[tuple[str, list[Document], int, bool]]:
    """Return each dimension, its most changed slices, how many others, and whether any changed."""
    found = []
    for dimension, members in groupby(slices, key=lambda row: row["dimension"]):
        rows = list(members)
        if dimension in VALUES:  # ranges go from low to high
            rows.sort(key=lambda row: -abs(row["accuracy"]["diff"]))
        is_changed = any(row["changed"] for row in rows)
        found.append((dimension, rows[:_MAX_CLASSES], len(rows) - _MAX_CLASSES, is_changed))
    return found


def _errors_and_calibration(numbers: Numbers) -> dict[str, Any]:
    """Return what the page shows of classes; nothing with several labels an image."""
    if numbers.confusion is None or numbers.reliability is None or numbers.coverage is None:
        return {}
    sides = ("base", "head")
    metrics = numbers.metrics
    marks: dict[str, tuple[float, float]] = {}
    if "covered_accuracy" in metrics:
        share = metrics["coverage"]
        accuracy = metrics["covered_accuracy"]
        marks = {"base": (share.first, accuracy.first), "head": (share.second, accuracy.second)}
    reliability = dict(zip(sides, numbers.reliability, strict=True))
    coverage = dict(zip(sides, numbers.coverage, strict=True))
    return {
        "cell": partial(_cell, numbers.labels, numbers.confusion),
        "errors": _changed_errors(numbers.labels, numbers.confusion),
        "reliability": pages.reliability_svg(
            reliability, name="Accuracy by confidence, of base and head"
        ),
        "coverage": pages.coverage_svg(
            coverage, marks, name="Accuracy against coverage, of base and head"
        ),
    }


def _cell(labels: Sequence[str], confusion: Matrices, row: int, column: int) -> Cell:
    first, second = confusion
    before = int(first[row, column])
    after = int(second[row, column])
    images = max(1, int(first[row].sum()), int(second[row].sum()))
    depth = shade(abs(after - before) / images)
    return Cell(labels[row], labels[column], before, after, depth)


def _changed_errors(labels: Sequence[str], confusion: Matrices) -> list[Cell]:
    """Return the errors whose counts changed, the largest changes first."""
    difference = confusion[1] - confusion[0]
    np.fill_diagonal(difference, 0)
    places = np.argwhere(difference)
    order = np.argsort(-np.abs(difference[tuple(places.T)]), kind="stable")[:_MAX_ERRORS]
    return [_cell(labels, confusion, row, column) for row, column in places[order].tolist()]


def _curves(before: Revision | None, after: Revision) -> list[tuple[str, Markup]]:
    """Return title and chart of each column of the training curves."""
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
            charts.append(
                (title, pages.lines_svg(lines, name=f"{title} of base and head", x_label="epoch"))
            )
    return charts[:_MAX_CURVES]


def _points(table: pd.DataFrame, column: str) -> list[tuple[float, float]]:
    if column not in table:
        return []
    both = [pd.to_numeric(table[name], errors="coerce") for name in (table.columns[0], column)]
    return [(x, y) for x, y in zip(*both, strict=True) if abs(x) < 1e12 and abs(y) < 1e12]


def _reason(row: ImageRow) -> str:
    """Return the reason why an image is or was dropped, as a phrase if this version knows it."""
    text = word(row["head_reason"] or row["base_reason"] or "")
    return {**REASONS, **straddling.REASONS}.get(text, shorten(text).replace("_", " "))
