"""Show the browser and driver that scraping uses."""

import argparse
import os

from pixmill.core.progress import announce

EXAMPLES = (("pixmill browser --install", "find or install a browser with its driver"),)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--install", action="store_true", help="install them if they are missing")


def run(arguments: argparse.Namespace) -> None:
    """Print the browser and driver, or the grid."""
    from pixmill.web.browser import Grid, choose_browser, count_browsers, install_browser

    if arguments.install and not os.environ.get("PIXMILL_WEBDRIVER_URL"):
        install_browser(report=announce)
    found = choose_browser()
    if isinstance(found, Grid):
        counts = count_browsers(found)
        state = "ready" if counts is None else f"{counts[0]} of {counts[1]} free" if counts[1] else "none there now"
        print(f"grid:    {found.url} (PIXMILL_WEBDRIVER_URL)\nbrowser: {found.kind.title}, {state}")
    else:
        print(f"browser: {found.binary} {found.version}\ndriver:  {found.driver} {found.driver_version}")
