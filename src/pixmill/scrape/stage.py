"""The stage scrape: collect images from the web or from local files."""

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_figures, write_text
from pixmill.core.manifest import SCRAPED, write_table
from pixmill.core.params import Params
from pixmill.scrape.collection.run import scrape
from pixmill.scrape.collection.tally import summary
from pixmill.scrape.page.report import render_report


def main(workspace: Workspace, params: Params) -> None:
    """Scrape, write metrics, page and tables, then raise an error if too many queries failed."""
    output = workspace.root / "artifacts/scrape"
    result = scrape(
        params.classes,
        params.scrape,
        root=workspace.root,
        output=output,
        scratch=workspace.scratch("scrape"),
        unlabelled=params.evaluate.unlabelled,
        task=params.task,
    )
    write_figures(
        workspace.root, "scrape", headline=result.tally.headline(), full=result.tally.metrics()
    )
    write_text(
        workspace.root / "reports/scrape.html",
        render_report(result, output, root=workspace.root),
    )
    write_table(output / "manifest.parquet", result.manifest, SCRAPED)
    for line in [
        summary(result.tally),
        *result.remarks,
        *result.tolerated_failures(),
        "reports/scrape.html",
    ]:
        print(f"scrape: {line}")
    result.check()
