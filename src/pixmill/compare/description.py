"""What a comparison says, as sections of lines and tables that each format draws in its own way."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pixmill.compare.comparison import (
    Change,
    Changes,
    Comparison,
    DataDifference,
    Gate,
    Numbers,
    Revision,
    SliceNumbers,
    with_sign,
)
from pixmill.compare.image_changes import CHANGES
from pixmill.compare.numbers import LOWER_IS_BETTER, METRIC_NAMES
from pixmill.compare.slices import FEWEST, changed_slices
from pixmill.core.params.reference import plain
from pixmill.core.words import count
from pixmill.metrics.significance import Difference
from pixmill.pages.base import shorten
from pixmill.validate.reasons import word

NONE = "\N{EN DASH}"
"""Stands for a value that is not there."""

RECORDED = ("accuracy", "macro_f1", "log_loss", "ece", "n")
"""What is shown of each revision's own record where the two cannot be compared image by image."""

FLIPPED = {False: "Right before, wrong now", True: "Wrong before, right now"}
"""What happened to a prediction, by whether the head is right."""

_KINDS = 6
"""Classes, sources, reasons or ways between splits that are named in one line."""

_NUMBER = re.compile(r"[<+\N{MINUS SIGN}-]? ?[\d.,]+( to [+\N{MINUS SIGN}]?[\d.]+)?|\N{EN DASH}|")
"""What is aligned to the right."""

_CHANGED = {"moved": "moved to another split", "restored": "restored, which the base drops"}
"""Changes of images whose name says too little."""

ImageRow = dict[Any, Any]
Lines = tuple["str | RunLink", ...]


@dataclass(frozen=True)
class ComparisonTable:
    """A table of text, whatever the format.

    Args:
        headings: Of the columns.
        rows: Its cells.
        more: How many rows were left out, in words; empty if none was.
    """

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers, which are aligned to the right."""
        columns = list(zip(*self.rows, strict=True))
        return [place > 0 and all(map(_NUMBER.fullmatch, column)) for place, column in enumerate(columns)]


@dataclass(frozen=True)
class RunLink:
    """A name that leads to an address, and the command that serves it unless a server does."""

    name: str
    url: str
    command: str | None


@dataclass(frozen=True)
class ComparisonSection:
    """One subject of a comparison.

    Args:
        title: Its heading.
        parts: Tables, and lists of lines and links.
        detail: Whether it may be folded: the verdict is clear without it.
    """

    title: str
    parts: tuple[ComparisonTable | Lines, ...]
    detail: bool = False


def sections(comparison: Comparison, *, most: int) -> list[ComparisonSection]:
    """Return what a comparison says beyond its verdict, without what is the same on both revisions.

    Args:
        comparison: The comparison.
        most: Rows or lines of a kind; of more, the count is told.
    """
    numbers, data, changes = comparison.numbers, comparison.data, comparison.changes
    found = [ComparisonSection("Missing", (_few(comparison.missing, most, "more"),))]
    if numbers is not None:
        found += [_metrics(numbers), _classes(numbers, most), _slices(numbers, most)]
        found += [steps_section(numbers), _flips(numbers, most)]
    else:
        found.append(own_results_section(comparison))
    if data is not None:
        found.append(_data(data, most))
    if changes is not None:
        found.append(changes_section(changes, most))
    found.append(_runs(comparison.base, comparison.head))
    return [_gate(comparison.gate, most), *(section for section in found if any(section.parts))]


def own_results_section(comparison: Comparison) -> ComparisonSection:
    """Return each revision's own results, for where images cannot be compared one by one."""
    metrics = [(revision and revision.metrics) or {} for revision in (comparison.base, comparison.head)]
    rows = [
        ("test images" if name == "n" else metric_name(name), *(_value(revision.get(name)) for revision in metrics))
        for name in RECORDED
        if any(revision.get(name) is not None for revision in metrics)
    ]
    return ComparisonSection("Recorded results, each on its own test split", _table(("metric", "base", "head"), rows))


