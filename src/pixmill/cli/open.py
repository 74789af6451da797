"""Open the project in your browser: next steps, pipeline, results.

The page shows the content of `pixmill summary`, updated live, and does what the
commands do: run, label, compare, commit, promote, predict, export and serve. It is
served on this machine only; stop it with Ctrl-C. A run continues, and the next page
shows and stops it; imports and shared pages end.
"""

import argparse

from pixmill.cli.parser import port, project_workspace

EXAMPLES = (
    ("pixmill open --port 8080 --no-open", "on a remote machine, with the port forwarded by SSH"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--port", type=port, default=0, help="port on 127.0.0.1; 0 for a free one (default: 0)"
    )
    parser.add_argument(
        "--no-open", dest="open", action="store_false", help="do not open the browser"
    )


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    workspace = project_workspace()
    from pixmill.project.page.home import open_project

    open_project(workspace, port=arguments.port, open_browser=arguments.open)
