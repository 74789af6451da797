"""Judge every scraped picture, and stop at the gate what must not go on."""

from __future__ import annotations

from pixmill.files import write_json, write_text
from pixmill.manifest import PAIRS, SCRAPED, SIGHTINGS, VALIDATED, read_table, write_table
from pixmill.params import Params
from pixmill.validate import gate_error, metrics, read_decisions, render_report, validate
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Write the verdicts, the page and the numbers; then fail where the gate does."""
    root, scraped, report = workspace.root, workspace.root / "artifacts/scrape", "reports/validate.html"
    result = validate(
        read_table(scraped / "manifest.parquet", SCRAPED, stage="scrape"),
        read_table(scraped / "sightings.parquet", SIGHTINGS, stage="scrape"),
        classes=params.classes,
        params=params.validate,
        folder=scraped,
        decisions=read_decisions(root / "review.csv", params.classes),
    )
    numbers = metrics(result)
    page = render_report(result, folder=scraped, params=params.validate)
    # All of it is written where the gate fails, too: it is what a person needs to mend the data.
    write_text(root / report, page)
    write_json(root / "metrics/validate.json", numbers)
    write_text(
        root / "plots/validate/classes.csv", result.classes[["label", "n"]].to_csv(index=False, lineterminator="\n")
    )
    write_json(
        root / "artifacts/validate/expectations.json", {"results": [outcome.record() for outcome in result.outcomes]}
    )
    write_table(root / "artifacts/validate/pairs.parquet", result.pairs, PAIRS)
    write_table(root / "artifacts/validate/manifest.parquet", result.manifest, VALIDATED)
    print(f"validate: kept {numbers['kept']:,} of {numbers['n']:,} pictures\nvalidate: {report}")  # noqa: T201
    if error := gate_error(result.outcomes, report=report):
        raise error


if __name__ == "__main__":
    run("validate", main)
