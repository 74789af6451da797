"""Arguments and timing of the contestants that measure images."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def compete(look: Callable[[Sequence[Path], int], int]) -> None:
    """Measure a few images, then all, and print the difference, which excludes the start of processes.

    Args:
        look: Function of image paths and number of processes that returns the number of images
            measured.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--few", type=int, required=True)
    parser.add_argument("--times", type=int, required=True, help="repetitions of each image")
    parser.add_argument("--processes", type=int, required=True)
    options = parser.parse_args()
    paths = sorted(options.folder.glob("*.jpg")) * options.times
    seconds = []
    processor = []
    looked = []
    for some in (paths[: options.few], paths):
        began = time.perf_counter()
        used = sum(os.times()[:4])
        looked.append(look(some, options.processes))
        seconds.append(time.perf_counter() - began)
        processor.append(sum(os.times()[:4]) - used)
    found = {
        "seconds": seconds[1] - seconds[0],
        "processor": processor[1] - processor[0],
        "looked": looked[1],
    }
    print(json.dumps(found))
