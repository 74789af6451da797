"""imagehash's perceptual hash of every image, in as many processes."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import imagehash
from PIL import Image


def perceptual_hash(path: Path) -> str:
    with Image.open(path) as image:
        return str(imagehash.phash(image))


def look(paths: Sequence[Path], processes: int) -> int:
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(
            len(found) == 16 for found in pool.imap_unordered(perceptual_hash, paths, chunksize=32)
        )


if __name__ == "__main__":
    from looking import compete

    compete(look)
