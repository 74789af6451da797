"""Arguments and timing of the contestants that download images."""

import argparse
import json
import time
from collections.abc import Callable


def arguments() -> argparse.Namespace:
    """Return the work: ``port``, ``count``, ``folder`` and ``connections``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--connections", type=int, default=64)
    return parser.parse_args()


def urls(port: int, count: int, host: str = "127.0.0.1") -> list[str]:
    """Return the addresses of the images."""
    return [f"http://{host}:{port}/{number}.jpg" for number in range(count)]


def timed(work: Callable[[], object]) -> None:
    """Run the work, without its imports, and print its seconds."""
    began = time.perf_counter()
    work()
    print(json.dumps({"seconds": time.perf_counter() - began}))