def metric_rows(numbers: Numbers) -> dict[str, tuple[str, ...]]:
    """Return the metrics by key, that which decides first: name, base, head, difference, interval, better or worse."""
    return {
        name: (metric_name(name), *_figures(numbers.metrics[name]), better_or_worse(numbers.metrics[name], name))
        for name in dict.fromkeys((numbers.metric, *numbers.metrics))
    }


def class_rows(numbers: Numbers) -> dict[str, tuple[str, ...]]:
    """Return the classes by label, the largest change first.

    Their cells: label, images, F1 of base and head, difference, interval, adjusted p, and better or worse if the change
    is significant by that p.
    """
    rows = {}
    for label, row in sorted(
        numbers.per_class.items(), key=lambda item: -abs(item[1].f1.difference if item[1].f1 else 0)
    ):
        cells = (label, f"{row.support:,}", *([NONE] * 4 if row.f1 is None else _figures(row.f1)))
        p = row.p_adjusted if row.f1 else None
        clear = p is not None and p <= 1 - numbers.confidence
        rows[label] = (*cells, NONE if p is None else p_value(p), better_or_worse(row.f1) if clear else "")
    return rows


def slice_cells(row: SliceNumbers) -> tuple[str, ...]:
    """Return a slice's images, accuracy of base and head, difference, interval and adjusted p."""
    p = NONE if row.p_adjusted is None else p_value(row.p_adjusted)
    return (f"{row.n:,}", *_figures(row.accuracy), p)


def slices_line(numbers: Numbers) -> str:
    """Return how many slices are large enough to be tested, and how many of them changed by more than chance."""
    tested = sum(row.p_adjusted is not None for row in numbers.slices)
    changed = len(changed_slices(numbers)) or "none"
    images = f"{FEWEST} images or more, near-duplicates counted once"
    return f"Of {count(tested, 'slice')} ({images}), {changed} changed significantly."


def steps_section(numbers: Numbers) -> ComparisonSection:
    """Return the way from the base's result to the head's, with what each step adds."""
    before = [None, *(step.value for step in numbers.steps)]
    rows = [
        (step.what, f"{step.n:,}", _value(step.value), "" if start is None else with_sign(step.value - start))
        for step, start in zip(numbers.steps, before, strict=False)
    ]
    headings = ("step", "test images", metric_name(numbers.metric), "change")
    return ComparisonSection("From the base's own result to the head's", _table(headings, rows))


def data_lines(data: DataDifference) -> Lines:
    """Return which images changed, one line for each kind; first, whether the split did."""
    lines = [f"{sentence}, which moves images to other splits" for sentence in data.resplit]
    for change in CHANGES:
        rows = rows_of(data.images[data.images["change"] == change])
        if rows:
            line = f"{count(len(rows), 'image')} {_CHANGED.get(change, change)}: {_counts(map(_kind, rows))}"
            sources = f" (source: {_counts(row['source'] or 'unknown' for row in rows)})" if change == "added" else ""
            lines.append(f"{line}{sources}")
    return tuple(lines)


def changes_section(changes: Changes, most: int) -> ComparisonSection:
    """Return what differs in params, packages, stages and commits."""
    params, packages = ([_change(item) for item in items] for items in (changes.params, changes.packages))
    stages = [f"{change.stage} ran: {', '.join(change.reasons)}" for change in changes.stages]
    commits = [f"commit {commit}: {subject}" for commit, subject in changes.commits]
    return ComparisonSection(
        "Params, code and packages",
        (
            *_table(("param", "base", "head"), params, most, "more params"),
            *_table(("package", "base", "head"), packages, most, "more packages"),
            (*_few(stages, most, "more stages"), *_few(commits, most, "more commits")),
        ),
        detail=True,
    )


