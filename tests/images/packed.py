"""Packed images as the stage split leaves them."""

import numpy as np

from pixmill.images.parts import plan_shards, shard_path, write_header


def write_shards(folder, name, pixels, rows=None):
    """Write a part's shards and its header; ``rows`` is how many images each holds, by default as split plans it."""
    rows = plan_shards(len(pixels), pixels[0].nbytes) if rows is None else rows
    start = 0
    for number, count in enumerate(rows):
        path = shard_path(folder, name, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.ascontiguousarray(pixels[start : start + count], np.uint8).tofile(path)
        start += count
    write_header(folder, name, image_size=pixels.shape[1], rows=rows)
