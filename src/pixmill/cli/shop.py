"""Serve the bundled shop on this machine, to try scraping.

Stop it with Ctrl-C.
"""

import argparse

from pixmill.cli.parser import port, project_root


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        help="port on 127.0.0.1; 0 for a free one (default: 8000)",
    )
    parser.add_argument("--open", action="store_true", help="open it in your browser")


def run(arguments: argparse.Namespace) -> None:
    """Serve the shop until Ctrl-C."""
    from pixmill.local.shop.server import serve

    serve(project_root() / "data", port=arguments.port, open_browser=arguments.open)
