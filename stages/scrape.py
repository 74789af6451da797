"""Scrape the pictures: from the web by real browsers and public APIs, or from what people brought."""

from __future__ import annotations

from pixmill.files import write_json, write_text
from pixmill.manifest import SCRAPED, write_table
from pixmill.params import Params
from pixmill.scrape import render_report, scrape
from pixmill.workspace import Workspace
from stages import run


def main(workspace: Workspace, params: Params) -> None:
    """Fetch what is missing; write the account, the page and the tables; then say what a search lacks."""
    output = workspace.root / "artifacts" / "scrape"
    result = scrape(
        params.classes, params.scrape, root=workspace.root, output=output, scratch=workspace.scratch("scrape")
    )
    write_json(workspace.root / "metrics" / "scrape.json", result.account.metrics())
    write_text(workspace.root / "reports" / "scrape.html", render_report(result, output))
    write_table(output / "manifest.parquet", result.manifest, SCRAPED)
    for line in [str(result.account), *result.remarks, *result.tolerated(), "reports/scrape.html"]:
        print(f"scrape: {line}")  # noqa: T201
    result.check()


if __name__ == "__main__":
    run("scrape", main)
