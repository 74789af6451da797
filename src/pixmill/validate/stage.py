"""Check all scraped images, and stop the pipeline if a critical check fails."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pixmill.core import decisions, review_csv
from pixmill.core.errors import PixmillError
from pixmill.core.expectations import gate_error, warnings
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_figures, write_json, write_text
from pixmill.core.manifest import (
    PAIRS,
    SCRAPED,
    SERIES_FILE,
    SIGHTINGS,
    VALIDATED,
    read_table,
    shrinkage,
    write_table,
)
from pixmill.core.params import Params
from pixmill.core.words import count
from pixmill.images.depth import WINDOW_FILE, describe_window
from pixmill.images.read_errors import explain
from pixmill.validate.page.report import render_report
from pixmill.validate.reasons import UNREADABLE, word
from pixmill.validate.shortcuts import excessive_shortcuts
from pixmill.validate.sightings import SEEN
from pixmill.validate.statistics import metrics, plot_tables
from pixmill.validate.validation import MISSING, Validation, validate

MAX_DECISIONS = 5
"""Maximum number of ignored decisions that are printed; the page lists all."""


def main(workspace: Workspace, params: Params) -> None:
    """Write verdicts, page and metrics, then raise an error if a critical check failed."""
    root = workspace.root
    scraped = root / "artifacts/scrape"
    report = "reports/validate.html"
    result = validate(
        read_table(scraped / "manifest.parquet", SCRAPED, stage="scrape", task=params.task),
        read_table(scraped / "sightings.parquet", SIGHTINGS, stage="scrape", columns=SEEN),
        classes=params.classes,
        params=params.validate,
        folder=scraped,
        decisions=_read_decisions(root, params.classes),
        scratch=workspace.scratch("validate"),
        root=root,
        task=params.task,
    )
    numbers = metrics(result)
    # Written before the gate, because it helps to fix the data.
    write_text(
        root / report, render_report(result, folder=scraped, params=params.validate, root=root)
    )
    unread = explain(
        result.manifest["reason"].dropna().map(word)[lambda words: words.isin(list(UNREADABLE))]
    )
    error = gate_error(
        result.outcomes, report=report, first=[f"{remedy} ({what})" for _, what, remedy in unread]
    )
    _write(root, result, numbers, params, error)
    unreadable = [f"warning: {what}; {remedy}" for _, what, remedy in unread]
    for line in itertools.chain(_summary(numbers), unreadable, _remarks(result, numbers), [report]):
        print(f"validate: {line}")
    if error:
        raise error


def _read_decisions(root: Path, classes: Sequence[str]) -> tuple[decisions.Row, ...]:
    """Return the rows of ``decisions.csv``.

    Raises:
        DataError: ``review.csv`` of an earlier version has decisions, which no stage would follow.
        DecisionsError: One of the two files is malformed.
    """
    review_csv.require_converted(root)
    found = decisions.read_rows(root / decisions.FILE)
    decisions.require_labels(found, classes)
    return found


def _write(
    root: Path,
    result: Validation,
    numbers: dict[str, Any],
    params: Params,
    error: PixmillError | None,
) -> None:
    """Write metrics, plots and tables."""
    headline = {
        "n": numbers["n"],
        "kept": numbers["kept"],
        "dropped": numbers["n"] - numbers["kept"],
    }
    gate = "failed" if error else "passed"
    plots = plot_tables(result, params.validate)
    write_figures(root, "validate", headline={**headline, "gate": gate}, full=numbers, tables=plots)
    shortcuts = excessive_shortcuts(result.shortcuts, params.validate.shortcuts)
    # An input of evaluate, so it contains only what evaluate needs.
    write_json(root / "plots/validate/shortcuts.json", {"shortcuts": shortcuts})
    out = root / "artifacts/validate"
    write_json(
        out / "expectations.json", {"results": [outcome.record() for outcome in result.outcomes]}
    )
    write_table(out / "pairs.parquet", result.pairs, PAIRS)
    (out / WINDOW_FILE).unlink(missing_ok=True)
    if result.window:
        write_json(out / WINDOW_FILE, {"window": result.window})
    (out / SERIES_FILE).unlink(missing_ok=True)
    if "series" in numbers:
        write_json(out / SERIES_FILE, numbers["series"])
    write_table(out / "manifest.parquet", result.manifest, VALIDATED)


def _summary(numbers: dict[str, Any]) -> Iterator[str]:
    counts = [
        f"kept {numbers['kept']:,} of {numbers['n']:,} images",
        shrinkage(numbers.get("given_test", {})),
    ]
    yield "; ".join(filter(None, counts))
    if pile := numbers.get("unlabelled"):
        yield (
            f"{count(pile['images'], 'unlabelled image')}, {pile['near_duplicates']:,} of them "
            "near-duplicates of labelled ones"
        )


def _remarks(result: Validation, numbers: dict[str, Any]) -> Iterator[str]:
    """Yield what may need attention: of files, checks and decisions."""
    if pages := numbers.get("unused_pages"):
        yield (
            f"warning: {count(pages, 'page')} of TIFF files were not used: only the first of each "
            "file is an image; save the others as files of one page to use them"
        )
    if result.window:
        yield f"{describe_window(len(result.values), result.window)} (validate.window)"
    yield from itertools.chain(*warnings(result.outcomes).values())
    if disputed := numbers["dropped"].get("disputed"):
        yield (
            f"warning: {count(disputed, 'image')} dropped, because people disagree about "
            f"{'it' if disputed == 1 else 'them'}; decide: pixmill review --only disputed"
        )
    if moved := result.review.moved:
        yield (
            f"{count(moved, 'image')} came with another label (by folder or table) than "
            f"{decisions.FILE} gives, which counts; if the one that came is right, delete the row "
            "there, else move the file"
        )
    yield from _unapplied(result.review.powerless)


def _unapplied(powerless: Sequence[tuple[decisions.Row, str]]) -> Iterator[str]:
    """Yield the decisions that could not be applied."""
    for row, why in powerless[:MAX_DECISIONS]:
        yield (f"warning: line {row.line} of {decisions.FILE} was not applied: {why} ({row.image})")
    if len(powerless) > MAX_DECISIONS:
        yield (
            f"warning: {len(powerless) - MAX_DECISIONS:,} more lines of {decisions.FILE} were not "
            "applied"
        )
    if any(why == MISSING for _, why in powerless):
        yield "if missing images lie in data/, scrape again: dvc repro -f scrape"
