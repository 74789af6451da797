"""Show or install the browser and driver for scraping."""

import argparse
import os
from pathlib import Path

from pixmill.core.process.progress import announce


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--install", action="store_true", help="install them if they are missing")


def run(arguments: argparse.Namespace) -> None:
    """Print the browser and driver, or the remote driver."""
    from pixmill.fetch.browser import install_browser
    from pixmill.project.doctor import CHECKS, render

    if arguments.install and not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=announce)
    print(render([*CHECKS["browser"](Path())]))
