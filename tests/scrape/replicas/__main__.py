"""Serve the replicas in a process: ``python -m tests.scrape.replicas --site google``.

The first printed line is the network as JSON, for `read_network`; the second has the command to
open it in Chromium.
"""

import argparse
import contextlib
import signal
import threading

from tests.scrape.replicas.bing import Bing
from tests.scrape.replicas.google import Google
from tests.scrape.replicas.site import Site
from tests.scrape.replicas.world import World
from tests.scrape.replicas.yahoo import Yahoo

SITES: dict[str, type[Site]] = {site.name: site for site in (Bing, Google, Yahoo)}


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description="Serve replicas of result pages on loopback.")
    parser.add_argument(
        "--site", action="append", choices=sorted(SITES), help="may be given again (default: all)"
    )
    parser.add_argument("--total", type=int, default=400, help="results of a query (default: 400)")
    parser.add_argument(
        "--pace", type=float, default=0.1, help="factor of all delays (default: 0.1)"
    )
    parser.add_argument(
        "--overlap",
        type=float,
        default=0.0,
        help="share of results common to all sites (default: 0)",
    )
    given = parser.parse_args()
    sites = [SITES[name](given.total) for name in given.site or sorted(SITES)]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        contextlib.suppress(KeyboardInterrupt),
        World(*sites, pace=given.pace, overlap=given.overlap) as world,
    ):
        print(world.describe(), flush=True)  # noqa: T201
        print(f"To open it: {world.command()}", flush=True)  # noqa: T201
        threading.Event().wait()


if __name__ == "__main__":
    main()