def mcnemar_line(numbers: Numbers) -> str:
    """Return how many images only one revision gets right, and whether that may be chance."""
    test = numbers.mcnemar
    counts = f"Right in the base only: {count(test.lost, 'image')}; in the head only: {test.gained:,}"
    return f"{counts} (McNemar's exact test: {_p_is(test.p)})."


def metric_name(name: str) -> str:
    """Return what people call a metric, within a sentence."""
    return METRIC_NAMES.get(name, re.sub(r"^top_(\d+)_", r"top-\1 ", name))


def better_or_worse(item: Difference | None, metric: str = "f1") -> str:
    """Return ``better`` or ``worse``; nothing if the interval holds 0."""
    if item is None or item.low <= 0 <= item.high:
        return ""
    return "better" if (item.low > 0) != (metric in LOWER_IS_BETTER) else "worse"


def p_value(p: float) -> str:
    """Return a p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def confidence(row: ImageRow, revision: str) -> str:
    """Return the confidence of one revision's prediction of a flipped image."""
    return f"{100 * row[f'{revision}_confidence']:.0f} %"


def labels_of(row: ImageRow) -> str:
    """Return the label of an image of the data's difference, or both if they differ."""
    revisions = ("base",) if row["change"] == "removed" else ("head",)
    labels = [
        row[f"{revision}_label"] for revision in (("base", "head") if row["change"] == "relabelled" else revisions)
    ]
    return " → ".join("conflicting" if label is None else shorten(label, 40) for label in labels)


def rows_of(table: pd.DataFrame) -> list[ImageRow]:
    """Return a table's rows, with ``None`` where a value is missing."""
    rows: list[ImageRow] = table.astype(object).where(table.notna(), None).to_dict("records")
    return rows


def _gate(gate: Gate, most: int) -> ComparisonSection:
    violated = sorted((rule for rule in gate.rules if rule.result != "pass"), key=lambda rule: rule.result != "fail")
    kept = f"{len(gate.rules) - len(violated):,} of {count(len(gate.rules), 'limit')} kept"
    lines = [f"{rule.name}: {rule.sentence}" for rule in violated]
    title = f"Gate: {gate.result} ({kept if gate.rules else 'no limits apply'})"
    return ComparisonSection(title, (_few(lines, most, "more limits"),))


def _metrics(numbers: Numbers) -> ComparisonSection:
    title = f"Metrics on {count(numbers.n, 'common test image')}"
    if numbers.clusters != numbers.n:
        title += f" ({numbers.clusters:,} without near-duplicates)"
    if not any(item.difference for item in numbers.metrics.values()) and numbers.flips.empty:
        return ComparisonSection(title, ())
    headings = ("metric", "base", "head", "difference", _interval(numbers), "")
    lines = (mcnemar_line(numbers), *([numbers.remark] if numbers.remark else []))
    return ComparisonSection(title, (*_table(headings, [*metric_rows(numbers).values()]), lines))


def _classes(numbers: Numbers, most: int) -> ComparisonSection:
    """Return the classes whose F1 changed by more than chance."""
    changed = [row for label, row in class_rows(numbers).items() if better_or_worse(numbers.per_class[label].f1)]
    headings = ("class", "images", "base F1", "head F1", "difference", _interval(numbers), "p (Holm)", "")
    return ComparisonSection("Classes that changed", _table(headings, changed, most, "more classes"))


def _slices(numbers: Numbers, most: int) -> ComparisonSection:
    """Return the slices that changed by more than chance, those that fell first."""
    if numbers.flips.empty or all(row.p_adjusted is None for row in numbers.slices):
        return ComparisonSection("Slices", ())
    rows = [
        (f"{row.dimension} {row.name}", *slice_cells(row), "better" if row.accuracy.difference > 0 else "worse")
        for row in changed_slices(numbers)
    ]
    headings = ("slice (accuracy)", "images", "base", "head", "difference", _interval(numbers), "p (Holm)", "")
    return ComparisonSection("Slices", (*_table(headings, rows, most, "more slices"), (slices_line(numbers),)))


