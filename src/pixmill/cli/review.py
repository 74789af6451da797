"""Decide on images of doubt, by key press.

Opens a page of this machine in your browser: conflicts of labels,
near-duplicates, labels in doubt, outliers of a class, and dropped images that
may be rescued. What you decide is written to review.csv at once; `dvc repro`
then uses it. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse

from pixmill.cli.parser import port, project_root

_KINDS = ("conflicts", "near-duplicates", "labels", "outliers", "dropped")
"""The kinds of ``pixmill.review.doubts``, whose import would slow down every other command."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what may be typed behind the verb."""
    parser.add_argument("--only", choices=_KINDS, metavar="KIND", help=f"show one kind: {', '.join(_KINDS)}")
    parser.add_argument("--by", metavar="NAME", help="who decides (default: the name in Git's settings, or the login)")
    parser.add_argument("--port", type=port, default=0, help="port on 127.0.0.1; 0 takes a free one (default: 0)")
    parser.add_argument("--no-open", dest="open", action="store_false", help="do not open your browser")


def run(arguments: argparse.Namespace) -> None:
    """Serve the page until Ctrl-C."""
    from pixmill.core.params import load_params
    from pixmill.core.workspace import Workspace
    from pixmill.review.reviewing import review

    workspace = Workspace(project_root(), project_root())
    review(
        workspace,
        load_params(workspace.root),
        by=arguments.by,
        only=arguments.only,
        port=arguments.port,
        open_browser=arguments.open,
    )
