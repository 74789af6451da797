"""Open the project in your browser: next steps, pipeline, results.

The page shows the content of `pixmill summary`, updated live, and does what the
commands do: run, label, compare, commit, promote, predict, export and serve. It is
served on this machine only; stop it with Ctrl-C. A run continues, and the next page
shows and stops it; imports and shared pages end.
"""

import argparse

from pixmill.cli.parser import add_page_options, project_workspace

EXAMPLES = (
    ("pixmill open --port 8080 --no-open", "on a remote machine, with the port forwarded by SSH"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    add_page_options(parser)


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    workspace = project_workspace()
    from pixmill.project.page.home import open_project

    open_project(workspace, port=arguments.port, open_browser=arguments.open)
