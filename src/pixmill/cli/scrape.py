"""Preview a scrape, or test the selectors of a site.

The scrape itself runs with `dvc repro scrape`.
"""

import argparse
import sys

from pixmill.cli.parser import project_workspace
from pixmill.core.errors import PixmillError

EXAMPLES = (
    ("pixmill scrape --dry-run", "list the pages to visit, and estimate the time"),
    (
        'pixmill scrape --probe bing "silk saree"',
        "show the matches of each selector on a results page",
    ),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--dry-run",
        action="store_true",
        help="list the pages to visit, and estimate the time; visits nothing",
    )
    modes.add_argument(
        "--probe",
        nargs=2,
        metavar=("SOURCE", "QUERY"),
        help="open the results page of a source for a query, print the matches of each selector in "
        "sites/<source>.yaml "
        "(count, first example), and save the page and a screenshot",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the forecast or the report of the probe."""
    from pixmill.core.params import load_params

    workspace = project_workspace()
    params = load_params(workspace.root)
    scratch = workspace.scratch("scrape")
    if arguments.probe:
        from pixmill.scrape.collection.preview import probe_source

        source, text = arguments.probe
        report = probe_source(source, text, params.scrape, root=workspace.root, scratch=scratch)
        print("\n".join(report.lines()))
        if report.failure is not None:
            sys.exit(1)
    elif arguments.dry_run:
        from pixmill.scrape.collection.preview import forecast

        lines = forecast(
            params.classes, params.scrape, root=workspace.root, scratch=scratch, task=params.task
        )
        print("\n".join(lines))
    else:
        raise PixmillError(
            "this command only previews; the scrape itself runs with DVC", next="dvc repro scrape"
        )
