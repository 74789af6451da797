"""What every contestant is told that looks at images, and how its time is taken."""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path


def compete(look: Callable[[Sequence[Path], int], int]) -> None:
    """Look at a few images, then at all, and print what the others took: so the start of processes is left out.

    Args:
        look: Looks at images with some processes, and returns how many it has looked at to the end.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--few", type=int, required=True)
    parser.add_argument("--times", type=int, required=True, help="how often each image is looked at")
    parser.add_argument("--processes", type=int, required=True)
    told = parser.parse_args()
    paths = sorted(told.folder.glob("*.jpg")) * told.times
    seconds, processor, looked = [], [], []
    for some in (paths[: told.few], paths):
        began, used = time.perf_counter(), sum(os.times()[:4])
        looked.append(look(some, told.processes))
        seconds.append(time.perf_counter() - began)
        processor.append(sum(os.times()[:4]) - used)
    found = {"seconds": seconds[1] - seconds[0], "processor": processor[1] - processor[0], "looked": looked[1]}
    print(json.dumps(found))