def _flips(numbers: Numbers, most: int) -> ComparisonSection:
    parts: list[ComparisonTable | Lines] = []
    for gained, title in FLIPPED.items():
        rows = [
            (
                row["id"][:12],
                row["label"],
                *(f"{row[f'{revision}_predicted']} {confidence(row, revision)}" for revision in ("base", "head")),
            )
            for row in rows_of(numbers.flips[numbers.flips["gained"] == gained])
        ]
        if rows:
            parts += [(f"{title}: {count(len(rows), 'image')}",)]
            parts += _table(("image", "class", "base says", "head says"), rows, most, "more images")
    return ComparisonSection("Predictions that flipped", tuple(parts), detail=True)


def _data(data: DataDifference, most: int) -> ComparisonSection:
    drift = [
        f"Drift of {item.what}: distance {item.distance:.2f} ({_p_is(item.p)})" for item in data.drift if item.drifted
    ]
    near = [(row["id"][:12], row["test_id"][:12], f"{row['similarity']:.3f}") for row in rows_of(data.near_test)]
    title = f"Data: {count(data.head_images, 'kept image')}, {data.base_images:,} in the base"
    headings = ("new image", "nearly duplicates test image", "similarity")
    return ComparisonSection(title, ((*data_lines(data), *drift), *_table(headings, near, most, "more images")))


def _runs(base: Revision | None, head: Revision) -> ComparisonSection:
    runs = [
        (what, revision.run)
        for what, revision in (("Base", base), ("Head", head))
        if revision is not None and revision.run
    ]
    if len(runs) == 2 and runs[0][1].id == runs[1][1].id:
        runs = []
    links = tuple(RunLink(f"{what}: {run.name}", run.url, run.command) for what, run in runs)
    return ComparisonSection("MLflow", (links,))


def _change(change: Change) -> tuple[str, str, str]:
    base, head = (NONE if value is None else plain(value) for value in (change.base, change.head))
    return change.name, base, head


def _kind(row: ImageRow) -> str:
    """Return by what images of a change are counted."""
    if row["change"] == "moved":
        return f"{row['base_split']} → {row['head_split']}"
    reason = {"dropped": row["head_reason"], "restored": row["base_reason"]}.get(row["change"])
    return word(reason).replace("_", " ") if reason else labels_of(row)


def _counts(kinds: Iterable[str]) -> str:
    """Return how many there are of each kind; of a single one, its name."""
    counted = Counter(kinds).most_common()
    if len(counted) == 1:
        return counted[0][0]
    words = [f"{count:,} {kind}" for kind, count in counted[:_KINDS]]
    return ", ".join([*words, *([f"and {len(counted) - _KINDS:,} more kinds"] if len(counted) > _KINDS else [])])


def _table(
    headings: tuple[str, ...], rows: Sequence[tuple[str, ...]], most: int | None = None, others: str = ""
) -> tuple[ComparisonTable, ...]:
    """Return a table, or nothing without rows."""
    left = 0 if most is None else len(rows) - most
    return (
        (ComparisonTable(headings, tuple(rows[:most]), f"and {left:,} {others}" if left > 0 else ""),) if rows else ()
    )


def _few(lines: Sequence[str | RunLink], most: int, others: str) -> Lines:
    left = len(lines) - most
    return (*lines[:most], *([f"and {left:,} {others}"] if left > 0 else []))


def _figures(item: Difference) -> tuple[str, ...]:
    return (
        _value(item.first),
        _value(item.second),
        with_sign(item.difference),
        f"{with_sign(item.low)} to {with_sign(item.high)}",
    )


def _interval(numbers: Numbers) -> str:
    return f"{100 * numbers.confidence:g} % CI"


def _p_is(p: float) -> str:
    return f"p {p_value(p)}" if p < 0.001 else f"p = {p_value(p)}"


def _value(value: float | None) -> str:
    return NONE if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
