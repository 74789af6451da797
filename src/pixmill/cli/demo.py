"""Fill an empty data/ with bundled images, or serve them as a shop.

Existing images are never changed. Stop the shop with Ctrl-C.
"""

import argparse

from pixmill.cli.parser import port, project_root
from pixmill.core.process.progress import announce

EXAMPLES = (("pixmill demo --shop --open", "open the shop in your browser, to try scraping"),)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--shop", action="store_true", help="serve the images in data/ as a shop")
    parser.add_argument(
        "--port",
        type=port,
        default=8000,
        help="port of the shop on 127.0.0.1; 0 for a free one (default: 8000)",
    )
    parser.add_argument("--open", action="store_true", help="open the shop in your browser")


def run(arguments: argparse.Namespace) -> None:
    """Fill ``data/`` and record it in DVC's cache, or serve the shop until Ctrl-C."""
    root = project_root()
    if arguments.shop:
        from pixmill.local.shop.server import serve

        serve(root / "data", port=arguments.port, open_browser=arguments.open)
        return
    import dvc  # noqa: F401 (a subprocess uses it; fail before anything is written)

    from pixmill.dataset.bundled import commit_data, make_data

    make_data(root, report=announce)
    # Even if data/ exists: an earlier call may have been interrupted in between.
    commit_data(root, report=announce)
