"""Show or install the browser and driver for scraping."""

import argparse
import os

from pixmill.core.process.progress import announce


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--install", action="store_true", help="install them if they are missing")


def run(arguments: argparse.Namespace) -> None:
    """Print the browser and driver, or the remote driver."""
    from pixmill.web.browser import RemoteDriver, check_remote, choose_browser, install_browser

    if arguments.install and not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=announce)
    found = choose_browser()
    if isinstance(found, RemoteDriver):
        check_remote(found)
        print(f"remote driver: {found.url} (PIXMILL_WEBDRIVER_URL)\nbrowser:       {found.kind.title}")
    else:
        print(f"browser: {found.binary} {found.version}\ndriver:  {found.driver} {found.driver_version}")
