"""Scrape the pictures: from the bundled shop by a real browser, or from the folders that people brought."""

from __future__ import annotations

from pixmill.files import write_json, write_text
from pixmill.manifest import SCRAPED, SIGHTINGS, write_table
from pixmill.params import Params
from pixmill.scrape import render_report, scrape
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Fetch what is missing; write the account, the page and the tables; then say what a class lacks."""
    output = workspace.root / "artifacts" / "scrape"
    result = scrape(
        params.classes,
        params.scrape,
        data=workspace.root / "data",
        output=output,
        scratch=workspace.scratch("scrape"),
    )
    write_json(workspace.root / "metrics" / "scrape.json", result.account.metrics())
    write_text(workspace.root / "reports" / "scrape.html", render_report(result, output))
    write_table(output / "sightings.parquet", result.sightings, SIGHTINGS)
    write_table(output / "manifest.parquet", result.manifest, SCRAPED)
    print(f"scrape: {result.account}\nscrape: reports/scrape.html")  # noqa: T201
    result.check()


if __name__ == "__main__":
    run("scrape", main)
