"""Check all scraped images, and stop the pipeline if a critical check fails."""

import itertools

from pixmill.core.expectations import gate_error, warnings
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_figures, write_json, write_text
from pixmill.core.manifest import (
    PAIRS,
    SCRAPED,
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
from pixmill.validate.decisions import read_decisions
from pixmill.validate.page.report import render_report
from pixmill.validate.reasons import UNREADABLE, word
from pixmill.validate.shortcuts import excessive_shortcuts
from pixmill.validate.sightings import SEEN
from pixmill.validate.statistics import metrics, plot_tables
from pixmill.validate.validation import validate

MAX_DECISIONS = 5
"""Maximum number of ignored decisions that are printed; the page lists all."""


def main(workspace: Workspace, params: Params) -> None:
    """Write verdicts, page and metrics, then raise an error if a critical check failed."""
    root = workspace.root
    scraped = workspace.root / "artifacts/scrape"
    report = "reports/validate.html"
    result = validate(
        read_table(scraped / "manifest.parquet", SCRAPED, stage="scrape"),
        read_table(scraped / "sightings.parquet", SIGHTINGS, stage="scrape", columns=SEEN),
        classes=params.classes,
        params=params.validate,
        folder=scraped,
        decisions=read_decisions(root / "review.csv", params.classes),
        scratch=workspace.scratch("validate"),
        root=root,
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
    write_json(
        root / "artifacts/validate/expectations.json",
        {"results": [outcome.record() for outcome in result.outcomes]},
    )
    write_table(root / "artifacts/validate/pairs.parquet", result.pairs, PAIRS)
    (root / "artifacts/validate" / WINDOW_FILE).unlink(missing_ok=True)
    if result.window:
        write_json(root / "artifacts/validate" / WINDOW_FILE, {"window": result.window})
    write_table(root / "artifacts/validate/manifest.parquet", result.manifest, VALIDATED)
    counts = [
        f"kept {numbers['kept']:,} of {numbers['n']:,} images",
        shrinkage(numbers.get("given_test", {})),
    ]
    print(f"validate: {'; '.join(filter(None, counts))}")
    for _, what, remedy in unread:
        print(f"validate: warning: {what}; {remedy}")
    if pages := numbers.get("unused_pages"):
        print(
            f"validate: warning: {count(pages, 'page')} of TIFF files were not used: only the "
            "first of each file is an "
            "image; save the others as files of one page to use them"
        )
    if result.window:
        print(f"validate: {describe_window(len(result.values), result.window)} (validate.window)")
    if result.series:
        print(f"validate: warning: {result.series.sentence()}")
    for line in itertools.chain(*warnings(result.outcomes).values()):
        print(f"validate: {line}")
    powerless = result.review.powerless
    for decision, why in powerless[:MAX_DECISIONS]:
        print(
            f"validate: warning: line {decision.line} of review.csv was not applied: {why} "
            f"({decision.image})"
        )
    if len(powerless) > MAX_DECISIONS:
        print(
            f"validate: warning: {len(powerless) - MAX_DECISIONS:,} more lines of review.csv were "
            "not applied"
        )
    print(f"validate: {report}")
    if error:
        raise error
