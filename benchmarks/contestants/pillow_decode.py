"""Pillow: every image opened and decoded, with ``--array`` also converted to an array."""

import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image


def decode(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return image.width


def decode_to_array(path: Path) -> int:
    import numpy as np

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).shape[1]


def look(paths: Sequence[Path], processes: int) -> int:
    function = decode_to_array if as_array else decode
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(width > 0 for width in pool.imap_unordered(function, paths, chunksize=32))


if __name__ == "__main__":
    from looking import compete

    as_array = "--array" in sys.argv
    if as_array:
        sys.argv.remove("--array")
    compete(look)
